#include "authd/auth.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "mail/address.h"

#define OFFER_MS 10000 /* how long "every mailbox has its verifier" is believed */

bool
auth_is_trusted(const struct auth *a, struct str client)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	unsigned char octets[16];
	const struct conf *c = a->conf;

	switch (ip_parse(client, octets)) {
	case 4:
		memcpy(&four.sin_addr, octets, 4);
		return conf_nets_have(&c->trusted_networks, (const struct sockaddr *)&four);
	case 16:
		memcpy(&six.sin6_addr, octets, 16);
		return conf_nets_have(&c->trusted_networks, (const struct sockaddr *)&six);
	default:
		return false;
	}
}

bool
auth_may_show_password(const struct auth *a, uint32_t flags, struct str client)
{
	const struct conf *c = a->conf;

	return (flags & AUTH_FLAG_TLS) != 0 || c->allow_plaintext_login ||
	       auth_is_trusted(a, client);
}

/* Offering SCRAM to somebody without a verifier would lock him out: clients choose it first. */
static bool
offers_scram(struct auth *a)
{
	const struct conf *c = a->conf;
	int64_t now = clock_ms();
	bool complete, old;

	if (c->scram_offer != 0)
		return c->scram_offer == 1;
	(void)pthread_mutex_lock(&a->offer_lock);
	complete = a->scram_complete;
	old = now - a->offer_asked_ms >= OFFER_MS || a->offer_asked_ms == 0;
	if (old)
		a->offer_asked_ms = now;
	(void)pthread_mutex_unlock(&a->offer_lock);
	if (!old)
		return complete;
	complete = !tables_scram_missing(a->tables, SCRAM_SHA_1, deadline_in(2000)) &&
		   !tables_scram_missing(a->tables, SCRAM_SHA_256, deadline_in(2000));
	(void)pthread_mutex_lock(&a->offer_lock);
	a->scram_complete = complete;
	(void)pthread_mutex_unlock(&a->offer_lock);
	return complete;
}

static void
offer_one(struct str name, const char *suffix, struct buf *out)
{
	(void)buf_printf(out, "%s" STR_FMT "%s", out->n > 0 ? " " : "", STR_ARG(name), suffix);
}

void
auth_offer(struct auth *a, uint32_t flags, struct str client, bool bindings, struct buf *out)
{
	bool show = auth_may_show_password(a, flags, client), scram = offers_scram(a);
	const struct conf *c = a->conf;

	for (size_t i = 0; i < c->sasl_mechanisms.n; i++) {
		struct str name = str_of(c->sasl_mechanisms.items[i]);
		bool is_scram = str_starts_nocase(name, STR("SCRAM-"));

		if (is_scram && scram && bindings)
			offer_one(name, "-PLUS", out);
		if (is_scram ? scram : show)
			offer_one(name, "", out);
	}
}

enum outcome
auth_find_home(struct auth *a, struct str address, struct arena *arena, struct auth_home *out,
    bool *enabled, struct deadline d, struct why *why)
{
	struct facts facts = { 0 };
	struct name n;
	enum outcome o;

	*out = (struct auth_home){ 0 };
	if (!name_parse(address, STR(""), arena, &n))
		return fail(PERMFAIL, why, 550, "5.1.3", "Not an address");
	o = a->resolver.directory.look_up(a->resolver.directory.arg, &n, arena, &facts, d, why);
	if (o != DONE)
		return o;
	for (size_t i = 0; i < facts.mailbox_count; i++) {
		const struct fact_mailbox *m = &facts.mailboxes[i];
		struct str lower;

		if (!name_lower(m->address, arena, &lower) || !str_eq(lower, n.address))
			continue;
		if (enabled != NULL)
			*enabled = m->enabled && facts.domain_enabled;
		out->user = lower;
		out->host = m->host;
		out->quota = m->quota;
		out->quota_messages = m->quota_messages;
		if (!resolve_home(&a->resolver, lower, m->home, arena, &out->home))
			return fail(TEMPFAIL, why, 451, "4.3.5", "Mailbox is misconfigured");
		return DONE;
	}
	return fail(PERMFAIL, why, 550, "5.1.1", "No such mailbox");
}
