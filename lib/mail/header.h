/*
 * header.h - the header of a message or of a part, field by field, with the
 * exact octets of each.
 *
 * The input is mail as it lies in the store: lines end in CRLF or LF, a CR
 * elsewhere and a NUL are data.  Nothing is refused, nothing copied unless a
 * buf is given; each pass is linear.  A header ends at its first empty line,
 * or at the end of the input.  Limits are the caller's: header_next can be
 * left at any field.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/buf.h"

/* One field.  All three point into the block. */
struct field {
	struct str whole; /* first octet of the name to the last line end, inclusive */
	struct str
	    name; /* blanks before the colon taken off (RFC 5322 4.5); "" if it is no field */
	struct str
	    value; /* behind the colon, folds and blanks as they are, without the last line end */
};

/* A cursor: set p and end to the message (or header block) and go on. */
struct header_iter {
	const char *p; /* behind the last field; once header_next was false: the first body octet */
	const char *end;
};

static inline struct header_iter
header_iter(struct str message)
{
	return (struct header_iter){ message.p, message.p + message.n };
}

/*
 * The next field, with its continuation lines.  A line that is no field (no
 * colon, a name with blanks or controls in it, a continuation of nothing)
 * comes with an empty name, so that whole fields always add up to the block.
 * False at the empty line, which is consumed, or at the end.
 */
bool header_next(struct header_iter *it, struct field *f);

/*
 * How many octets the header takes, its empty line included: the offset of
 * the body.  Looks at line ends only.
 */
size_t header_size(struct str message);

/* The first field of this name (no case).  False where there is none. */
must_use bool header_find(struct str message, struct str name, struct field *f);

/* How many fields of this name, counting no further than max: Received (RFC 5321 6.3). */
size_t header_count(struct str message, struct str name, size_t max);

/*
 * Unfold (RFC 5322 2.2.3) a value, trimmed of blanks at both ends: CRLF or LF
 * goes, the blank behind it stays; a NUL, CR or LF that is left over (not a
 * fold) becomes a space, so the result is one line.  False when out is full.
 */
bool header_unfold(struct str value, struct buf *out);

/*
 * Names for header_put_fields, sorted so that a thousand names against a
 * thousand fields stay cheap.  Sorts the caller's array in place.
 */
struct header_names {
	struct str *v;
	size_t n;
};
void header_names_sort(struct header_names *names);
bool header_names_has(const struct header_names *names, struct str name);

/*
 * BODY[HEADER.FIELDS (...)] and .NOT (RFC 3501 6.4.5): the fields whose name
 * is (not) among `names`, in their order, as stored except that line ends
 * become CRLF; then the empty line, if the header has one.  Lines that are no field go along with
 * .NOT only.  False when out is full.
 */
bool header_put_fields(
    struct str message, const struct header_names *names, bool not, struct buf *out);

/*
 * The next msg-id `<...>` of a Message-ID, In-Reply-To or References value,
 * without its brackets; comments, phrases and blanks are skipped (RFC 5322
 * 3.6.4 and 4.5.4).  The cursor moves behind it.  False when there is none.
 * *id points into value; a folded id keeps its fold, so unfold first.
 */
bool header_msgid_next(struct str *value, struct str *id);

#endif
