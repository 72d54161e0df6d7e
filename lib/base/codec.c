#include "base/codec.h"

#include <errno.h>
#include <sys/random.h>

#include "base/log.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool
base64_put(struct buf *out, struct str s)
{
	size_t whole;
	char *to;

	if (s.n > SIZE_MAX / 2 || (to = buf_room(out, (s.n + 2) / 3 * 4)) == NULL)
		return false;
	for (whole = 0; whole < s.n; whole += 3) {
		const unsigned char *in = (const unsigned char *)s.p + whole;
		size_t left = s.n - whole;
		uint32_t v = (uint32_t)in[0] << 16;

		if (left > 1)
			v |= (uint32_t)in[1] << 8;
		if (left > 2)
			v |= in[2];
		*to++ = base64_digits[v >> 18];
		*to++ = base64_digits[v >> 12 & 63];
		*to++ = left > 1 ? base64_digits[v >> 6 & 63] : '=';
		*to++ = left > 2 ? base64_digits[v & 63] : '=';
	}
	buf_claim(out, (s.n + 2) / 3 * 4);
	return true;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
base64_take(struct buf *out, struct str s)
{
	size_t pad = 0, made = 0;
	char *to;

	if (s.n % 4 != 0)
		return false;
	if (s.n > 0 && s.p[s.n - 1] == '=')
		pad = s.p[s.n - 2] == '=' ? 2 : 1;
	to = buf_room(out, s.n / 4 * 3);
	if (to == NULL)
		return false;
	for (size_t i = 0; i < s.n; i += 4) {
		size_t fill = i + 4 == s.n ? pad : 0;
		uint32_t v = 0;

		for (size_t k = 0; k < 4; k++) {
			int d = k >= 4 - fill ? 0 : base64_value(s.p[i + k]);
			if (d < 0)
				return false;
			v = v << 6 | (uint32_t)d;
		}
		if ((fill == 2 && (v & 0xffff) != 0) || (fill == 1 && (v & 0xff) != 0))
			return false; /* RFC 4648 3.5: stray bits */
		to[made++] = (char)(v >> 16);
		if (fill < 2)
			to[made++] = (char)(v >> 8 & 255);
		if (fill < 1)
			to[made++] = (char)(v & 255);
	}
	buf_claim(out, made);
	return true;
}

bool
hex_put(struct buf *out, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = p;
	char *to;

	if (n > SIZE_MAX / 2 || (to = buf_room(out, n * 2)) == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = digits[in[i] >> 4];
		to[2 * i + 1] = digits[in[i] & 15];
	}
	buf_claim(out, n * 2);
	return true;
}

static int
hex_value(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
hex_take(void *out, size_t n, struct str s)
{
	unsigned char *to = out;

	if (s.n % 2 != 0 || s.n / 2 != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (hex_value(s.p[2 * i]) < 0 || hex_value(s.p[2 * i + 1]) < 0)
			return false;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(hex_value(s.p[2 * i]) << 4 | hex_value(s.p[2 * i + 1]));
	return true;
}

void
random_octets(void *p, size_t n)
{
	unsigned char *to = p;

	while (n > 0) {
		ssize_t got = getrandom(to, n, 0);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			log_fatal("getrandom: errno %d", errno);
		}
		to += got;
		n -= (size_t)got;
	}
}

uint64_t
random_u64(void)
{
	uint64_t v;

	random_octets(&v, sizeof(v));
	return v;
}
