/* Folders of a home: names, list, subscriptions, delete, rename, homes. */
#include "store/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/core.h"

static void
names(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {
		{ "INBOX", true },
		{ "Sent", true },
		{ "Lists.c", true },
		{ "\xc3\x84pfel", true },
		{ "a&b", true },
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ "a..b", false },
		{ ".a", false },
		{ "a.", false },
		{ "a/b", false },
		{ "../x", false },
		{ "a\x01"
		  "b",
		    false },
		{ "a\x7f", false },
		{ "\xff\xfe", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if ((folder_name_check(str_of(rows[i].name), NULL) == DONE) != rows[i].ok)
			fail_msg("name '%s'", rows[i].name);
	assert_int_equal(folder_name_check(str_n("a\0b", 3), NULL), PERMFAIL);
}

static void
homes(void **state)
{
	static const char *const bad[] = { "", "/", "a//b", "../a", "a/..", "a/.", ".a/b", "a/b/",
		"/a", "a/\nb" };
	struct rig r;
	struct home *h;

	(void)state;
	rig_up(&r);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (store_home(r.s, str_of(bad[i]), true, &h, NULL) != PERMFAIL)
			fail_msg("home '%s'", bad[i]);
	assert_int_equal(store_home(r.s, STR("example.test/bob"), false, &h, NULL), PERMFAIL);
	(void)rig_deliver(&r, "INBOX", "one\n", "a");
	assert_int_equal(
	    store_home_rename(r.s, STR("example.test/ann"), STR("other.test/ann"), NULL), DONE);
	assert_int_equal(store_home(r.s, STR("other.test/ann"), false, &h, NULL), DONE);
	home_release(&r.h);
	r.h = h;
	assert_int_equal(rig_status(&r, "INBOX").messages, 1);
	assert_int_equal(store_home_remove(r.s, STR("other.test/ann"), NULL), DONE);
	assert_int_equal(store_home(r.s, STR("other.test/ann"), false, &h, NULL), PERMFAIL);
	assert_int_equal(store_home_remove(r.s, STR("other.test/ann"), NULL), PERMFAIL);
	rig_down(&r);
}

static const struct folder_info *
find(const struct folder_info *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(v[i].name, str_of(name)))
			return &v[i];
	return NULL;
}

static void
lists(void **state)
{
	struct rig r;
	struct arena *a = arena_new(1 << 20);
	struct folder_info *v;
	size_t n;

	(void)state;
	rig_up(&r);
	assert_int_equal(home_create_folder(r.h, STR("Sent"), USE_SENT, SOON, NULL), DONE);
	assert_int_equal(home_create_folder(r.h, STR("Sent"), 0, SOON, NULL), PERMFAIL);
	assert_int_equal(home_create_folder(r.h, STR("inbox"), 0, SOON, NULL), PERMFAIL);
	assert_int_equal(home_create_folder(r.h, STR("A.B.C"), 0, SOON, NULL), DONE);
	assert_int_equal(home_subscribe(r.h, STR("Sent"), true, SOON, NULL), DONE);
	assert_int_equal(home_subscribe(r.h, STR("Sent"), true, SOON, NULL), DONE);
	assert_int_equal(home_subscribe(r.h, STR("Not.here\xc3\xa4"), true, SOON, NULL), DONE);
	assert_int_equal(home_subscribe(r.h, STR("inbox"), true, SOON, NULL), DONE);
	assert_int_equal(home_list(r.h, a, &v, &n, NULL), DONE);
	assert_int_equal(n, 6);
	assert_true(str_eq(v[0].name, STR("INBOX")));
	assert_true(v[0].exists && v[0].subscribed);
	assert_false(find(v, n, "A.B")->exists);
	assert_true(find(v, n, "A.B")->has_children);
	assert_true(find(v, n, "A")->has_children);
	assert_false(find(v, n, "A.B.C")->has_children);
	assert_true(find(v, n, "A.B.C")->exists);
	assert_int_equal(find(v, n, "Sent")->use, USE_SENT);
	assert_true(find(v, n, "Sent")->subscribed);
	assert_false(find(v, n, "Not.here\xc3\xa4")->exists);
	assert_int_equal(home_subscribe(r.h, STR("Sent"), false, SOON, NULL), DONE);
	/* The old form is read as well. */
	rig_write(&r, "subscriptions", "A.B.C\nINBOX\n&AOQ-\n&bad\n");
	assert_int_equal(home_list(r.h, a, &v, &n, NULL), DONE);
	assert_true(find(v, n, "A.B.C")->subscribed);
	assert_true(find(v, n, "\xc3\xa4")->subscribed);
	assert_false(find(v, n, "Sent")->subscribed);
	assert_int_equal(n, 6);
	arena_free(&a);
	rig_down(&r);
}

static void
deletes(void **state)
{
	struct rig r;
	struct folder *f;
	struct view v;
	struct why why;
	uint32_t first, second;

	(void)state;
	rig_up(&r);
	(void)rig_deliver(&r, "Old", "one\n", "a");
	(void)rig_deliver(&r, "Old.Child", "two\n", "b");
	first = rig_status(&r, "Old").uidvalidity;
	f = rig_folder(&r, "Old");
	assert_int_equal(view_open(f, SOON, &v, NULL), DONE);
	view_leave(&v);
	assert_int_equal(home_delete_folder(r.h, STR("INBOX"), SOON, NULL), PERMFAIL);
	assert_int_equal(home_delete_folder(r.h, STR("None"), SOON, NULL), PERMFAIL);
	assert_int_equal(home_delete_folder(r.h, STR("Old"), SOON, NULL), DONE);
	assert_true(folder_gone(f));
	assert_int_equal(view_enter(&v, true, SOON, &why), PERMFAIL);
	view_close(&v);
	folder_release(&f);
	assert_int_equal(home_has_folder(r.h, STR("Old"), NULL), PERMFAIL);
	assert_int_equal(home_has_folder(r.h, STR("Old.Child"), NULL), DONE);
	(void)rig_deliver(&r, "Old", "three\n", "c");
	second = rig_status(&r, "Old").uidvalidity;
	assert_true(second > first);
	assert_int_equal(rig_status(&r, "Old").messages, 1);
	rig_down(&r);
}

static void
renames(void **state)
{
	struct rig r;
	struct folder_summary s;
	struct arena *a = arena_new(1 << 20);
	struct folder_info *v;
	uint32_t a_validity, b_validity;
	size_t n;
	char *text;

	(void)state;
	rig_up(&r);
	(void)rig_deliver(&r, "A", "one\n", "a");
	(void)rig_deliver(&r, "A.x.y", "two\n", "b");
	(void)rig_deliver(&r, "AB", "no child\n", "c");
	assert_int_equal(home_set_use(r.h, STR("A"), USE_JUNK, SOON, NULL), DONE);
	a_validity = rig_status(&r, "A").uidvalidity;
	assert_int_equal(home_rename_folder(r.h, STR("A"), STR("A.z"), SOON, NULL), PERMFAIL);
	assert_int_equal(home_rename_folder(r.h, STR("A"), STR("AB"), SOON, NULL), PERMFAIL);
	assert_int_equal(home_rename_folder(r.h, STR("No"), STR("C"), SOON, NULL), PERMFAIL);
	assert_int_equal(home_rename_folder(r.h, STR("A"), STR("B.new"), SOON, NULL), DONE);
	assert_int_equal(home_has_folder(r.h, STR("A"), NULL), PERMFAIL);
	s = rig_status(&r, "B.new");
	assert_int_equal(s.uidvalidity, a_validity);
	assert_int_equal(s.messages, 1);
	assert_int_equal(rig_status(&r, "B.new.x.y").messages, 1);
	assert_int_equal(rig_status(&r, "AB").messages, 1);
	assert_int_equal(home_list(r.h, a, &v, &n, NULL), DONE);
	assert_int_equal(find(v, n, "B.new")->use, USE_JUNK);
	/* A later folder of the old name is not taken for it, nor is it when it comes back. */
	(void)rig_deliver(&r, "A", "new\n", "d");
	b_validity = rig_status(&r, "A").uidvalidity;
	assert_true(b_validity > a_validity);
	assert_int_equal(home_delete_folder(r.h, STR("A"), SOON, NULL), DONE);
	assert_int_equal(home_rename_folder(r.h, STR("B.new"), STR("A"), SOON, NULL), DONE);
	s = rig_status(&r, "A");
	assert_true(s.uidvalidity > b_validity);
	assert_int_equal(s.messages, 1);
	/* INBOX's messages go, it stays. */
	(void)rig_deliver(&r, "INBOX", "in\n", "e");
	assert_int_equal(home_rename_folder(r.h, STR("INBOX"), STR("Was"), SOON, NULL), DONE);
	assert_int_equal(rig_status(&r, "INBOX").messages, 0);
	text = rig_text(&r, "Was", 1);
	assert_string_equal(text, "in\n");
	free(text);
	arena_free(&a);
	rig_down(&r);
}

/* What was kept aside goes when its days are over, and not before. */
static void
sweeps(void **state)
{
	struct rig r;
	struct folder *f;
	struct seqset all = set_of("1:*");

	(void)state;
	rig_up(&r);
	(void)rig_deliver(&r, "INBOX", "one\n", "a");
	(void)rig_deliver(&r, "Old", "two\n", "b");
	assert_int_equal(home_delete_folder(r.h, STR("Old"), SOON, NULL), DONE);
	f = rig_folder(&r, "INBOX");
	assert_int_equal(folder_expunge(f, &all, false, SOON, NULL, NULL, NULL), DONE);
	folder_release(&f);
	assert_int_equal(rig_count_files(&r, "../postroom/expunged/INBOX"), 1);
	store_sweep_spool(r.s);
	r.s->sweep_next_ms = 1;
	store_maintain(r.s, SOON);
	assert_null(r.s->sweeping);
	assert_int_equal(rig_count_files(&r, "../postroom/expunged/INBOX"), 1);
	/* `.Old@...` does not count as a file: it begins with a dot. */
	r.s->c.keep_expunged_days = 0;
	r.s->sweep_next_ms = 1;
	usleep(1100000); /* ages are in whole seconds */
	store_maintain(r.s, SOON);
	assert_int_equal(rig_count_files(&r, "../postroom/expunged/INBOX"), 0);
	{
		char left[300];

		rig_find(&r, "../postroom/expunged", ".Old@", left, sizeof(left));
		assert_string_equal(left, "");
	}
	seqset_free(&all);
	rig_down(&r);
}

/* Another process renames and deletes behind our open objects. */
static void
behind_our_back(void **state)
{
	struct rig r;
	struct folder *f;
	char from[300], to[300];
	uint32_t first;

	(void)state;
	rig_up(&r);
	(void)rig_deliver(&r, "A", "one\n", "a");
	first = rig_status(&r, "A").uidvalidity;
	f = rig_folder(&r, "A");
	rig_path(&r, ".A", from, sizeof(from));
	rig_path(&r, ".B", to, sizeof(to));
	assert_int_equal(rename(from, to), 0);
	(void)rig_deliver(&r, "A", "two\n", "b");
	assert_true(rig_status(&r, "A").uidvalidity > first);
	assert_int_equal(rig_status(&r, "A").messages, 1);
	assert_int_equal(rig_status(&r, "B").uidvalidity, first);
	assert_true(folder_gone(f));
	folder_release(&f);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(homes),
		cmocka_unit_test(lists),
		cmocka_unit_test(deletes),
		cmocka_unit_test(renames),
		cmocka_unit_test(sweeps),
		cmocka_unit_test(behind_our_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
