/*
 * fetch_parse.h - what FETCH is asked for (RFC 3501 6.4.5), as a program that
 * is then run once per message.
 */
#ifndef IMAPD_FETCH_PARSE_H
#define IMAPD_FETCH_PARSE_H

#include "imapd/parse.h"
#include "mail/header.h"
#include "mail/structure.h"

/* Items that need no argument. */
enum fetch_item {
	FETCH_UID = 1 << 0,
	FETCH_FLAGS = 1 << 1,
	FETCH_INTERNALDATE = 1 << 2,
	FETCH_SIZE = 1 << 3,
	FETCH_ENVELOPE = 1 << 4,
	FETCH_BODY = 1 << 5,
	FETCH_BODYSTRUCTURE = 1 << 6,
	FETCH_MODSEQ = 1 << 7,
};

#define FETCH_SECTIONS_MAX 128
#define FETCH_NAMES_MAX    512 /* header names in one section */

/* One BODY[...], RFC822, RFC822.HEADER or RFC822.TEXT. */
struct fetch_section {
	uint32_t *numbers; /* 1.2.3: in the arena */
	size_t count;
	enum section_kind kind;
	bool fields; /* HEADER.FIELDS: kind is SECTION_HEADER, names is set */
	bool fields_not;
	struct header_names names; /* sorted */
	bool partial;
	uint64_t origin, octets;
	struct str label; /* what the response calls it: "BODY[1.MIME]<0>" */
};

struct fetch_program {
	unsigned items;
	struct fetch_section *sections; /* in the arena */
	size_t section_count;
	bool sets_seen; /* a section without PEEK */
	bool has_since; /* CHANGEDSINCE, RFC 7162 3.1.4.1 */
	uint64_t since;
};

/*
 * "ALL", "(FLAGS BODY.PEEK[])", then perhaps the modifiers "(CHANGEDSINCE 5)",
 * to the end of the command.  False: p->wrong says why.
 */
must_use bool fetch_parse(struct parse *p, struct fetch_program *out);

#endif
