#include "store/names.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/scan.h"

#define ID_MAX   80
#define OWN_MARK "PR"

/* The letters in the order a name has them (ASCII), and their bits. */
static const struct letter {
	char c;
	uint32_t bit;
} letters[] = {
	{ 'D', MSG_DRAFT },
	{ 'F', MSG_FLAGGED },
	{ 'P', NAME_PASSED },
	{ 'R', MSG_ANSWERED },
	{ 'S', MSG_SEEN },
	{ 'T', MSG_DELETED },
};

static uint32_t
bit_of(char c)
{
	if (c >= 'a' && c <= 'z')
		return 1u << (NAME_KEYWORD_BASE + (c - 'a'));
	for (size_t i = 0; i < COUNT_OF(letters); i++)
		if (letters[i].c == c)
			return letters[i].bit;
	return 0;
}

bool
name_split(struct str name, struct str *base, uint32_t *flags)
{
	ptrdiff_t colon = str_chr(name, ':');
	struct str info = colon < 0 ? STR_NONE : str_from(name, (size_t)colon);

	*base = colon < 0 ? name : str_first(name, (size_t)colon);
	*flags = 0;
	if (base->n == 0 || base->n > BASE_MAX || base->p[0] == '.')
		return false;
	if (!str_starts(info, STR(":2,")))
		return true;
	for (size_t i = 3; i < info.n && info.p[i] != ','; i++)
		*flags |= bit_of(info.p[i]);
	return true;
}

void
name_join(struct str base, uint32_t flags, char out[static NAME_ROOM])
{
	size_t n = 0;

	assert(base.n <= BASE_MAX);
	memcpy(out, base.p, base.n);
	n = base.n;
	memcpy(out + n, ":2,", 3);
	n += 3;
	for (size_t i = 0; i < COUNT_OF(letters); i++)
		if ((flags & letters[i].bit) != 0)
			out[n++] = letters[i].c;
	for (unsigned i = 0; i < NAME_KEYWORDS; i++)
		if ((flags & 1u << (NAME_KEYWORD_BASE + i)) != 0)
			out[n++] = (char)('a' + i);
	out[n] = '\0';
}

bool
name_make(int64_t arrived, struct str id, const char *host, uint64_t size, uint64_t vsize,
    char out[static BASE_MAX + 1])
{
	/* Room for ":2," and all letters behind it, within the 255 of a file name. */
	const int most = BASE_MAX - 3 - NAME_KEYWORDS - (int)COUNT_OF(letters);
	int n = snprintf(out, BASE_MAX + 1, "%lld." OWN_MARK STR_FMT ".%s,S=%llu",
	    (long long)MAX(arrived, (int64_t)0), STR_ARG(id), host, (unsigned long long)size);

	if (n > 0 && n <= most && vsize < VSIZE_UNKNOWN)
		n += snprintf(
		    out + n, (size_t)(BASE_MAX + 1 - n), ",W=%llu", (unsigned long long)vsize);
	return n > 0 && n <= most;
}

static bool
number_behind(struct str base, struct str mark, uint64_t *v)
{
	ptrdiff_t at = str_find(base, mark);
	struct scan s;

	if (at < 0)
		return false;
	s = scan_of(str_from(base, (size_t)at + mark.n));
	return scan_u64(&s, v) && (scan_end(&s) || scan_peek(&s) == ',');
}

bool
name_sizes(struct str base, uint64_t *size, uint64_t *vsize)
{
	if (!number_behind(base, STR(",S="), size))
		return false;
	if (!number_behind(base, STR(",W="), vsize))
		*vsize = VSIZE_UNKNOWN;
	return true;
}

struct str
name_id(struct str base)
{
	struct str secs, rest, id, host;

	if (!str_cut(base, '.', &secs, &rest) || !str_cut(rest, '.', &id, &host) ||
	    !str_starts(id, STR(OWN_MARK)))
		return STR_NONE;
	return str_from(id, sizeof(OWN_MARK) - 1);
}

bool
name_id_valid(struct str id)
{
	if (id.n == 0 || id.n > ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!ascii_alnum(id.p[i]) && id.p[i] != '_' && id.p[i] != '-')
			return false;
	return true;
}

void
name_new_id(char out[static 40])
{
	int64_t us = wall_us();

	/* The random half is what makes it unique; the rest is for people. */
	(void)snprintf(out, 40, "M%dP%dR%016llx", (int)(us % 1000000), (int)getpid(),
	    (unsigned long long)random_u64());
}
