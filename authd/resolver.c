/*
 * resolver.c - see resolver.h for the rules.
 *
 * One `struct resolution` lives for one question: a queue of addresses still
 * to be looked at, which is also the list of those already seen, and the
 * targets found.
 */
#include "authd/resolver.h"

struct item {
	struct name name;
	struct str detail; /* the subaddress carried along from an alias before */
	unsigned depth;
	size_t parent; /* place in the queue of the alias that led here; its own for the first */
	bool mailbox_only; /* an alias named itself: only its mailbox is meant */
};

struct resolution {
	const struct resolver *r;
	struct arena *a;
	struct deadline d;
	bool for_sending; /* aliases that give no right to send are passed over */
	bool explain;

	struct item *queue;
	size_t queue_n, queue_room, queue_next;
	struct str carry; /* the subaddress that goes along to what is pushed now */
	unsigned lookups;

	struct route_target *targets;
	size_t target_n, target_room;
	struct str *reasons;
	size_t reason_n;

	enum outcome refusal; /* the first one, for when nothing is found */
	struct why why;
};

static void say(struct resolution *x, const struct item *it, const char *format, ...)
    printf_like(3, 4);

static void
say(struct resolution *x, const struct item *it, const char *format, ...)
{
	struct buf b;
	va_list ap;

	if (!x->explain || x->reason_n == AUTH_REASONS_MAX)
		return;
	buf_init(&b, 1024);
	(void)buf_printf(&b, STR_FMT ": ", STR_ARG(it->name.address));
	va_start(ap, format);
	(void)buf_vprintf(&b, format, ap);
	va_end(ap);
	x->reasons[x->reason_n++] = arena_str(x->a, buf_str(&b));
	buf_free(&b);
}

/* Remember why this address goes nowhere; only the first is told, and only if nothing is found. */
static void
refuse(struct resolution *x, const struct item *it, const char *enhanced, const char *text)
{
	say(x, it, "%s", text);
	if (x->refusal == DONE)
		x->refusal = fail(PERMFAIL, &x->why, 550, enhanced, "%s", text);
}

static enum outcome
too_much(struct resolution *x, const struct item *it, const char *text, struct why *why)
{
	say(x, it, "%s", text);
	return fail(TEMPFAIL, why, 451, "4.4.6", "%s", text);
}

/* An array in the arena that is full: twice the room, never beyond the limit. */
static void *
grow(struct arena *a, void *old, size_t n, size_t *room, size_t limit, size_t size)
{
	size_t more = MIN(*room > 0 ? *room * 2 : 8, limit);
	void *p = arena_array(a, more, size);

	if (n > 0)
		memcpy(p, old, n * size);
	*room = more;
	return p;
}

static bool
add_target(struct resolution *x, struct route_target t)
{
	for (size_t i = 0; i < x->target_n; i++)
		if (x->targets[i].kind == t.kind && str_eq(x->targets[i].address, t.address))
			return true;
	if (x->target_n == AUTH_TARGETS_MAX)
		return false;
	if (x->target_n == x->target_room)
		x->targets = grow(x->a, x->targets, x->target_n, &x->target_room, AUTH_TARGETS_MAX,
		    sizeof(*x->targets));
	x->targets[x->target_n++] = t;
	return true;
}

static bool
add_item(struct resolution *x, struct item it)
{
	if (x->queue_n == RESOLVE_QUEUE)
		return false;
	if (x->queue_n == x->queue_room)
		x->queue = grow(
		    x->a, x->queue, x->queue_n, &x->queue_room, RESOLVE_QUEUE, sizeof(*x->queue));
	x->queue[x->queue_n++] = it;
	return true;
}

/* Did this address lead to where we are (it or one before it)? */
static bool
is_ancestor(const struct resolution *x, struct str address)
{
	size_t i = x->queue_next;

	for (unsigned steps = 0; steps <= RESOLVE_DEPTH; steps++) {
		if (str_eq(x->queue[i].name.address, address))
			return true;
		i = x->queue[i].parent;
	}
	return false;
}

static bool
in_queue(const struct resolution *x, const struct item *it)
{
	for (size_t i = 0; i < x->queue_n; i++)
		if (x->queue[i].mailbox_only == it->mailbox_only &&
		    str_eq(x->queue[i].name.address, it->name.address))
			return true;
	return false;
}

/*
 * Put an address into the queue, once.  One that led here itself stands for
 * its mailbox: "ann: ann, bob" keeps a copy for ann.
 */
static enum outcome
push(struct resolution *x, const struct item *from, const struct name *n, struct why *why)
{
	struct item it = { .name = *n, .depth = from->depth + 1, .parent = x->queue_next };

	it.detail = x->carry;
	it.mailbox_only = is_ancestor(x, n->address);
	if (in_queue(x, &it))
		return DONE;
	if (it.depth > RESOLVE_DEPTH)
		return too_much(x, from, "Aliases lead too deep", why);
	if (!add_item(x, it))
		return too_much(x, from, "Alias has too many destinations", why);
	return DONE;
}

/* One destination of an alias. */
static enum outcome
push_destination(struct resolution *x, const struct item *it, struct str text, struct why *why)
{
	struct str separators = x->r->separators, domain;
	struct name n;

	text = str_trim(text);
	if (text.n > 1 && text.p[0] == '@') {
		/* "@other.example" keeps the local part, as in Postfix's virtual(5). */
		if (!name_lower(str_from(text, 1), x->a, &domain))
			return DONE;
		name_in_domain(&it->name, domain, separators, x->a, &n);
	} else if (!name_parse(text, separators, x->a, &n)) {
		say(x, it, "\"" STR_FMT "\" is no address and is passed over", STR_ARG(text));
		return DONE;
	}
	say(x, it, "alias to " STR_FMT, STR_ARG(n.address));
	return push(x, it, &n, why);
}

enum found {
	NOT_FOUND,
	FOUND,
	SWITCHED_OFF
};

/* Every alias row whose source is this text. */
static enum outcome
take_aliases(struct resolution *x, const struct item *it, const struct facts *f, struct str source,
    enum found *found, struct why *why)
{
	enum outcome o = DONE;

	*found = NOT_FOUND;
	for (size_t i = 0; o == DONE && i < f->alias_count; i++) {
		const struct fact_alias *row = &f->aliases[i];
		struct str one, rest = row->destination, lower;
		bool more = true;

		if (!name_lower(row->source, x->a, &lower) || !str_eq(lower, source))
			continue;
		if (!row->enabled) {
			if (*found == NOT_FOUND)
				*found = SWITCHED_OFF;
			say(x, it, "alias to " STR_FMT " is switched off", STR_ARG(rest));
			continue;
		}
		*found = FOUND;
		if (x->for_sending && !row->send_as) {
			say(x, it, "alias to " STR_FMT " gives no right to send", STR_ARG(rest));
			continue;
		}
		while (o == DONE && more) {
			more = str_cut(rest, ',', &one, &rest);
			if (str_trim(one).n > 0)
				o = push_destination(x, it, one, why);
		}
	}
	return o;
}

bool
resolve_home(const struct resolver *r, struct str address, struct str column, struct arena *a,
    struct str *out)
{
	if (column.n == 0)
		return home_from_template(r->home, address, a, out);
	*out = column;
	return home_is_safe(column);
}

static enum outcome
take_mailbox(struct resolution *x, const struct item *it, const struct facts *f, struct str address,
    struct str detail, enum found *found, struct why *why)
{
	*found = NOT_FOUND;
	for (size_t i = 0; i < f->mailbox_count; i++) {
		const struct fact_mailbox *row = &f->mailboxes[i];
		struct route_target t = { .kind = ROUTE_TO_MAILBOX, .detail = detail };
		struct str lower;

		if (!name_lower(row->address, x->a, &lower) || !str_eq(lower, address))
			continue;
		if (!row->enabled) {
			*found = SWITCHED_OFF;
			return DONE;
		}
		*found = FOUND;
		t.address = lower;
		t.host = row->host;
		t.quota = row->quota;
		t.quota_messages = row->quota_messages;
		if (!resolve_home(x->r, lower, row->home, x->a, &t.home)) {
			say(x, it, "its home \"" STR_FMT "\" is no path below the mail root",
			    STR_ARG(row->home));
			return fail(TEMPFAIL, why, 451, "4.3.5", "Mailbox is misconfigured");
		}
		say(x, it, "mailbox " STR_FMT " with home " STR_FMT, STR_ARG(lower),
		    STR_ARG(t.home));
		if (!add_target(x, t))
			return too_much(x, it, "Alias has too many destinations", why);
		return DONE;
	}
	return DONE;
}

/* Rules 1 and 2 for one spelling of the address. */
static enum outcome
take_exact(struct resolution *x, const struct item *it, const struct facts *f, struct str address,
    struct str detail, enum found *found, struct why *why)
{
	enum outcome o = DONE;

	*found = NOT_FOUND;
	x->carry = detail;
	if (!it->mailbox_only)
		o = take_aliases(x, it, f, address, found, why);
	if (o != DONE || *found == FOUND)
		return o;
	if (*found == SWITCHED_OFF) {
		refuse(x, it, "5.2.1", "This address is switched off");
		return DONE;
	}
	o = take_mailbox(x, it, f, address, detail, found, why);
	if (o == DONE && *found == SWITCHED_OFF)
		refuse(x, it, "5.2.1", "This mailbox is switched off");
	return o;
}

/* Rules 4 to 6. */
static enum outcome
take_wider(struct resolution *x, const struct item *it, const struct facts *f, struct why *why)
{
	enum found found;
	enum outcome o;
	struct name n;

	x->carry = it->detail;
	if (f->alias_of.n > 0 && name_lower(f->alias_of, x->a, &n.domain)) {
		name_in_domain(&it->name, n.domain, x->r->separators, x->a, &n);
		say(x, it, "its domain is an alias of " STR_FMT, STR_ARG(n.domain));
		return push(x, it, &n, why);
	}
	o = take_aliases(x, it, f, it->name.catchall, &found, why);
	if (o != DONE)
		return o;
	if (found == FOUND) {
		say(x, it, "taken by the catch-all of its domain");
		return DONE;
	}
	if (str_eq(it->name.local, STR("postmaster")) && x->r->postmaster.n > 0 &&
	    name_parse(x->r->postmaster, x->r->separators, x->a, &n) &&
	    !str_eq(n.address, it->name.address)) {
		say(x, it, "goes to the postmaster of this host");
		return push(x, it, &n, why);
	}
	refuse(x, it, "5.1.1", "No such user here");
	return DONE;
}

static enum outcome
look_up(struct resolution *x, struct item *it, struct facts *f, struct why *why)
{
	const struct directory *dir = &x->r->directory;
	enum outcome o;
	struct str other;
	struct name n;

	if (it->name.domain.n > 0 && it->name.domain.p[0] == '[')
		return DONE; /* an address literal is never a hosted domain */
	if (++x->lookups > RESOLVE_LOOKUPS)
		return too_much(x, it, "Alias needs too many look-ups", why);
	o = dir->look_up(dir->arg, &it->name, x->a, f, x->d, why);
	if (o != DONE || f->domain_known || !name_other_form(it->name.domain, x->a, &other))
		return o;
	/* An internationalised domain may stand in the tables in either form. */
	name_in_domain(&it->name, other, x->r->separators, x->a, &n);
	o = dir->look_up(dir->arg, &n, x->a, f, x->d, why);
	if (o == DONE && f->domain_known)
		x->queue[x->queue_next].name = it->name = n;
	return o;
}

/* One address from the queue.  *foreign: its domain is not hosted here. */
static enum outcome
step(struct resolution *x, struct item *it, bool *foreign, struct why *why)
{
	struct facts f = { 0 };
	struct str detail = it->name.detail.n > 0 ? it->name.detail : it->detail;
	enum found found;
	enum outcome o;

	*foreign = false;
	o = look_up(x, it, &f, why);
	if (o != DONE)
		return o;
	if (!f.domain_known) {
		*foreign = true;
		say(x, it, "its domain is not hosted here");
		return DONE;
	}
	if (!f.domain_enabled) {
		refuse(x, it, "5.2.1", "This domain is switched off");
		return DONE;
	}
	/* The exact address with its subaddress is its own; only what came along is the detail. */
	o = take_exact(x, it, &f, it->name.address, it->detail, &found, why);
	if (o != DONE || found != NOT_FOUND)
		return o;
	if (!str_eq(it->name.base, it->name.address)) {
		o = take_exact(x, it, &f, it->name.base, detail, &found, why);
		if (o != DONE || found != NOT_FOUND)
			return o;
	}
	if (it->mailbox_only) {
		say(x, it, "was met before and has no mailbox: an alias loop");
		return DONE;
	}
	return take_wider(x, it, &f, why);
}

static enum outcome
run(struct resolution *x, bool *foreign, struct why *why)
{
	enum outcome o;
	bool remote;

	while (x->queue_next < x->queue_n) {
		/* A copy: pushing does not move the queue, but step changes its own name. */
		struct item it = x->queue[x->queue_next];

		o = step(x, &it, &remote, why);
		x->queue_next++;
		if (o != DONE)
			return o;
		if (remote && it.depth == 0) {
			*foreign = true;
			return DONE;
		}
		if (!remote)
			continue;
		say(x, &it, "is forwarded to another host");
		if (!add_target(x, (struct route_target){
				       .kind = ROUTE_TO_REMOTE, .address = it.name.address }))
			return too_much(x, &it, "Alias has too many destinations", why);
	}
	return DONE;
}

static enum outcome
verdict(struct resolution *x, bool foreign, struct why *why)
{
	if (foreign || x->target_n > 0)
		return DONE;
	if (x->refusal == DONE && x->for_sending)
		return fail(PERMFAIL, why, 550, "5.1.1", "No mailbox");
	if (x->refusal == DONE)
		return fail(TEMPFAIL, why, 451, "4.4.6", "Alias leads to no mailbox");
	if (why != NULL)
		*why = x->why;
	return x->refusal;
}

/* A bare <postmaster> (RFC 5321 4.5.1) has no domain: the configured one. */
static bool
read_address(const struct resolver *r, struct str address, struct arena *a, struct name *out)
{
	struct str local, domain;

	if (!str_cut(address, '@', &local, &domain) || domain.n == 0) {
		if (!str_eq_nocase(local, STR("postmaster")) || r->postmaster.n == 0)
			return false;
		address = r->postmaster;
	}
	return name_parse(address, r->separators, a, out);
}

static enum outcome
resolve_any(const struct resolver *r, struct str address, bool for_sending, bool reasons,
    struct arena *a, struct route *out, struct deadline d, struct why *why)
{
	struct resolution x = {
		.r = r, .a = a, .d = d, .for_sending = for_sending, .explain = reasons
	};
	struct item first = { 0 };
	bool foreign = false;
	enum outcome o;

	*out = (struct route){ 0 };
	if (reasons)
		x.reasons = arena_array(a, AUTH_REASONS_MAX, sizeof(*x.reasons));
	if (!read_address(r, address, a, &first.name)) {
		out->kind = ROUTE_LOCAL;
		if (str_eq_nocase(address, STR("postmaster")))
			return fail(PERMFAIL, why, 550, "5.1.1", "No postmaster is named here");
		return fail(PERMFAIL, why, 550, "5.1.3", "Not an address");
	}
	(void)add_item(&x, first);
	o = run(&x, &foreign, why);
	if (o == DONE)
		o = verdict(&x, foreign, why);
	out->kind = foreign ? ROUTE_FOREIGN : ROUTE_LOCAL;
	out->address = x.queue[0].name.address;
	out->targets = x.targets;
	out->target_count = x.target_n;
	out->reasons = x.reasons;
	out->reason_count = x.reason_n;
	return o;
}

enum outcome
resolve(const struct resolver *r, struct str address, bool reasons, struct arena *a,
    struct route *out, struct deadline d, struct why *why)
{
	return resolve_any(r, address, false, reasons, a, out, d, why);
}

enum outcome
resolve_senders(const struct resolver *r, struct str address, struct arena *a, struct route *out,
    struct deadline d, struct why *why)
{
	return resolve_any(r, address, true, false, a, out, d, why);
}

enum outcome
resolve_send_as(const struct resolver *r, struct str user, struct str sender, struct arena *a,
    struct deadline d, struct why *why)
{
	struct name who, as;
	struct route route;
	bool yes = false;
	enum outcome o;

	if (sender.n == 0)
		return DONE; /* the null reverse-path: reports and receipts (RFC 5321 6.1) */
	if (!name_parse(user, r->separators, a, &who) || !name_parse(sender, r->separators, a, &as))
		return fail(PERMFAIL, why, 553, "5.1.7", "Not an address");
	if (str_eq(who.address, as.address) || str_eq(who.address, as.base))
		return DONE;
	o = resolve_any(r, sender, true, false, a, &route, d, why);
	if (o == TEMPFAIL || o == GONE)
		return o;
	if (o == DONE && route.kind == ROUTE_LOCAL)
		for (size_t i = 0; i < route.target_count; i++)
			if (route.targets[i].kind == ROUTE_TO_MAILBOX &&
			    str_eq(route.targets[i].address, who.address))
				return DONE;
	o = r->directory.permitted(r->directory.arg, who.address, &as, a, &yes, d, why);
	if (o != DONE)
		return o;
	if (yes)
		return DONE;
	return fail(PERMFAIL, why, 553, "5.7.1", STR_FMT " may not send as this address",
	    STR_ARG(str_first(who.address, 60)));
}
