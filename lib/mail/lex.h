/*
 * lex.h - the words of structured header fields (RFC 5322 3.2, RFC 2045 5.1):
 * what addrlist.c, content.c and date.c share.  Iterative and linear; takes
 * folded values as they are.
 */
#ifndef MAIL_LEX_H
#define MAIL_LEX_H

#include "base/buf.h"
#include "base/scan.h"

/*
 * Blanks, line ends and comments, perhaps none (CFWS).  The text of the last
 * comment goes to *comment, without its outer parentheses and with escapes as
 * written, where comment is not NULL and one was there.  An unclosed comment
 * runs to the end.
 */
void lex_cfws(struct scan *s, struct str *comment);

bool lex_is_atext(unsigned char c); /* RFC 5322 3.2.3, octets above 127 included (RFC 6532) */
bool lex_is_token(unsigned char c); /* RFC 2045 5.1, octets above 127 included */

must_use bool lex_atom(struct scan *s, struct str *out);
must_use bool lex_token(struct scan *s, struct str *out);

/*
 * A quoted string, or a domain literal where open is '['; *inside points to
 * what is between the delimiters, escapes and folds as written.  One that is
 * not closed runs to the end.
 */
must_use bool lex_quoted(struct scan *s, struct str *inside);
must_use bool lex_literal(struct scan *s, struct str *whole);

/*
 * Append text from lex_quoted or a comment: backslashes taken off, CR, LF and
 * NUL dropped.  False when out is full.
 */
bool lex_unquote(struct str inside, struct buf *out);

#endif
