/*
 * A whole LMTP session in every state that its input leads to: whatever comes,
 * one reply a command, one a recipient, and no octet of a body is obeyed.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fuzz.h"
#include "deliver/lmtp.h"

static struct deliver_target target = { DELIVER_TO_MAILBOX, STR("ann@example.test") };

static enum outcome
route(void *arg, struct arena *arena, struct lmtp_recipient *r, struct why *why)
{
	/* Some exist, some do not, some cannot be looked up now. */
	switch (r->address.n % 4) {
	case 0:
		return fail(PERMFAIL, why, 550, "5.1.1", "No such user");
	case 1:
		return fail(TEMPFAIL, why, 451, "4.3.0", "Not now");
	default:
		r->targets = &target;
		r->target_count = 1;
		return DONE;
	}
}

static enum outcome
begin(void *arg, const struct lmtp_message *m, void **file, struct why *why)
{
	assert(m->count > 0);
	*file = xmalloc(1);
	return DONE;
}

static enum outcome
put(void *arg, void *file, struct str piece, struct why *why)
{
	assert(file != NULL && piece.n > 0);
	return piece.p[0] == '\x7f' ? fail(TEMPFAIL, why, 452, "4.3.1", "Full") : DONE;
}

static void
discard(void *arg, void *file)
{
	free(file);
}

static void
deliver(void *arg, void *file, struct lmtp_message *m)
{
	assert(file != NULL && m->count > 0);
	free(file);
	for (size_t i = 0; i < m->count; i++)
		m->recipients[i].outcome = DONE;
}

static const struct lmtp_backend backend = {
	.route = route,
	.begin = begin,
	.write = put,
	.deliver = deliver,
	.discard = discard,
	.hostname = "mail.example.test",
	.size_max = 4096,
};

FUZZ(data, n)
{
	int pair[2], room = 1 << 20;
	struct lmtp *s;
	enum turn t;

	if (n > 64 * 1024 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return;
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (send(pair[0], data, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && n > 0)
		abort();
	(void)shutdown(pair[0], SHUT_WR);
	s = lmtp_new(pair[1], &backend);
	t = lmtp_ops.turn(lmtp_conn(s), (struct wake){ .readable = true });
	assert(t == TURN_CLOSE);
	lmtp_ops.closed(lmtp_conn(s));
	(void)close(pair[0]);
}
