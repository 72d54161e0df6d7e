/*
 * mime.h - the MIME tree of a stored message (RFC 2045, RFC 2046) with the
 * exact octet offsets of everything.
 *
 * The input is the message as it lies in the store, one buffer (mapped or
 * read), lines ending in CRLF or LF, mixed as they may be.  Offsets and sizes
 * count the stored octets.  IMAP and POP3 present every message with CRLF:
 * each region also knows how many of its line ends lack their CR, so that
 * size-as-presented = size + bare (see crlf.h for sending it so).
 *
 * One pass, linear in the size whatever the nesting, no recursion.  Limits:
 * beyond MIME_DEPTH_MAX levels or MIME_PARTS_MAX parts the rest is opaque: a
 * leaf of type application/octet-stream, never an error.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "base/arena.h"

#define MIME_DEPTH_MAX    100   /* levels, a message in a message counting too */
#define MIME_PARTS_MAX    10000 /* parts in all */
#define MIME_BOUNDARY_MAX 250   /* octets; RFC 2046 5.1.1 allows 70 */
/* What a tree takes in its arena at most. */
#define MIME_ARENA        ((size_t)MIME_PARTS_MAX * 272)

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART, /* children are its parts */
	MIME_MESSAGE,   /* message/rfc822: one child, the message in it */
};

enum mime_encoding { /* RFC 2045 6.1 */
	MIME_7BIT,
	MIME_8BIT,
	MIME_BINARY,
	MIME_BASE64,
	MIME_QP,
	MIME_OTHER_ENCODING, /* unknown: content nobody can decode (RFC 2045 6.4) */
};

/* A stretch of the message. */
struct region {
	size_t at;    /* offset from the message's first octet */
	size_t size;  /* octets as stored */
	size_t lines; /* LFs in it */
	size_t bare;  /* of these, LFs without a CR before them */
};

static inline size_t
region_crlf_size(const struct region *r)
{
	return r->size + r->bare;
}

struct mime_part {
	struct mime_part *parent; /* NULL for the message itself */
	struct mime_part *child;  /* first */
	struct mime_part *next;
	enum mime_kind kind;
	enum mime_encoding encoding;
	unsigned depth; /* 0 for the message itself */
	bool opaque;    /* not looked into: too deep, too many, no boundary, encoded message */
	bool digest;    /* in a multipart/digest: its default type is message/rfc822 */
	struct region header; /* with its empty line */
	struct region body;
	/*
	 * Values of the first fields of these names, raw, pointing into the message;
	 * p == NULL where the field is missing.  content.h takes them apart.
	 */
	struct str content_type;
	struct str content_encoding;
	struct str content_disposition;
	struct str content_description;
	struct str content_language;
	struct str content_location;
	struct str content_id;
	struct str content_md5;
};

struct mime {
	struct str message;
	struct mime_part *root; /* the message itself: header is its header, body its text */
	size_t parts;
	struct region whole; /* all of it: lines and bare are those of the message */
};

/*
 * Parse.  The tree is in the arena (at most MIME_ARENA octets) and points into
 * message, which must outlive it.  Any octets are a message, none too.
 */
void mime_parse(struct str message, struct arena *a, struct mime *out);

/* The next part in the order of the message (children first), NULL after the last. */
struct mime_part *mime_next(const struct mime_part *part);

#endif
