/* Delivery, views of it, foreign programs, and restarts. */
#include "store/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/core.h"

static void
delivers(void **state)
{
	struct rig r;
	struct folder_summary s;
	char *text;
	char name[300];

	(void)state;
	rig_up(&r);
	s = rig_status(&r, "INBOX");
	assert_int_equal(s.messages, 0);
	assert_int_equal(s.uidnext, 1);
	assert_int_equal(rig_deliver(&r, "INBOX", "one\n", "a1"), 1);
	assert_int_equal(rig_deliver(&r, "inbox", "two\n", "a2"), 2);
	s = rig_status(&r, "INBOX");
	assert_int_equal(s.messages, 2);
	assert_int_equal(s.unseen, 2);
	assert_int_equal(s.recent, 2);
	assert_int_equal(s.octets, 8);
	assert_int_equal(s.uidnext, 3);
	text = rig_text(&r, "INBOX", 2);
	assert_string_equal(text, "two\n");
	free(text);
	rig_find(&r, "cur", "PRa1", name, sizeof(name));
	assert_string_equal(name, "cur/1000000000.PRa1.test,S=4,W=4:2,");
	rig_restart(&r);
	s = rig_status(&r, "INBOX");
	assert_int_equal(s.messages, 2);
	assert_int_equal(s.uidnext, 3);
	assert_int_equal(rig_deliver(&r, "INBOX", "three\n", "a3"), 3);
	/* The folder is unknown so far, and made. */
	assert_int_equal(rig_deliver(&r, "Lists.c-l\xc3\xa4ng", "four\n", "a4"), 1);
	assert_int_equal(rig_count_files(&r, ".Lists.c-l&AOQ-ng/cur"), 1);
	rig_down(&r);
}

static void
delivers_once(void **state)
{
	struct rig r;
	struct delivered d;
	struct folder *f;
	bool found;

	(void)state;
	rig_up(&r);
	assert_int_equal(rig_deliver(&r, "INBOX", "one\n", "same"), 1);
	assert_int_equal(rig_try_deliver(&r, "INBOX", "one\n", "same", &d), DONE);
	assert_true(d.existed);
	assert_int_equal(d.uid, 1);
	assert_int_equal(rig_status(&r, "INBOX").messages, 1);
	f = rig_folder(&r, "INBOX");
	assert_int_equal(folder_has_delivery(f, STR("same"), SOON, &found, NULL), DONE);
	assert_true(found);
	assert_int_equal(folder_has_delivery(f, STR("other"), SOON, &found, NULL), DONE);
	assert_false(found);
	folder_release(&f);
	rig_down(&r);
}

/* The deliverer died between link and index: a retry finds the file and gives it its UID. */
static void
delivers_after_kill(void **state)
{
	struct rig r;
	struct delivered d;
	struct folder *f;
	bool found;

	(void)state;
	rig_up(&r);
	assert_int_equal(rig_status(&r, "INBOX").messages, 0);
	rig_write(&r, "cur/1000000000.PRk1.test,S=4,W=4:2,", "one\n");
	assert_int_equal(rig_try_deliver(&r, "INBOX", "one\n", "k1", &d), DONE);
	assert_true(d.existed);
	assert_int_equal(d.uid, 1);
	rig_write(&r, "cur/1000000000.PRk2.test,S=4,W=4:2,S", "two\n");
	f = rig_folder(&r, "INBOX");
	assert_int_equal(folder_has_delivery(f, STR("k2"), SOON, &found, NULL), DONE);
	assert_true(found);
	folder_release(&f);
	assert_int_equal(rig_status(&r, "INBOX").messages, 2);
	assert_int_equal(rig_status(&r, "INBOX").unseen, 1);
	assert_int_equal(rig_count_files(&r, "cur"), 2);
	rig_down(&r);
}

static void
foreign_programs(void **state)
{
	struct rig r;
	struct folder_summary s;
	char from[400], to[600], name[300];
	char *text;

	(void)state;
	rig_up(&r);
	assert_int_equal(rig_deliver(&r, "INBOX", "one\n", "a1"), 1);
	/* Another MTA delivers. */
	rig_write(&r, "new/1000000001.M1P2.other", "two\n");
	s = rig_status(&r, "INBOX");
	assert_int_equal(s.messages, 2);
	assert_int_equal(s.unseen, 2);
	assert_int_equal(rig_count_files(&r, "new"), 0);
	text = rig_text(&r, "INBOX", 2);
	assert_string_equal(text, "two\n");
	free(text);
	/* Another reader marks it as seen. */
	rig_find(&r, "cur", "M1P2", name, sizeof(name));
	assert_string_equal(name, "cur/1000000001.M1P2.other:2,");
	rig_path(&r, name, from, sizeof(from));
	(void)snprintf(to, sizeof(to), "%sSF", from);
	assert_int_equal(rename(from, to), 0);
	text = rig_text(&r, "INBOX", 2);
	assert_string_equal(text, "two\n");
	free(text);
	s = rig_status(&r, "INBOX");
	assert_int_equal(s.messages, 2);
	assert_int_equal(s.unseen, 1);
	/* Removes the other, and copies one in. */
	rig_find(&r, "cur", "PRa1", name, sizeof(name));
	rig_path(&r, name, from, sizeof(from));
	assert_int_equal(unlink(from), 0);
	rig_write(&r, "cur/1000000002.M1P3.other", "three\n");
	s = rig_status(&r, "INBOX");
	assert_int_equal(s.messages, 2);
	assert_int_equal(s.uidnext, 4);
	text = rig_text(&r, "INBOX", 3);
	assert_string_equal(text, "three\n");
	free(text);
	/* A FIFO and a link are no messages. */
	rig_path(&r, "cur/1000000003.fifo:2,", from, sizeof(from));
	assert_int_equal(mkfifo(from, 0600), 0);
	rig_path(&r, "cur/1000000004.link:2,", from, sizeof(from));
	assert_int_equal(symlink("/etc/passwd", from), 0);
	rig_path(&r, "new/1000000005.link", from, sizeof(from));
	assert_int_equal(symlink("/etc/passwd", from), 0);
	s = rig_status(&r, "INBOX");
	assert_int_equal(s.messages, 2);
	rig_restart(&r);
	s = rig_status(&r, "INBOX");
	assert_int_equal(s.messages, 2);
	assert_int_equal(s.uidnext, 4);
	rig_down(&r);
}

static void
views(void **state)
{
	struct rig r;
	struct folder *f;
	struct view v;
	struct view_news news;
	struct view_cursor c = view_from_seq(1);
	struct msg_row rows[4];
	struct why why;
	uint32_t seq, lo, hi;

	(void)state;
	rig_up(&r);
	for (int i = 0; i < 5; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "v%d", i);
		(void)rig_deliver(&r, "INBOX", "text\n", id);
	}
	f = rig_folder(&r, "INBOX");
	assert_int_equal(view_open(f, SOON, &v, &why), DONE);
	assert_int_equal(view_count(&v), 5);
	assert_int_equal(view_rows(&v, &c, rows, 4, &seq), 4);
	assert_int_equal(seq, 1);
	assert_int_equal(rows[3].uid, 4);
	assert_int_equal(view_rows(&v, &c, rows, 4, &seq), 1);
	assert_int_equal(seq, 5);
	assert_int_equal(view_rows(&v, &c, rows, 4, &seq), 0);
	assert_int_equal(view_recent(&v, true, SOON, &lo, &hi, NULL), DONE);
	assert_int_equal(lo, 1);
	assert_int_equal(hi, 6);
	assert_int_equal(view_recent(&v, true, SOON, &lo, &hi, NULL), DONE);
	assert_int_equal(lo, hi);
	view_leave(&v);
	(void)rig_deliver(&r, "INBOX", "text\n", "v6");
	assert_int_equal(view_enter(&v, true, SOON, &why), DONE);
	assert_int_equal(view_count(&v), 5);
	view_news(&v, &news);
	assert_int_equal(news.count, 6);
	assert_int_equal(news.uidnext, 7);
	assert_int_equal(news.expunged, 0);
	view_told_new(&v, &news);
	assert_int_equal(view_count(&v), 6);
	assert_int_equal(view_uid(&v, 6), 6);
	assert_int_equal(view_seq(&v, 6), 6);
	assert_int_equal(view_last_uid(&v), 6);
	assert_int_equal(rig_status(&r, "INBOX").recent, 1);
	view_close(&v);
	folder_release(&f);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delivers),
		cmocka_unit_test(delivers_once),
		cmocka_unit_test(delivers_after_kill),
		cmocka_unit_test(foreign_programs),
		cmocka_unit_test(views),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
