/* netstring.c - length in digits, ':', that many octets, ','. */
#include "authd/socketmap.h"

#include "base/scan.h"

#define DIGITS_MAX 6

enum netstring
netstring_take(struct str input, size_t most, struct str *text, size_t *used)
{
	struct scan in = scan_of(input);
	uint32_t n;

	if (input.n == 0)
		return NETSTRING_MORE;
	/* No leading zeros but for an empty one, so that there is one way to write each length. */
	if (input.p[0] == '0' && input.n > 1 && input.p[1] != ':')
		return NETSTRING_BROKEN;
	if (!scan_u32(&in, &n) || in.p - input.p > DIGITS_MAX || n > most)
		return NETSTRING_BROKEN;
	if (scan_end(&in))
		return NETSTRING_MORE;
	if (!scan_char(&in, ':'))
		return NETSTRING_BROKEN;
	if ((size_t)(in.end - in.p) < (size_t)n + 1)
		return NETSTRING_MORE;
	if (!scan_take(&in, n, text) || !scan_char(&in, ','))
		return NETSTRING_BROKEN;
	*used = (size_t)(in.p - input.p);
	return NETSTRING_WHOLE;
}
