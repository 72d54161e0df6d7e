#include "base/fuzz.h"
#include "deliver/relay/reply.h"

FUZZ(data, n)
{
	struct str rest = str_n(data, n), line;
	char print[REPLY_TEXT_MAX + 64];
	struct reply r;

	reply_begin(&r);
	while (rest.n > 0) {
		enum reply_state s;

		(void)str_cut(rest, '\n', &line, &rest);
		s = reply_line(&r, line);
		assert(r.text_n <= REPLY_TEXT_MAX && strlen(reply_status(&r)) < 12);
		reply_print(&r, print, sizeof(print));
		if (s != REPLY_MORE)
			reply_begin(&r);
	}
}
