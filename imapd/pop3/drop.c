#include "imapd/pop3/drop.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "mail/crlf.h"

/* --- the lock --- */

/*
 * All POP3 sessions of a mailbox are in the same shard, and struct home is one
 * for each mailbox and process, so the lock is a list of homes.
 */
struct holder {
	const struct home *home;
	LIST_ENTRY(holder) next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, holder) holders = LIST_HEAD_INITIALIZER(holders);

static struct holder *
find_holder(const struct home *home)
{
	struct holder *h;

	LIST_FOREACH (h, &holders, next)
		if (h->home == home)
			return h;
	return NULL;
}

static bool
lock_home(const struct home *home)
{
	struct holder *h;
	bool got;

	(void)pthread_mutex_lock(&lock);
	got = find_holder(home) == NULL;
	if (got) {
		h = xcalloc(1, sizeof(*h));
		h->home = home;
		LIST_INSERT_HEAD(&holders, h, next);
	}
	(void)pthread_mutex_unlock(&lock);
	return got;
}

static void
unlock_home(const struct home *home)
{
	struct holder *h;

	(void)pthread_mutex_lock(&lock);
	h = find_holder(home);
	assert(h != NULL);
	LIST_REMOVE(h, next);
	(void)pthread_mutex_unlock(&lock);
	free(h);
}

/* --- open and close --- */

enum outcome
drop_open(struct drop *d, struct home *home, struct deadline dl, bool *in_use, struct why *why)
{
	struct folder_summary summary;
	enum outcome o;

	*d = (struct drop){ .home = home };
	d->locked = lock_home(home);
	*in_use = !d->locked;
	if (*in_use)
		return fail(PERMFAIL, why, 0, "", "Another POP3 session has this mailbox");
	o = folder_open(home, STR("INBOX"), false, dl, &d->folder, why);
	if (o != DONE)
		return o;
	o = view_open(d->folder, dl, &d->view, why);
	if (o != DONE)
		return o;
	d->entered = true;
	view_summary(&d->view, &summary);
	d->uidvalidity = summary.uidvalidity;
	return DONE;
}

void
drop_close(struct drop *d)
{
	drop_leave(d);
	if (d->view.folder != NULL)
		view_close(&d->view);
	folder_release(&d->folder);
	seqset_free(&d->deleted);
	seqset_free(&d->fetched);
	if (d->locked)
		unlock_home(d->home);
	d->locked = false;
}

enum outcome
drop_enter(struct drop *d, struct deadline dl, struct why *why)
{
	enum outcome o = DONE;

	if (!d->entered)
		o = view_enter(&d->view, false, dl, why);
	d->entered = o == DONE;
	return o;
}

void
drop_leave(struct drop *d)
{
	if (d->entered)
		view_leave(&d->view);
	d->entered = false;
}

/* --- messages --- */

bool
drop_message(struct drop *d, uint32_t number, struct msg_row *row)
{
	uint32_t uid = number > 0 ? view_uid(&d->view, number) : 0;

	return uid != 0 && !seqset_has(&d->deleted, uid) && view_row(&d->view, uid, row);
}

enum outcome
drop_size(struct drop *d, const struct msg_row *row, struct deadline dl, uint32_t *size)
{
	struct msg_file m = { 0 };
	struct crlf_count count;
	struct why why;
	enum outcome o;

	if (row->vsize != VSIZE_UNKNOWN) {
		*size = row->vsize;
		return DONE;
	}
	*size = row->size;
	o = folder_open_message(d->folder, row->uid, MSG_DATA, dl, &m, &why);
	if (o == PERMFAIL) /* gone by now; RETR will say so */
		return DONE;
	if (o != DONE)
		return o;
	crlf_count(m.data, &count);
	*size = (uint32_t)MIN(count.size + count.bare, (uint64_t)MSG_SIZE_MAX);
	msg_close(&m);
	folder_offer(d->folder, row->uid, *size, STR_NONE, dl);
	return DONE;
}

bool
drop_next(struct drop *d, struct drop_walk *w, uint32_t *number, struct msg_row *row)
{
	if (!w->begun) {
		w->cursor = view_from_seq(1);
		w->begun = true;
	}
	for (;;) {
		if (w->at == w->n) {
			w->n = view_rows(&d->view, &w->cursor, w->rows, VIEW_CHUNK, &w->first);
			w->at = 0;
			if (w->n == 0)
				return false;
		}
		*number = w->first + (uint32_t)w->at;
		*row = w->rows[w->at++];
		if (!seqset_has(&d->deleted, row->uid))
			return true;
	}
}

enum outcome
drop_stat(struct drop *d, struct deadline dl, uint32_t *count, uint64_t *octets)
{
	struct drop_walk w = { 0 };
	struct msg_row row;
	uint32_t number, size;

	*count = 0;
	*octets = 0;
	while (drop_next(d, &w, &number, &row)) {
		enum outcome o = drop_size(d, &row, dl, &size);

		if (o != DONE)
			return o;
		++*count;
		*octets += size;
	}
	return DONE;
}

/* --- the end --- */

/* What was downloaded has been seen; a favour to the same person's IMAP client. */
static void
mark_seen(struct drop *d, struct deadline dl)
{
	struct flag_change change = { .op = FLAGS_ADD, .flags = MSG_SEEN };
	struct flag_result result = { 0 };
	struct why why;

	seqset_subtract(&d->fetched, &d->deleted);
	if (d->fetched.n > 0 &&
	    folder_store(d->folder, &d->fetched, &change, dl, &result, &why) != DONE)
		log_event(LOG_WARN, "pop3.seen", kv_cstr("why", why.text), KV_END);
	flag_result_free(&result);
}

enum outcome
drop_update(struct drop *d, struct deadline dl, uint64_t *removed, struct why *why)
{
	struct seqset gone = SEQSET_EMPTY;
	enum outcome o = DONE;
	uint64_t modseq;

	*removed = 0;
	mark_seen(d, dl);
	if (d->deleted.n > 0) {
		o = folder_expunge(d->folder, &d->deleted, false, dl, &gone, &modseq, why);
		*removed = seqset_count(&gone);
	}
	seqset_free(&gone);
	return o;
}
