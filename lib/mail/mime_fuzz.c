/*
 * mime_fuzz.c - any octets are a message: its regions add up, its packed form
 * reads back, its BODYSTRUCTURE is well-formed, and the same message with
 * other line ends has the same one.
 */
#include "base/fuzz.h"
#include "mail/crlf.h"
#include "mail/structure.h"

static void
check_region(struct str message, const struct region *r)
{
	struct crlf_count n;

	assert(r->at <= message.n && r->size <= message.n - r->at);
	crlf_count(str_n(message.p + r->at, r->size), &n);
	assert(n.lines == r->lines && n.bare == r->bare);
}

/* Parentheses, strings and literals as a client reads them. */
static void
check_text(struct str s)
{
	size_t depth = 0, i = 0;

	while (i < s.n) {
		char c = s.p[i++];

		assert(c != '\0' && c != '\r' && c != '\n' && (unsigned char)c < 0x80);
		depth += c == '(';
		if (c == ')') {
			assert(depth > 0);
			depth--;
		} else if (c == '"') {
			for (; assert(i < s.n), s.p[i] != '"'; i++) {
				if (s.p[i] == '\\')
					i++;
				assert(s.p[i] != '\r' && s.p[i] != '\n' &&
				       (unsigned char)s.p[i] < 0x80);
			}
			i++;
		} else if (c == '{') {
			struct scan in = scan_of(str_from(s, i));
			uint64_t n;

			assert(scan_u64(&in, &n) && scan_word(&in, "}\r\n"));
			assert(n <= (uint64_t)(in.end - in.p) && memchr(in.p, '\0', n) == NULL);
			i = (size_t)(in.p - s.p) + n;
		}
	}
	assert(depth == 0);
}

static void
check_sections(const struct structure *s, struct str message)
{
	uint32_t numbers[4];
	struct section at;

	for (uint32_t x = 0; x < 27; x++) {
		size_t n = 0;
		for (uint32_t y = x; y > 0 && n < 4; y /= 3)
			numbers[n++] = 1 + y % 3;
		for (int kind = SECTION_ALL; kind <= SECTION_MIME; kind++)
			if (structure_section(s, numbers, n, (enum section_kind)kind, &at))
				check_region(message, &at.region);
	}
}

FUZZ(data, n)
{
	struct str message = str_n(data, n);
	struct arena *a = arena_new(MIME_ARENA);
	struct buf packed, body, crlf, again;
	struct structure s, t;
	struct mime m;
	size_t parts = 0;

	buf_init(&packed, STRUCTURE_MAX);
	buf_init(&again, STRUCTURE_MAX);
	buf_init(&body, STRUCTURE_MAX);
	buf_init(&crlf, 2 * n + 2);
	mime_parse(message, a, &m);
	check_region(message, &m.whole);
	assert(m.whole.size == n);
	for (const struct mime_part *p = m.root; p != NULL; p = mime_next(p), parts++) {
		check_region(message, &p->header);
		check_region(message, &p->body);
		assert(p->body.at == p->header.at + p->header.size);
		assert(p->depth <= MIME_DEPTH_MAX);
		assert((p->kind == MIME_LEAF) <= (p->child == NULL));
	}
	assert(parts == m.parts && parts <= MIME_PARTS_MAX);
	assert(structure_pack(&m, &packed) && structure_unpack(buf_str(&packed), &s));
	assert(structure_put_body(&s, &body));
	check_text(s.envelope);
	check_text(s.body);
	check_text(buf_str(&body));
	check_sections(&s, message);
	if ((s.flags & STRUCTURE_NUL) == 0) {
		assert(crlf_put(&crlf, message));
		assert(structure_build(buf_str(&crlf), &again));
		assert(structure_unpack(buf_str(&again), &t));
		assert(str_eq(s.body, t.body) && str_eq(s.envelope, t.envelope));
		assert(region_crlf_size(&s.message) == t.message.size && t.message.bare == 0);
	}
	buf_free(&packed);
	buf_free(&again);
	buf_free(&body);
	buf_free(&crlf);
	arena_free(&a);
}
