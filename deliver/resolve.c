#include "deliver/resolve.h"

#include "rpc/auth_client.h"

/*
 * Homes come as a path below the mail root or as an absolute one (the ISPmail
 * guides' tables have both); the store takes them from the root on.
 */
static struct str
below_root(struct deliver *d, struct str home)
{
	struct conf *conf = deliver_conf(d);
	struct str root = str_of(conf->mail_dir);

	if (str_starts(home, STR("/")) && str_starts(home, root) && home.n > root.n &&
	    home.p[root.n] == '/')
		home = str_from(home, root.n + 1);
	conf_unref(&conf);
	return home;
}

enum outcome
resolve_mailbox(struct deliver *d, struct str address, struct deadline by, struct arena *arena,
    struct mailbox *out, struct why *why)
{
	struct auth_home h;
	enum outcome o = auth_home(d->authd, address, by, arena, &h, why);

	if (o != DONE)
		return o;
	out->home = below_root(d, h.home);
	out->quota = (struct quota_limit){ .octets = h.quota, .messages = h.quota_messages };
	return DONE;
}

enum outcome
resolve_address(struct deliver *d, struct str address, struct deadline by, struct arena *arena,
    struct deliver_target **targets, size_t *count, bool *foreign, struct why *why)
{
	struct route r = { 0 };
	enum outcome o = auth_route(d->authd, address, false, by, arena, &r, why);
	struct deliver_target *t;

	if (o != DONE)
		return o;
	*foreign = r.kind == ROUTE_FOREIGN || r.target_count == 0;
	if (*foreign) {
		*targets = t = ARENA_NEW(arena, struct deliver_target);
		*t = (struct deliver_target){ DELIVER_TO_REMOTE, arena_str(arena, address) };
		*count = 1;
		return DONE;
	}
	*targets = t = arena_array(arena, r.target_count, sizeof(*t));
	*count = r.target_count;
	for (size_t i = 0; i < r.target_count; i++) {
		t[i].kind =
		    r.targets[i].kind == ROUTE_TO_REMOTE ? DELIVER_TO_REMOTE : DELIVER_TO_MAILBOX;
		t[i].address = r.targets[i].address;
	}
	return DONE;
}
