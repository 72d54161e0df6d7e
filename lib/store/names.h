/*
 * names.h - inside the store: Maildir file names.
 *
 *	1763637682.PRk3j2h1.host,S=1234,W=1260:2,FS
 *	`------------- base ------------------'
 *
 * The base names the message for ever; what follows may be changed by any
 * program at any time.  S and W are the sizes as stored and with CRLF, as
 * Dovecot writes them.  The unique part of our own names begins with PR and
 * the delivery id.
 */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include "store/format.h"

#define NAME_ROOM 300 /* base, ":2,", letters, NUL */

/* Flags in a name: bits 0 to 4 as enum msg_flag, then P, then a to z (keywords 0 to 25). */
#define NAME_PASSED       (1u << 5)
#define NAME_KEYWORD_BASE 6
#define NAME_KEYWORDS     26

static inline uint32_t
name_flags_of(unsigned flags, uint64_t keywords, uint32_t old)
{
	return (flags & MSG_FLAGS) | (old & NAME_PASSED) |
	       (uint32_t)(keywords & 0x3ffffff) << NAME_KEYWORD_BASE;
}

/* Split a file's name; false when it is none of a message (leading '.', too long, empty). */
must_use bool name_split(struct str name, struct str *base, uint32_t *flags);

/* base and ":2," and the letters. */
void name_join(struct str base, uint32_t flags, char out[static NAME_ROOM]);

/* The base for a new message; false when id or host make it too long. */
must_use bool name_make(int64_t arrived, struct str id, const char *host, uint64_t size,
    uint64_t vsize, char out[static BASE_MAX + 1]);

/* ",S=" and ",W="; false when it is not there. */
must_use bool name_sizes(struct str base, uint64_t *size, uint64_t *vsize);

/* The delivery id of one of our names; STR_NONE of another's. */
struct str name_id(struct str base);

/* A delivery id as the contract wants it. */
bool name_id_valid(struct str id);

/* An id nobody else makes. */
void name_new_id(char out[static 40]);

#endif
