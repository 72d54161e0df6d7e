/*
 * plan.c - the architecture as two tables: the processes, and the wires
 * between them.  What is not a row here cannot be talked to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "postroomd/super.h"
#include "run/control.h"

static const struct role roles[] = {
	{ .name = "authd",
	    .user = "postroom-auth",
	    .password = true,
	    .oom_score = 0,
	    .stop = STOP_AUTH },
	{ .name = "deliver", .mail = true, .queue = true, .oom_score = 0, .stop = STOP_STORE },
	{ .name = "relay",
	    .user = "postroom-relay",
	    .smarthost = true,
	    .oom_score = 100,
	    .stop = STOP_STORE },
	{ .name = "imapd", .sharded = true, .mail = true, .oom_score = 200, .stop = STOP_FRONT },
	{ .name = "smtpd",
	    .user = "postroom-smtp",
	    .certificate = true,
	    .oom_score = 300,
	    .stop = STOP_FRONT },
	{ .name = "login",
	    .user = "postroom-login",
	    .certificate = true,
	    .oom_score = 300,
	    .stop = STOP_FRONT },
};

/*
 * asks -> answers.  A sharded end stands for each of its processes.
 *
 *	            +-------+                 +--------+
 *	 network -->| smtpd |---------------->| deliver|<-- lmtp
 *	            +-------+ \               +--------+\
 *	                       \             /   |       \ jobs
 *	                        v           /    | folder +-------+
 *	                      +-------+ <--+     | changes| relay |--> network
 *	                      | authd |          v        +-------+
 *	                      +-------+ <--- +-------+
 *	                        ^            | imapd |
 *	            +-------+  /             +-------+
 *	 network -->| login |-+-- sessions ----> ^
 *	            +-------+
 */
static const struct {
	const char *asks, *answers;
} wires[] = {
	{ "smtpd", "authd" },   /* routes, passwords, policy */
	{ "smtpd", "deliver" }, /* spool files, messages */
	{ "login", "authd" },   /* passwords */
	{ "login", "imapd" },   /* sessions that have logged in */
	{ "imapd", "authd" },   /* who the session is */
	{ "deliver", "authd" }, /* homes and routes of recipients */
	{ "deliver", "imapd" }, /* a folder has changed */
	{ "deliver", "relay" }, /* messages for other hosts */
};

/* Which daemon is handed which listener. */
static const struct {
	const char *listener, *role;
} doors[] = {
	{ "smtp", "smtpd" },
	{ "submission", "smtpd" },
	{ "submissions", "smtpd" },
	{ "imap", "login" },
	{ "imaps", "login" },
	{ "pop3", "login" },
	{ "pop3s", "login" },
	{ "lmtp", "deliver" },
	{ "auth-client", "authd" },
	{ "socketmap", "authd" },
	{ "authd.sock", "authd" },
	{ "deliver.sock", "deliver" },
};

static void
add_child(struct super *s, const struct role *role, unsigned shard)
{
	struct child *c = &s->children[s->child_count++];

	assert(s->child_count <= CHILDREN_MAX);
	*c = (struct child){ .role = role, .shard = shard, .control = -1, .state = CHILD_DOWN };
	if (role->sharded)
		(void)snprintf(c->name, sizeof(c->name), "%s-%u", role->name, shard);
	else
		(void)snprintf(c->name, sizeof(c->name), "%s", role->name);
}

void
plan_children(struct super *s)
{
	for (size_t i = 0; i < COUNT_OF(roles); i++) {
		unsigned n = roles[i].sharded ? (unsigned)s->conf->imap_shards : 1;

		for (unsigned shard = 0; shard < n; shard++)
			add_child(s, &roles[i], shard);
	}
}

bool
plan_listens(const struct child *c, const char *listener)
{
	struct str name = str_of(listener), own = str_of(c->name);

	for (size_t i = 0; i < COUNT_OF(doors); i++)
		if (strcmp(doors[i].listener, listener) == 0)
			return strcmp(doors[i].role, c->role->name) == 0;
	/* "imapd-1.sock" */
	return str_starts(name, own) && str_eq(str_from(name, own.n), STR(".sock"));
}

static void
make_wire(struct child *asks, struct child *answers)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		log_event(LOG_WARN, "wire.failed", kv_cstr("from", asks->name),
		    kv_cstr("to", answers->name), kv_int("errno", errno), KV_END);
		return;
	}
	child_tell(asks, CONTROL_WIRE, answers->name, STR_NONE, ends[0]);
	child_tell(answers, CONTROL_WIRE, asks->name, STR_NONE, ends[1]);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

void
plan_wires(struct super *s, const struct child *only)
{
	for (size_t w = 0; w < COUNT_OF(wires); w++)
		for (size_t i = 0; i < s->child_count; i++)
			for (size_t j = 0; j < s->child_count; j++) {
				struct child *a = &s->children[i], *b = &s->children[j];

				if (strcmp(a->role->name, wires[w].asks) != 0 ||
				    strcmp(b->role->name, wires[w].answers) != 0)
					continue;
				if (only != NULL && only != a && only != b)
					continue;
				if (a->control >= 0 && b->control >= 0)
					make_wire(a, b);
			}
}
