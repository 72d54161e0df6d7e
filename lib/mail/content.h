/*
 * content.h - Content-Type, Content-Disposition and their parameters
 * (RFC 2045 5.1, RFC 2183 2, RFC 2231).
 *
 * Never fails beyond saying "not one": what follows the first thing that is
 * not understood is ignored.  At most CONTENT_PARAMS_MAX parameters are kept;
 * linear.
 */
#ifndef MAIL_CONTENT_H
#define MAIL_CONTENT_H

#include "base/arena.h"
#include "base/buf.h"

#define CONTENT_PARAMS_MAX 64          /* pieces of continued ones counted singly */
#define CONTENT_VALUE_MAX  (16 * 1024) /* octets of parameters kept, all together */
#define CONTENT_ARENA      (96 * 1024) /* room that parsing one field may take in the arena */

struct param {
	struct str name; /* as written, without "*0" and the like; no case meant */
	struct str value;
	/*
	 * The value is still in the RFC 2231 4 form charset'language'%41 and so is
	 * named "name*" in IMAP (RFC 2231 6); content_param decodes it.
	 */
	bool extended;
};

struct content {
	struct str type;    /* "text"; for a disposition "attachment" */
	struct str subtype; /* "plain"; empty for a disposition */
	struct param *params;
	size_t n;
};

/* `type/subtype *(; name=value)`.  False where it does not begin so (RFC 2045 5.2: use the
 * default). */
must_use bool content_type_parse(struct str value, struct arena *a, struct content *out);
/* `disposition *(; name=value)`. */
must_use bool content_disposition_parse(struct str value, struct arena *a, struct content *out);

/* The parameter of this name as it stands, NULL where there is none. */
const struct param *content_find(const struct content *c, struct str name);

/*
 * The parameter of this name as UTF-8: RFC 2231 decoded, and RFC 2047 words
 * too, which many senders put there.  Control characters become spaces.
 * False where there is none or out is full.
 */
must_use bool content_param(const struct content *c, struct str name, struct buf *out);

bool content_is(const struct content *c, const char *type, const char *subtype);

#endif
