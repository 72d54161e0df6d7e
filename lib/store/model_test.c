/*
 * Random operations by two "processes" (two stores on one root), with views
 * checked against the simplest model there is: a list of UIDs as a client
 * would keep it from what it was told.
 */
#include "store/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/core.h"

#define CLIENT_MAX 4000
#define VIEWS      4

struct client {
	struct view v;
	struct folder *f;
	bool open;
	uint32_t uids[CLIENT_MAX]; /* what the client believes */
	uint32_t n;
};

static unsigned seed;

static uint32_t
pick(uint32_t n)
{
	seed = seed * 1103515245u + 12345u;
	return n > 0 ? (seed >> 8) % n : 0;
}

/* The view's numbers are the client's. */
static void
agree(struct client *c, const char *when)
{
	struct view_cursor at = view_from_seq(1);
	struct msg_row rows[7];
	uint32_t seq, k = 0;
	size_t n;

	if (view_count(&c->v) != c->n)
		fail_msg("%s: view has %u, client %u", when, view_count(&c->v), c->n);
	while ((n = view_rows(&c->v, &at, rows, 7, &seq)) > 0) {
		assert_int_equal(seq, k + 1);
		for (size_t i = 0; i < n; i++, k++)
			if (rows[i].uid != c->uids[k])
				fail_msg("%s: number %u is %u, client has %u", when, k + 1,
				    rows[i].uid, c->uids[k]);
	}
	assert_int_equal(k, c->n);
	for (int i = 0; i < 5 && c->n > 0; i++) {
		uint32_t s = 1 + pick(c->n);

		assert_int_equal(view_uid(&c->v, s), c->uids[s - 1]);
		assert_int_equal(view_seq(&c->v, c->uids[s - 1]), s);
	}
	assert_int_equal(view_uid(&c->v, c->n + 1), 0);
	assert_int_equal(view_last_uid(&c->v), c->n > 0 ? c->uids[c->n - 1] : 0);
}

static void
hear(struct client *c, bool expunges)
{
	struct view_news news;
	struct seqset seqs = SEQSET_EMPTY;
	struct seqset_iter it;
	uint32_t x, gone = 0;
	uint32_t before = view_count(&c->v);

	view_news(&c->v, &news);
	if (expunges) {
		view_expunged(&c->v, &news, &seqs, NULL);
		assert_int_equal(seqset_count(&seqs), news.expunged);
		it = seqset_iter(&seqs);
		while (seqset_next(&it, &x)) {
			uint32_t at = x - 1 - gone++;

			memmove(
			    c->uids + at, c->uids + at + 1, (c->n - at - 1) * sizeof(c->uids[0]));
			c->n--;
		}
		seqset_free(&seqs);
		view_told_expunges(&c->v, &news);
		agree(c, "after expunges");
		before = c->n;
	}
	view_told_new(&c->v, &news);
	for (uint32_t s = before + 1; s <= view_count(&c->v); s++) {
		assert_true(c->n < CLIENT_MAX);
		c->uids[c->n++] = view_uid(&c->v, s);
	}
	if (expunges)
		assert_int_equal(c->n, news.count);
	view_told_flags(&c->v, &news);
	agree(c, "after news");
}

static void
connect_client(struct client *c, struct rig *r)
{
	struct why why = { 0 };

	c->f = rig_folder(r, "INBOX");
	if (view_open(c->f, SOON, &c->v, &why) != DONE)
		fail_msg("open: %s", why.text);
	c->n = view_count(&c->v);
	assert_true(c->n <= CLIENT_MAX);
	for (uint32_t s = 1; s <= c->n; s++)
		c->uids[s - 1] = view_uid(&c->v, s);
	view_leave(&c->v);
	c->open = true;
}

static void
disconnect(struct client *c)
{
	view_close(&c->v);
	folder_release(&c->f);
	c->open = false;
}

static void
random_set(struct seqset *set, uint32_t uidnext)
{
	for (uint32_t i = 0, n = 1 + pick(6); i < n && uidnext > 1; i++) {
		uint32_t lo = 1 + pick(uidnext - 1);
		uint32_t hi = lo + (pick(3) == 0 ? pick(20) : 0);

		seqset_add(set, lo, hi);
	}
}

static void
change(struct rig *r, int step)
{
	struct folder *f = rig_folder(r, "INBOX");
	struct seqset set = SEQSET_EMPTY;
	struct flag_change c = { .op = FLAGS_ADD, .flags = 1u << pick(5) };
	struct flag_result out;
	char id[24];
	uint32_t uidnext = rig_status(r, "INBOX").uidnext;

	switch (pick(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		for (uint32_t i = 0, n = 1 + pick(8); i < n; i++) {
			(void)snprintf(id, sizeof(id), "s%d-%u", step, i);
			(void)rig_deliver(r, "INBOX", "text\n", id);
		}
		break;
	case 4:
	case 5:
		random_set(&set, uidnext);
		assert_int_equal(folder_expunge(f, &set, false, SOON, NULL, NULL, NULL), DONE);
		break;
	case 6:
	case 7:
	case 8:
		random_set(&set, uidnext);
		c.op = (enum flag_op)pick(3);
		assert_int_equal(folder_store(f, &set, &c, SOON, &out, NULL), DONE);
		flag_result_free(&out);
		break;
	case 9:
		assert_int_equal(folder_compact(f, SOON, NULL), DONE);
		break;
	case 10:
		store_flush(r->s, SOON);
		break;
	default:
		while (store_evict(r->s, true))
			;
		break;
	}
	seqset_free(&set);
	folder_release(&f);
}

static void
one_run(unsigned with)
{
	static struct client clients[VIEWS];
	struct rig r, other;
	struct folder_summary a, b;

	seed = with;
	rig_up(&r);
	other = r;
	rig_open(&other);
	for (int step = 0; step < 400; step++) {
		struct client *c = &clients[pick(VIEWS)];

		change(pick(2) == 0 ? &r : &other, step);
		if (!c->open) {
			connect_client(c, pick(2) == 0 ? &r : &other);
		} else if (pick(10) == 0) {
			disconnect(c);
		} else {
			struct why why = { 0 };

			if (view_enter(&c->v, pick(2) == 0, SOON, &why) != DONE)
				fail_msg("seed %u step %d: enter: %s", with, step, why.text);
			agree(c, "on entering");
			if (pick(4) != 0)
				hear(c, pick(3) != 0);
			view_leave(&c->v);
		}
	}
	for (int i = 0; i < VIEWS; i++)
		if (clients[i].open)
			disconnect(&clients[i]);
	a = rig_status(&r, "INBOX");
	b = rig_status(&other, "INBOX");
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.messages, rig_count_files(&r, "cur"));
	rig_close(&other);
	rig_restart(&r);
	b = rig_status(&r, "INBOX");
	assert_memory_equal(&a, &b, sizeof(a));
	rig_down(&r);
}

static void
runs(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= (getenv("RUNS") != NULL ? (unsigned)atoi(getenv("RUNS")) : 40);
	     i++)
		one_run(i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
