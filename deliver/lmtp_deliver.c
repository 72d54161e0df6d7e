/*
 * lmtp_deliver.c - what an LMTP session does to the store.
 *
 * Each recipient gets its own verdict, so each mailbox is delivered to before
 * the reply, and what has several targets or leaves the system is committed
 * to the queue.  All of them link the one file that the session wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/crashpoint.h"
#include "base/log.h"
#include "deliver/commit.h"
#include "deliver/lmtp.h"
#include "deliver/local.h"
#include "deliver/queue.h"
#include "deliver/resolve.h"
#include "mail/trace.h"

#define LINES_MAX (TRACE_LINE_MAX + 4 * DELIVER_ADDRESS_MAX)

struct lmtp_service {
	struct lmtp_backend backend;
	struct deliver *deliver;
	struct lot *lot;
	char hostname[256];
};

struct lmtp_file {
	struct spool_file spool;
	uint64_t skip;
};

static enum outcome
route(void *arg, struct arena *arena, struct lmtp_recipient *r, struct why *why)
{
	struct lmtp_service *service = arg;
	bool foreign;
	enum outcome o = resolve_address(service->deliver, r->address,
	    deadline_in(DELIVER_LOOKUP_MS), arena, &r->targets, &r->target_count, &foreign, why);

	if (o == DONE && foreign)
		return fail(PERMFAIL, why, 550, "5.7.1", "Not a domain of this system");
	return o;
}

static enum outcome
write_file(void *arg, void *file, struct str piece, struct why *why)
{
	struct lmtp_file *f = file;

	while (piece.n > 0) {
		ssize_t put = write(f->spool.fd, piece.p, piece.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			log_event(LOG_WARN, "lmtp.write", kv_cstr("error", strerrorname_np(errno)),
			    KV_END);
			return errno == ENOSPC || errno == EDQUOT
				   ? fail(TEMPFAIL, why, 452, "4.3.1",
					 "No room for messages at the moment")
				   : fail(TEMPFAIL, why, 451, "4.3.0",
					 "Local error in taking the message");
		}
		piece = str_from(piece, (size_t)put);
	}
	return DONE;
}

static void
discard(void *arg, void *file)
{
	struct lmtp_service *service = arg;
	struct lmtp_file *f = file;

	if (f->spool.fd >= 0)
		spool_discard(service->deliver->store, &f->spool);
	free(f);
}

/* The envelope as the rest of deliver knows it, with these recipients. */
static void
fill_envelope(const struct lmtp_message *m, const struct deliver_recipient *r, size_t n,
    struct deliver_envelope *out)
{
	*out = (struct deliver_envelope){
		.id = m->id,
		.helo = m->helo,
		.protocol = STR("LMTP"),
		.from = m->from,
		.flags = m->flags,
		.recipients = r,
		.recipient_count = n,
	};
}

static void
put_lines(const struct lmtp_service *service, const struct lmtp_message *m, struct buf *lines,
    uint64_t *skip)
{
	struct deliver_recipient only = { 0 };
	struct deliver_envelope e;
	char id[20];

	if (m->count == 1) {
		only.address = m->recipients[0].address;
		only.targets = m->recipients[0].targets;
		only.target_count = m->recipients[0].target_count;
	}
	fill_envelope(m, &only, m->count == 1 ? 1 : 0, &e);
	(void)!deliver_prefix(&e, lines); /* addresses were bounded when they came */
	*skip = lines->n;
	(void)snprintf(id, sizeof(id), "%016" PRIx64, m->id);
	(void)received_put(
	    lines, &(struct received){
		       .helo = m->helo,
		       .ip = STR("local"),
		       .by = str_of(service->backend.hostname),
		       .with = (m->flags & DELIVER_SMTPUTF8) != 0 ? STR("UTF8LMTP") : STR("LMTP"),
		       .id = str_of(id),
		       .for_address = m->count == 1 ? only.address : STR_NONE,
		       .date = { .time = wall_s() },
		   });
}

static enum outcome
begin(void *arg, const struct lmtp_message *m, void **file, struct why *why)
{
	struct lmtp_service *service = arg;
	struct lmtp_file *f = xcalloc(1, sizeof(*f));
	enum outcome o = store_spool(service->deliver->store, &f->spool, why);
	struct buf lines;

	if (o != DONE) {
		free(f);
		return o;
	}
	buf_init(&lines, LINES_MAX);
	put_lines(service, m, &lines, &f->skip);
	o = write_file(service, f, buf_str(&lines), why);
	buf_free(&lines);
	if (o != DONE) {
		discard(service, f);
		return o;
	}
	*file = f;
	return DONE;
}

static void
deliver_one(struct lmtp_service *service, struct message *own, const struct lmtp_message *m,
    size_t i, struct deadline by)
{
	struct lmtp_recipient *r = &m->recipients[i];
	struct deliver_recipient to = {
		.address = r->address,
		.targets = r->targets,
		.target_count = r->target_count,
	};
	struct arena *arena = arena_new(1024);

	if (r->target_count == 1 && r->targets[0].kind == DELIVER_TO_MAILBOX) {
		struct local_delivery l = {
			.mailbox = r->targets[0].address,
			.id = local_copy_id(arena, m->id, (uint32_t)i, m->count > 1),
			.arrived_s = wall_s(),
			.from = m->from,
			.original = r->address,
		};
		r->outcome = local_deliver(service->deliver, own, &l, by, &r->why);
	} else {
		struct deliver_envelope e;

		fill_envelope(m, &to, 1, &e);
		/* Each of them is a message of its own in the queue. */
		e.id = own->id = random_u64() | 1;
		e.size = own->size;
		r->outcome = queue_commit(service->deliver->queue, own, &e, 0, by, &r->why);
		own->id = m->id;
	}
	arena_free(&arena);
}

static void
deliver_all(void *arg, void *file, struct lmtp_message *m)
{
	struct lmtp_service *service = arg;
	struct lmtp_file *f = file;
	struct deadline by = deadline_in(DELIVER_COMMIT_MS);
	struct message own;
	struct why why = { 0 };
	enum outcome o =
	    message_own(service->deliver->store, &f->spool, m->id, f->skip, &own, &why);

	free(f);
	for (size_t i = 0; i < m->count; i++) {
		if (o == DONE) {
			deliver_one(service, &own, m, i, by);
		} else {
			m->recipients[i].outcome = o;
			m->recipients[i].why = why;
		}
	}
	crash_point("lmtp.answer");
	if (o == DONE)
		message_end(&own);
}

static void
accepted(int fd, void *arg)
{
	struct lmtp_service *service = arg;
	struct lmtp *s = lmtp_new(fd, &service->backend);

	if (!lot_add(service->lot, lmtp_conn(s), fd, &lmtp_ops, WORK_USER)) {
		static const char busy[] = "421 4.3.2 Too busy\r\n";

		(void)send(fd, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		lmtp_ops.closed(lmtp_conn(s));
	}
}

void
lmtp_listen(struct deliver *d, struct lot *lot, int fd)
{
	struct lmtp_service *service = xcalloc(1, sizeof(*service)); /* for the daemon's life */
	struct conf *conf = deliver_conf(d);

	service->deliver = d;
	service->lot = lot;
	(void)snprintf(service->hostname, sizeof(service->hostname), "%s", conf->hostname);
	service->backend = (struct lmtp_backend){
		.arg = service,
		.route = route,
		.begin = begin,
		.write = write_file,
		.deliver = deliver_all,
		.discard = discard,
		.hostname = service->hostname,
		.size_max = conf->message_size,
	};
	conf_unref(&conf);
	lot_listen(lot, fd, accepted, service);
}
