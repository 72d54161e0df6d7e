#include "authd/name.h"

#include <unicase.h>
#include <unistr.h>

#include "base/buf.h"
#include "base/codec.h"
#include "mail/address.h"
#include "mail/idn.h"

#define NAME_MAX_OCTETS 1024
#define HOME_MAX        2048

bool
name_lower(struct str s, struct arena *a, struct str *out)
{
	uint8_t *p;
	size_t n = 0;

	if (s.n > NAME_MAX_OCTETS || !str_is_utf8(s) || memchr(s.p, '\0', s.n) != NULL)
		return false;
	/* A character in lower case takes at most one octet more (U+0130 and its like take less).
	 */
	p = arena_alloc(a, 2 * s.n + 8);
	for (size_t i = 0; i < s.n;) {
		ucs4_t c;
		int took = u8_mbtouc(&c, (const uint8_t *)s.p + i, s.n - i);
		int put = u8_uctomb(p + n, uc_tolower(c), (ptrdiff_t)(2 * s.n + 8 - n));

		if (took <= 0 || put <= 0)
			return false;
		i += (size_t)took;
		n += (size_t)put;
	}
	*out = str_n(p, n);
	return true;
}

static void
put_together(
    struct str local, struct str domain, struct str separators, struct arena *a, struct name *out)
{
	struct str user, detail;

	out->local = local;
	out->domain = domain;
	out->address =
	    str_of(arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain)));
	out->catchall = str_of(arena_printf(a, "@" STR_FMT, STR_ARG(domain)));
	out->base = out->address;
	out->detail = STR("");
	if (separators.n > 0 && address_subaddress(local, separators, &user, &detail)) {
		out->base =
		    str_of(arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(user), STR_ARG(domain)));
		out->detail = detail;
	}
}

bool
name_parse(struct str s, struct str separators, struct arena *a, struct name *out)
{
	struct mailaddr m;
	struct str local, domain;

	*out = (struct name){ 0 };
	if (address_parse(str_trim(s), a, ADDRESS_ALLOW_UTF8 | ADDRESS_ALLOW_LONG, &m) !=
		ADDRESS_OK ||
	    m.local.n == 0 || m.domain.n == 0)
		return false;
	if (!name_lower(m.local, a, &local) || !name_lower(m.domain, a, &domain))
		return false;
	put_together(local, domain, separators, a, out);
	return true;
}

void
name_in_domain(const struct name *n, struct str domain, struct str separators, struct arena *a,
    struct name *out)
{
	put_together(n->local, domain, separators, a, out);
}

bool
name_other_form(struct str domain, struct arena *a, struct str *out)
{
	if (domain.n == 0 || domain.p[0] == '[')
		return false;
	if (!str_is_ascii(domain))
		return idn_to_ascii(domain, a, out) && !str_eq(*out, domain);
	if (str_find(domain, STR("xn--")) < 0)
		return false;
	*out = idn_to_unicode(domain, a);
	return !str_eq(*out, domain);
}

/* One component of a path out of what an address holds. */
static bool
put_component(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool first = b->n == 0 || b->p[b->n - 1] == '/';

		if (c < ' ' || c == 0x7f || c == '/' || c == '%' || (c == '.' && first)) {
			if (!buf_printf(b, "%%%02X", c))
				return false;
		} else if (!buf_putc(b, (char)c)) {
			return false;
		}
	}
	return true;
}

static bool
put_template(struct buf *b, struct str pattern, struct str address)
{
	ptrdiff_t at = str_rchr(address, '@');
	struct str local = at >= 0 ? str_first(address, (size_t)at) : address;
	struct str domain = at >= 0 ? str_from(address, (size_t)at + 1) : STR("");
	bool ok = true;

	for (size_t i = 0; ok && i < pattern.n; i++) {
		char c = pattern.p[i];

		if (c != '%' || i + 1 == pattern.n) {
			ok = buf_putc(b, c);
			continue;
		}
		switch (pattern.p[++i]) {
		case 'd':
			ok = put_component(b, domain);
			break;
		case 'n':
			ok = put_component(b, local);
			break;
		case 'u':
			ok = put_component(b, address);
			break;
		case '%':
			ok = buf_putc(b, '%');
			break;
		default:
			ok = false;
		}
	}
	return ok;
}

bool
home_from_template(struct str pattern, struct str address, struct arena *a, struct str *out)
{
	struct buf b;
	bool ok;

	buf_init(&b, HOME_MAX);
	ok = put_template(&b, pattern, address);
	*out = ok ? arena_str(a, buf_str(&b)) : STR_NONE;
	buf_free(&b);
	return ok && home_is_safe(*out);
}

bool
home_is_safe(struct str home)
{
	struct str component, rest;
	bool more = true;

	if (home.n == 0 || home.n > HOME_MAX)
		return false;
	for (size_t i = 0; i < home.n; i++)
		if ((unsigned char)home.p[i] < ' ' || home.p[i] == 0x7f)
			return false;
	/* An absolute home is the administrator's to allow; its root is no component. */
	rest = home.p[0] == '/' ? str_from(home, 1) : home;
	while (more) {
		more = str_cut(rest, '/', &component, &rest);
		if (component.n == 0 || str_eq(component, STR(".")) || str_eq(component, STR("..")))
			return false;
		if (component.n > 255)
			return false;
	}
	return true;
}
