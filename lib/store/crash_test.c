/*
 * A scenario of everything a process does to a home, killed at its first
 * crash point, at its second, and so on until it survives.  After each kill
 * another process finds what was acknowledged, once, and goes on.  Skipped
 * unless built with -Dcrashpoints=true.
 */
#include "store/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/core.h"

#define FOLDERS 5
static const char *const folders[FOLDERS] = { "INBOX", "Copy", "Moved", "Old", "New" };

/* What the scenario has finished, in memory that outlives it. */
struct board {
	int delivered; /* INBOX got messages 0 to delivered-1 */
	int copied, moved, expunged;
	int finished;
};
static struct board *board;

static void
need(enum outcome o)
{
	if (o != DONE)
		_exit(9);
}

static void
one(struct rig *r, const char *folder, int i)
{
	char id[16], text[32];
	struct delivered out;

	(void)snprintf(id, sizeof(id), "c%d", i);
	(void)snprintf(text, sizeof(text), "message %d\n", i);
	need(rig_try_deliver(r, folder, text, id, &out));
}

static void
scenario(struct rig *r)
{
	struct folder *in, *copy, *moved;
	struct seqset set;
	struct copy_result cr;
	struct flag_change c = { .op = FLAGS_ADD, .flags = MSG_SEEN };
	struct flag_result fr;

	for (int i = 0; i < 6; i++) {
		one(r, "INBOX", i);
		board->delivered = i + 1;
	}
	in = rig_folder(r, "INBOX");
	copy = rig_folder(r, "Copy");
	moved = rig_folder(r, "Moved");
	set = set_of("1:6");
	need(folder_store(in, &set, &c, SOON, &fr, NULL));
	flag_result_free(&fr);
	seqset_free(&set);
	set = set_of("1:2");
	need(folder_copy(in, &set, copy, false, SOON, &cr, NULL));
	copy_result_free(&cr);
	board->copied = 1;
	need(folder_copy(in, &set, moved, true, SOON, &cr, NULL));
	copy_result_free(&cr);
	board->moved = 1;
	seqset_free(&set);
	need(folder_flush_names(in, SOON, NULL));
	set = set_of("3:4");
	need(folder_expunge(in, &set, false, SOON, NULL, NULL, NULL));
	seqset_free(&set);
	board->expunged = 1;
	need(folder_compact(in, SOON, NULL));
	one(r, "INBOX", 6);
	board->delivered = 7;
	folder_release(&moved);
	need(home_create_folder(r->h, STR("Old"), USE_JUNK, SOON, NULL));
	one(r, "Old", 7);
	need(home_rename_folder(r->h, STR("Old"), STR("New"), SOON, NULL));
	need(home_delete_folder(r->h, STR("New"), SOON, NULL));
	folder_release(&copy);
	folder_release(&in);
	board->finished = 1;
}

/* How often message i is in a folder; the index and the directory agree. */
static void
count(struct rig *r, const char *name, int n[static 8])
{
	struct folder *f;
	struct view v;
	struct view_cursor c = view_from_seq(1);
	struct msg_row rows[VIEW_CHUNK];
	struct why why = { 0 };
	uint32_t seq;
	size_t k;

	memset(n, 0, 8 * sizeof(n[0]));
	if (home_has_folder(r->h, str_of(name), NULL) != DONE)
		return;
	f = rig_folder(r, name);
	if (view_open(f, SOON, &v, &why) != DONE) {
		/* Deleted, but the directory was still there: it is set aside now. */
		assert_true(folder_gone(f));
		folder_release(&f);
		return;
	}
	while ((k = view_rows(&v, &c, rows, VIEW_CHUNK, &seq)) > 0)
		for (size_t i = 0; i < k; i++) {
			struct msg_file m;
			int number;

			if (folder_open_message(f, rows[i].uid, MSG_DATA, SOON, &m, &why) != DONE)
				fail_msg("%s %u: %s", name, rows[i].uid, why.text);
			assert_int_equal(sscanf(m.data.p, "message %d\n", &number), 1);
			n[number]++;
			msg_close(&m);
		}
	view_close(&v);
	folder_release(&f);
}

static void
check(struct rig *r, int at)
{
	int in[8], copy[8], moved[8];

	count(r, "INBOX", in);
	count(r, "Copy", copy);
	count(r, "Moved", moved);
	for (int i = 0; i < board->delivered; i++) {
		int anywhere = in[i] + moved[i];

		if (in[i] > 1 || copy[i] > 1 || moved[i] > 1)
			fail_msg("killed at %d: message %d twice in one folder", at, i);
		if (anywhere == 0 && !(i == 2 || i == 3))
			fail_msg("killed at %d: message %d is lost", at, i);
		if (anywhere > 1)
			fail_msg("killed at %d: message %d moved and stayed", at, i);
		if (i < 2 && board->copied && copy[i] != 1)
			fail_msg("killed at %d: copy of %d is lost", at, i);
		if (i < 2 && board->moved && (moved[i] != 1 || in[i] != 0))
			fail_msg("killed at %d: %d is not where it was moved to", at, i);
		if ((i == 2 || i == 3) && board->expunged && in[i] != 0)
			fail_msg("killed at %d: %d was expunged and is back", at, i);
	}
	/* And it goes on: all folders can be used, or made again. */
	for (int i = 0; i < FOLDERS; i++) {
		char id[16];
		struct delivered out;

		(void)snprintf(id, sizeof(id), "after%d", i);
		/* A folder whose deletion was cut short is deleted by the first look. */
		if (rig_try_deliver(r, folders[i], "message 0\n", id, &out) == TEMPFAIL)
			assert_int_equal(
			    rig_try_deliver(r, folders[i], "message 0\n", id, &out), DONE);
		assert_true(out.uid > 0);
	}
}

static void
killed_at_each_point(void **state)
{
	int at = 0;

	(void)state;
	do {
		struct rig r;
		char order[16];
		pid_t pid;
		int status;

		at++;
		memset(board, 0, sizeof(*board));
		rig_up(&r);
		pid = fork();
		if (pid == 0) {
			(void)snprintf(order, sizeof(order), "%d", at);
			(void)setenv("POSTROOM_CRASH", order, 1);
			rig_reopen_root(&r);
			scenario(&r);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || status == 0);
		check(&r, at);
		rig_down(&r);
	} while (!board->finished);
	print_message("killed at %d points\n", at - 1);
	assert_true(at > 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_each_point),
	};

#ifndef POSTROOM_CRASHPOINTS
	return 77;
#endif
	board =
	    mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return board != MAP_FAILED ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
