/*
 * parse.h - the tokens of IMAP (RFC 3501 9), read from one whole command.
 *
 * The command reader (reader.h) hands over a command only when all of it is
 * there, so its literals stand in the text as {n} CRLF and n octets.  Each
 * parse_* consumes on success and leaves the cursor on failure; `wrong` then
 * says what was expected, for the tagged BAD.  Texts that are returned point
 * into the command or into the arena; both live until the command ends.
 *
 * No socket, no session: bytes in, values out (parse_test.c, parse_fuzz.c).
 */
#ifndef IMAPD_PARSE_H
#define IMAPD_PARSE_H

#include "base/arena.h"
#include "base/scan.h"
#include "mail/date.h"

struct parse {
	struct scan s;
	struct arena *arena;
	const char *wrong; /* "Expected a mailbox name"; NULL so far */
};

struct parse parse_of(struct str text, struct arena *arena);

/* Remember what was expected (the first complaint wins) and say false. */
bool parse_wrong(struct parse *p, const char *what);

must_use bool parse_sp(struct parse *p);  /* one space; "Expected a space" */
must_use bool parse_end(struct parse *p); /* nothing is left; "Unexpected text at the end" */
/* Optional pieces: no complaint when they are not there. */
bool parse_char(struct parse *p, char c);
bool parse_word(
    struct parse *p, const char *word); /* whatever its case; not followed by an atom's octet */

bool is_atom_char(unsigned char c);    /* ATOM-CHAR */
bool is_astring_char(unsigned char c); /* ATOM-CHAR or ']' */

must_use bool parse_atom(struct parse *p, struct str *out);
must_use bool parse_string(struct parse *p, struct str *out); /* quoted or literal */
must_use bool parse_astring(struct parse *p, struct str *out);
/* NIL is STR_NONE (out->p == NULL). */
must_use bool parse_nstring(struct parse *p, struct str *out);
/* A pattern of LIST: list-char, that is atom, '%', '*', ']', or a string. */
must_use bool parse_list_mailbox(struct parse *p, struct str *out);

must_use bool parse_number(struct parse *p, uint32_t *v);
must_use bool parse_nz_number(struct parse *p, uint32_t *v);
/* mod-sequence-valzer, RFC 7162 7: below 2^63. */
must_use bool parse_modseq(struct parse *p, uint64_t *v);
/* number64 of partials: below 2^63, so that sums fit. */
must_use bool parse_number64(struct parse *p, uint64_t *v);

/* A sequence-set, its grammar checked; what "*" means is known later (mail/seqset.h). */
must_use bool parse_set_text(struct parse *p, struct str *out);

/* "\Seen", "$Forwarded", "custom"; at most PARSE_FLAG_MAX octets. */
#define PARSE_FLAG_MAX 128
must_use bool parse_flag(struct parse *p, struct str *out);

#define PARSE_FLAGS_MAX 64
struct flag_list {
	struct str flag[PARSE_FLAGS_MAX];
	size_t count;
};
/* "(" flags ")"; `bare`: also without parentheses, as STORE allows. */
must_use bool parse_flag_list(struct parse *p, bool bare, struct flag_list *out);

/* date of SEARCH, quoted or not: 1-Feb-1994, as days since 1970. */
must_use bool parse_date(struct parse *p, int64_t *day);
/* date-time of APPEND: "17-Jul-1996 02:44:25 -0700", quoted. */
must_use bool parse_date_time(struct parse *p, struct maildate *out);

#endif
