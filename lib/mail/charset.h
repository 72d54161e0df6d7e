/*
 * charset.h - text in the charsets of mail to UTF-8.
 *
 * US-ASCII and UTF-8 are done here, the rest of a fixed list by iconv(3).
 * A charset not in the list is never handed to iconv, whose names may name
 * files.  iconv loads a module per charset: a process that is going to lose
 * its file system calls charset_preload first and keeps what it gets.
 */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include "base/buf.h"

/* True for a name (or alias) in the list; no case. */
bool charset_known(struct str name);

/*
 * Load all modules; keep the result for the life of the process (they are
 * unloaded with it).  Before threads and confinement.
 */
struct charset_modules;
struct charset_modules *charset_preload(void);
void charset_unload(struct charset_modules **m);

/*
 * Append `in` as well-formed UTF-8.  Ill-formed input becomes U+FFFD and goes
 * on.  False where the charset is not known (nothing appended) or out is full.
 * NUL comes through as NUL: it is for the caller to judge.
 */
must_use bool charset_to_utf8(struct str charset, struct str in, struct buf *out);

/* The same in pieces; a character may be cut between them. */
struct charset;                                /* opaque, from charset_open */
struct charset *charset_open(struct str name); /* NULL: not known */
void charset_close(struct charset **c);
bool charset_put(struct charset *c, struct str in, struct buf *out); /* false: full */
bool charset_end(struct charset *c, struct buf *out);

/* Append s with each ill-formed octet replaced by U+FFFD. */
bool utf8_repair(struct str s, struct buf *out);

#endif
