/* params_fuzz.c - the parameters of MAIL and RCPT: what is taken is within its limits. */
#include "base/fuzz.h"

#include "smtpd/params.h"

FUZZ(data, n)
{
	struct str text = str_n(data, n);
	struct scan s = scan_of(text);
	struct mail_params mail;
	struct rcpt_params rcpt;
	struct why why;

	if (mail_params_parse(&s, &mail, &why) == DONE) {
		assert(mail.envid.n <= PARAM_ENVID_MAX && xtext_valid(mail.envid, false));
		assert(mail.body <= BODY_BINARYMIME && mail.ret <= DELIVER_RET_HDRS);
		assert(scan_end(&s));
	} else {
		assert(why.code == 501 || why.code == 555);
	}
	for (int utf8 = 0; utf8 < 2; utf8++) {
		s = scan_of(text);
		if (rcpt_params_parse(&s, utf8, &rcpt, &why) == DONE) {
			assert(rcpt.orcpt.n <= PARAM_ORCPT_MAX);
			assert((rcpt.notify & DELIVER_NOTIFY_NEVER) == 0 ||
			       rcpt.notify == DELIVER_NOTIFY_NEVER);
		}
	}
}
