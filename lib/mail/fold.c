/*
 * fold.c - text without case, by libunistring.
 *
 * Text is folded in blocks that end before an ASCII octet, where neither case
 * folding nor decomposition look across.  A block of ASCII alone, the usual
 * one, never sees the library.
 */
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

#include "mail/charset.h"
#include "mail/fold.h"

#define BLOCK 4096

static bool
put_ascii(struct str s, struct buf *out)
{
	char *to = buf_room(out, s.n);

	if (to == NULL)
		return false;
	for (size_t i = 0; i < s.n; i++)
		to[i] = ascii_lower(s.p[i]);
	buf_claim(out, s.n);
	return true;
}

static bool
put_unicode(struct str s, struct buf *out)
{
	struct buf good;
	size_t n = 0;
	uint8_t *folded;
	bool ok;

	buf_init(&good, 3 * s.n);
	(void)utf8_repair(s, &good);
	folded = u8_casefold((const uint8_t *)good.p, good.n, NULL, UNINORM_NFKD, NULL, &n);
	ok = folded != NULL ? buf_put(out, str_n(folded, n)) : buf_put(out, buf_str(&good));
	free(folded);
	buf_free(&good);
	return ok;
}

static bool
put_block(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return put_unicode(s, out);
	return put_ascii(s, out);
}

/*
 * Octets up to which text can be folded for itself: before the last ASCII
 * octet, or before the last character of a run that never ends.
 */
static size_t
safe_end(struct str s)
{
	size_t n = s.n;

	while (n > 0 && (unsigned char)s.p[n - 1] >= 0x80)
		n--;
	if (n > 0)
		return n - 1;
	for (n = s.n; n > 0 && ((unsigned char)s.p[n - 1] & 0xc0) == 0x80 && s.n - n < 4; n--)
		;
	return s.n > BLOCK / 2 && n > 1 ? n - 1 : 0;
}

bool
fold_put(struct str s, struct buf *out)
{
	while (s.n > BLOCK) {
		size_t n = safe_end(str_first(s, BLOCK));

		n = n > 0 ? n : BLOCK;
		if (!put_block(str_first(s, n), out))
			return false;
		s = str_from(s, n);
	}
	return put_block(s, out);
}

bool
fold_has(struct str utf8, struct str folded_needle)
{
	struct fold_search f;
	bool found;

	fold_search_init(&f, folded_needle);
	found = fold_search_put(&f, utf8) || fold_search_end(&f);
	fold_search_free(&f);
	return found;
}

void
fold_search_init(struct fold_search *f, struct str folded_needle)
{
	*f = (struct fold_search){ .needle = folded_needle, .found = folded_needle.n == 0 };
	/* NFKD makes at most 33 octets of three. */
	buf_init(&f->folded, FOLD_NEEDLE_MAX + 16 * BLOCK);
	buf_init(&f->held, 2 * BLOCK);
	assert(folded_needle.n <= FOLD_NEEDLE_MAX);
}

static void
look(struct fold_search *f, struct str block)
{
	(void)put_block(block, &f->folded);
	f->found = str_find(buf_str(&f->folded), f->needle) >= 0;
	/* What may be the start of the needle stays. */
	if (f->folded.n >= f->needle.n)
		buf_drop(&f->folded, f->folded.n - (f->needle.n - 1));
}

bool
fold_search_put(struct fold_search *f, struct str utf8)
{
	while (!f->found && utf8.n > 0) {
		struct str piece = str_first(utf8, BLOCK - f->held.n);
		size_t n;

		(void)buf_put(&f->held, piece);
		utf8 = str_from(utf8, piece.n);
		n = safe_end(buf_str(&f->held));
		if (n == 0 && f->held.n == BLOCK)
			n = BLOCK;
		if (n > 0) {
			look(f, str_first(buf_str(&f->held), n));
			buf_drop(&f->held, n);
		}
	}
	return f->found;
}

bool
fold_search_end(struct fold_search *f)
{
	if (!f->found && f->held.n > 0) {
		look(f, buf_str(&f->held));
		buf_clear(&f->held);
	}
	return f->found;
}

void
fold_search_free(struct fold_search *f)
{
	buf_free(&f->folded);
	buf_free(&f->held);
}
