/*
 * domain.c - what is a host name, a domain literal, an address of the net
 * (RFC 5321 4.1.2, 4.1.3; RFC 1123 by way of RFC 5321 2.3.5).
 */
#include <arpa/inet.h>

#include "mail/address.h"

static bool
label_valid(struct str l, bool utf8)
{
	if (l.n == 0 || l.n > ADDRESS_LABEL_MAX || l.p[0] == '-' || l.p[l.n - 1] == '-')
		return false;
	for (size_t i = 0; i < l.n; i++) {
		unsigned char c = (unsigned char)l.p[i];

		if (!ascii_alnum((char)c) && c != '-' && !(utf8 && c >= 0x80))
			return false;
	}
	return true;
}

static bool
all_digits(struct str l)
{
	for (size_t i = 0; i < l.n; i++)
		if (!ascii_digit(l.p[i]))
			return false;
	return true;
}

bool
domain_valid(struct str domain, bool utf8)
{
	struct str label, rest = domain;
	bool more;

	if (domain.n == 0 || domain.n > ADDRESS_DOMAIN_MAX || (utf8 && !str_is_utf8(domain)))
		return false;
	do {
		more = str_cut(rest, '.', &label, &rest);
		if (!label_valid(label, utf8))
			return false;
	} while (more);
	/* An address of the net without its brackets is not a name. */
	return !all_digits(label);
}

bool
domain_literal_valid(struct str domain)
{
	static const struct str tag = STR("IPv6:");
	unsigned char octets[16];
	struct str inside;

	if (domain.n < 3 || domain.p[0] != '[' || domain.p[domain.n - 1] != ']')
		return false;
	inside = str_n(domain.p + 1, domain.n - 2);
	if (str_starts_nocase(inside, tag))
		return ip_parse(str_from(inside, tag.n), octets) == 16;
	return ip_parse(inside, octets) == 4;
}

size_t
ip_parse(struct str s, unsigned char octets[16])
{
	char text[INET6_ADDRSTRLEN];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
		return 0;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, octets) == 1)
		return 4;
	return inet_pton(AF_INET6, text, octets) == 1 ? 16 : 0;
}
