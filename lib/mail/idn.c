/*
 * idn.c - domain names by libidn2.
 */
#include <idn2.h>

#include "mail/address.h"
#include "mail/idn.h"

static struct str
lower(struct arena *a, struct str s)
{
	char *p = arena_cstr(a, s);

	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(p[i]);
	return str_n(p, s.n);
}

bool
idn_to_ascii(struct str domain, struct arena *a, struct str *out)
{
	char text[ADDRESS_DOMAIN_MAX + 1];
	uint8_t *ascii = NULL;
	bool ok;

	if (str_is_ascii(domain)) {
		if (!domain_valid(domain, false))
			return false;
		*out = lower(a, domain);
		return true;
	}
	if (!domain_valid(domain, true))
		return false;
	memcpy(text, domain.p, domain.n);
	text[domain.n] = '\0';
	if (idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
	    IDN2_OK)
		return false;
	ok = domain_valid(str_of((const char *)ascii), false);
	if (ok)
		*out = lower(a, str_of((const char *)ascii));
	idn2_free(ascii);
	return ok;
}

struct str
idn_to_unicode(struct str domain, struct arena *a)
{
	char text[ADDRESS_DOMAIN_MAX + 1];
	char *unicode = NULL;
	struct str out = domain;

	if (!domain_valid(domain, true))
		return domain;
	memcpy(text, domain.p, domain.n);
	text[domain.n] = '\0';
	if (idn2_to_unicode_8z8z(text, &unicode, 0) != IDN2_OK)
		return domain;
	if (str_is_utf8(str_of(unicode)))
		out = arena_str(a, str_of(unicode));
	idn2_free(unicode);
	return out;
}
