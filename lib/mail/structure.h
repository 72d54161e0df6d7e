/*
 * structure.h - what IMAP asks of a message without its text: ENVELOPE, BODY,
 * BODYSTRUCTURE, sizes, and where each section lies, in one packed piece of
 * memory that the store keeps in its index.
 *
 * Made once from the message at delivery (structure_build), read at each
 * FETCH (structure_unpack, O(1)).  ENVELOPE and BODYSTRUCTURE are kept as the
 * very text that IMAP sends (RFC 3501 7.4.2), so a FETCH is a copy of octets.
 * Sizes in that text are as presented (crlf.h); offsets are as stored.
 *
 * Packed form, version 1: octet 'S', version 1; then base-128 numbers (low
 * seven bits first): message size, lines, bare; flags; header size, header
 * lines, header bare; length of ENVELOPE, BODYSTRUCTURE, extension table and
 * part table; then these four.  The extension table says which stretches of
 * BODYSTRUCTURE are extension data, left out for BODY.  The part table holds
 * the parts in order.  The store adds its own checksum; unpacking survives any
 * octets all the same.
 */
#ifndef MAIL_STRUCTURE_H
#define MAIL_STRUCTURE_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/mime.h"

/* Address entries in one ENVELOPE field, and octets of one unstructured string. */
#define STRUCTURE_ADDRESSES_MAX 4000
#define STRUCTURE_STRING_MAX    (32 * 1024)
/* Beyond this a message has no packed form and is parsed when asked for. */
#define STRUCTURE_MAX           (8 * 1024 * 1024)

enum structure_flag {
	STRUCTURE_NUL = 1 << 0,  /* the message holds a NUL: present it through crlf.h */
	STRUCTURE_8BIT = 1 << 1, /* it holds octets above 127 */
	STRUCTURE_ATTACH =
	    1 << 2, /* it has a part that is an attachment: for lists and $HasAttachment */
};

/* The unpacked view; everything points into the packed octets. */
struct structure {
	struct region message; /* at is 0; RFC822.SIZE is region_crlf_size(&message) */
	struct region header;  /* of the message, with its empty line */
	unsigned flags;        /* enum structure_flag */
	struct str envelope;   /* "(...)", ready to send */
	struct str body;       /* BODYSTRUCTURE "(...)", ready to send */
	struct str extensions; /* private: what BODY leaves out */
	struct str parts;      /* private: the part table */
};

/*
 * Parse a message and append its packed form.  False when out is full (use
 * STRUCTURE_MAX as its maximum); out is then as before.  Takes up to
 * MIME_ARENA octets of memory for its run.
 */
must_use bool structure_build(struct str message, struct buf *out);

/* The same from a tree that is there already. */
must_use bool structure_pack(const struct mime *m, struct buf *out);

/* False where it is not a packed form we know; *out is then undefined. */
must_use bool structure_unpack(struct str packed, struct structure *out);

/* Append BODY: BODYSTRUCTURE without extension data.  False: full, or damaged. */
must_use bool structure_put_body(const struct structure *s, struct buf *out);

/* Sections (RFC 3501 6.4.5); parsing their text is imapd's, finding them ours. */
enum section_kind {
	SECTION_ALL,    /* [] or [1.2]: the message, or the body of part 1.2 */
	SECTION_HEADER, /* [HEADER], [1.HEADER]: also what HEADER.FIELDS picks from */
	SECTION_TEXT,   /* [TEXT], [1.TEXT] */
	SECTION_MIME,   /* [1.MIME] */
};

#define SECTION_DEPTH_MAX (MIME_DEPTH_MAX + 1) /* numbers in a section that can exist */

struct section {
	struct region region;
	enum mime_kind kind;         /* of the part meant */
	enum mime_encoding encoding; /* for BINARY and SEARCH */
};

/*
 * Where a section lies.  False where the message has none such (imapd then
 * answers NIL), where numbers lead nowhere, or where the table is damaged.
 * Linear in the parts.
 */
must_use bool structure_section(const struct structure *s, const uint32_t *numbers, size_t n,
    enum section_kind kind, struct section *out);

#endif
