#include "deliver/relay/hosts.h"

#include <arpa/inet.h>

#include "base/codec.h"
#include "mail/address.h"
#include "mail/idn.h"

bool
hosts_is_loopback(const struct dns_address *a)
{
	static const unsigned char one[16] = { [15] = 1 };
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct dns_address four = { .family = AF_INET };

	if (a->family == AF_INET) /* 127.0.0.0/8, 0.0.0.0/8, 224.0.0.0 and above */
		return a->octets[0] == 127 || a->octets[0] == 0 || a->octets[0] >= 224;
	if (memcmp(a->octets, mapped, sizeof(mapped)) == 0) {
		memcpy(four.octets, a->octets + 12, 4);
		return hosts_is_loopback(&four);
	}
	/* ::1, ::, ff00::/8 */
	return memcmp(a->octets, one, 15) == 0 ? a->octets[15] <= 1 : a->octets[0] == 0xff;
}

struct finding {
	struct dns *dns;
	const struct conf *conf;
	struct arena *arena;
	struct deadline by;
	struct smtp_peer *out;
	size_t count;
	uint16_t port;
	bool any_loopback; /* addresses were left out for being ours */
	bool later;        /* a question was not answered */
};

static void
add(struct finding *f, struct str name, const struct dns_address *a, bool trusted)
{
	if (!trusted && !f->conf->relay_to_loopback && hosts_is_loopback(a)) {
		f->any_loopback = true;
		return;
	}
	if (f->count < HOSTS_MAX)
		f->out[f->count++] = (struct smtp_peer){ name, *a, f->port };
}

/* An address written as text; false when it is none. */
static bool
add_literal(struct finding *f, struct str text, bool trusted)
{
	struct dns_address a = { 0 };
	size_t n = ip_parse(text, a.octets);

	if (n == 0)
		return false;
	a.family = n == 4 ? AF_INET : AF_INET6;
	add(f, text, &a, trusted);
	return true;
}

static enum dns_answer
add_host(struct finding *f, struct str name, bool trusted)
{
	struct dns_address *addresses;
	enum dns_answer answer;
	size_t n;

	answer = dns_addresses(f->dns, name, f->by, f->arena, &addresses, &n);
	f->later |= answer == DNS_LATER;
	for (size_t i = 0; i < n; i++)
		add(f, name, &addresses[i], trusted);
	return answer;
}

/* RFC 5321 5.1: hosts of equal preference in random order, to spread the load. */
static void
shuffle(struct dns_mx *mx, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t same = 1, pick;
		struct dns_mx t = mx[i];

		while (i + same < n && mx[i + same].preference == mx[i].preference)
			same++;
		pick = i + random_u64() % same;
		mx[i] = mx[pick];
		mx[pick] = t;
	}
}

/* RFC 5321 5.1: when we are among them, only those that are better than us. */
static size_t
better_than_us(const struct conf *conf, const struct dns_mx *mx, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq_nocase(mx[i].host, str_of(conf->hostname))) {
			size_t better = 0;

			while (better < n && mx[better].preference < mx[i].preference)
				better++;
			return better;
		}
	return n;
}

static enum outcome
exchangers(struct finding *f, struct str domain, struct why *why)
{
	struct dns_mx *mx;
	size_t n, use;

	switch (dns_mx(f->dns, domain, f->by, f->arena, &mx, &n)) {
	case DNS_FOUND:
		break;
	case DNS_EMPTY: /* the domain is its own exchanger */
		return add_host(f, domain, false) == DNS_NO_NAME
			   ? fail(PERMFAIL, why, 550, "5.1.2", "Domain " STR_FMT " does not exist",
				 STR_ARG(str_first(domain, 80)))
			   : DONE;
	case DNS_NO_NAME:
		return fail(PERMFAIL, why, 550, "5.1.2", "Domain " STR_FMT " does not exist",
		    STR_ARG(str_first(domain, 80)));
	case DNS_LATER:
		return fail(TEMPFAIL, why, 451, "4.4.3", "DNS does not answer for " STR_FMT,
		    STR_ARG(str_first(domain, 80)));
	}
	if (n == 1 && mx[0].host.n == 0) /* RFC 7505 */
		return fail(PERMFAIL, why, 556, "5.1.10", "Domain " STR_FMT " takes no mail",
		    STR_ARG(str_first(domain, 80)));
	use = better_than_us(f->conf, mx, n);
	if (use == 0)
		return fail(PERMFAIL, why, 554, "5.4.6", "Mail for " STR_FMT " loops back to us",
		    STR_ARG(str_first(domain, 80)));
	shuffle(mx, use);
	for (size_t i = 0; i < use && f->count < HOSTS_MAX; i++)
		if (mx[i].host.n > 0 && !add_literal(f, mx[i].host, false))
			(void)add_host(f, mx[i].host, false);
	return DONE;
}

/* What the administrator named is taken as it is: no MX, loopback too. */
static void
smarthosts(struct finding *f)
{
	for (size_t i = 0; i < f->conf->smarthost.n; i++) {
		struct str name = str_of(f->conf->smarthost.items[i].name);

		f->port = f->conf->smarthost.items[i].port;
		if (!add_literal(f, name, true))
			(void)add_host(f, name, true);
	}
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
static void
literal_domain(struct finding *f, struct str domain)
{
	struct str inside = str_first(str_from(domain, 1), domain.n - 2);

	if (str_starts_nocase(inside, STR("IPv6:")))
		inside = str_from(inside, 5);
	(void)add_literal(f, inside, false);
}

enum outcome
hosts_find(struct dns *dns, const struct conf *conf, struct str domain, struct arena *arena,
    struct smtp_peer out[static HOSTS_MAX], size_t *count, struct why *why)
{
	struct finding f = {
		.dns = dns,
		.conf = conf,
		.arena = arena,
		.by = deadline_in(HOSTS_DNS_MS),
		.out = out,
		.port = (uint16_t)conf->relay_port,
	};
	struct str ascii;
	enum outcome o = DONE;

	if (conf->smarthost.n > 0)
		smarthosts(&f);
	else if (domain.n > 2 && domain.p[0] == '[' && domain.p[domain.n - 1] == ']')
		literal_domain(&f, domain);
	else if (!idn_to_ascii(domain, arena, &ascii))
		return fail(PERMFAIL, why, 550, "5.1.2", "No domain: " STR_FMT,
		    STR_ARG(str_first(domain, 80)));
	else
		o = exchangers(&f, ascii, why);
	*count = f.count;
	if (o != DONE || f.count > 0)
		return o;
	if (f.later)
		return fail(TEMPFAIL, why, 451, "4.4.3", "DNS does not answer for " STR_FMT,
		    STR_ARG(str_first(domain, 80)));
	return fail(TEMPFAIL, why, 451, "4.4.4",
	    f.any_loopback ? "The mail exchangers of " STR_FMT " are this machine's own loopback"
			   : "No address found for the mail exchangers of " STR_FMT,
	    STR_ARG(str_first(domain, 60)));
}
