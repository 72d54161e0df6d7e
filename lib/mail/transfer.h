/*
 * transfer.h - Content-Transfer-Encoding undone (RFC 2045 6): streaming
 * decoders that take what real mail holds and never fail: octets outside the
 * alphabet are skipped, a damaged quoted-printable escape stays as it is.
 */
#ifndef MAIL_TRANSFER_H
#define MAIL_TRANSFER_H

#include "base/buf.h"
#include "mail/mime.h"

/* transfer_init to start. */
struct transfer {
	enum mime_encoding encoding;
	uint32_t bits;  /* base64: collected, not yet put out */
	unsigned count; /* base64: how many digits are in bits */
	bool ended;     /* base64: padding was seen */
	bool damaged;   /* something was skipped or cut (BINARY wants to know: RFC 3516 4.3) */
	char held[128]; /* quoted-printable: blanks, or an escape, that may go on */
	size_t n_held;
};

void transfer_init(struct transfer *t, enum mime_encoding encoding);

/*
 * Decode a chunk onto out, which never needs more than chunk.n + 128 octets
 * of room.  False when out is full: its maximum was too small.
 */
bool transfer_put(struct transfer *t, struct str chunk, struct buf *out);
/* What is still held back, at the end. */
bool transfer_end(struct transfer *t, struct buf *out);

enum mime_encoding transfer_parse(struct str value); /* a Content-Transfer-Encoding field's value */
const char *transfer_name(enum mime_encoding e);     /* "7bit" ...; MIME_OTHER_ENCODING: NULL */

#endif
