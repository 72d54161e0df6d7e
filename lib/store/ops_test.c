/* Flags, expunge, copy, and what sessions are told of them. */
#include "store/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/core.h"

static void
fill(struct rig *r, const char *folder, int n)
{
	for (int i = 0; i < n; i++) {
		char id[32], text[32];

		(void)snprintf(id, sizeof(id), "%s-%d", folder[0] == 'I' ? "in" : "x", i);
		(void)snprintf(text, sizeof(text), "message %d\n", i);
		(void)rig_deliver(r, folder, text, id);
	}
}

static uint64_t
store_flag(struct folder *f, const char *uids, enum flag_op op, unsigned flags, const char *keyword)
{
	struct seqset set = set_of(uids);
	struct str k = str_of(keyword);
	struct flag_change c = {
		.op = op,
		.flags = flags,
		.keywords = &k,
		.keyword_count = keyword != NULL,
	};
	struct flag_result out;
	struct why why = { 0 };
	uint64_t modseq;

	if (folder_store(f, &set, &c, SOON, &out, &why) != DONE)
		fail_msg("store: %s", why.text);
	modseq = out.modseq;
	flag_result_free(&out);
	seqset_free(&set);
	return modseq;
}

static void
expunge(struct folder *f, const char *uids)
{
	struct seqset set = set_of(uids);
	struct why why = { 0 };

	if (folder_expunge(f, &set, false, SOON, NULL, NULL, &why) != DONE)
		fail_msg("expunge: %s", why.text);
	seqset_free(&set);
}

static void
assert_set(struct seqset *s, const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	(void)seqset_put(&b, s);
	if (strcmp(buf_cstr(&b), want) != 0)
		fail_msg("set: got %s, want %s", buf_cstr(&b), want);
	buf_free(&b);
	seqset_free(s);
}

static void
flags(void **state)
{
	struct rig r;
	struct folder *f;
	struct view v;
	struct msg_row row;
	struct folder_summary s;
	struct flag_change c = { .op = FLAGS_ADD, .flags = MSG_FLAGGED, .check_modseq = true };
	struct flag_result out;
	struct seqset set;
	const struct str *names;
	char name[300];
	uint64_t m1, m2;
	size_t n;

	(void)state;
	rig_up(&r);
	fill(&r, "INBOX", 6);
	f = rig_folder(&r, "INBOX");
	assert_int_equal(view_open(f, SOON, &v, NULL), DONE);
	m1 = store_flag(f, "1:3", FLAGS_ADD, MSG_SEEN, NULL);
	m2 = store_flag(f, "2", FLAGS_ADD, MSG_DELETED, "$Forwarded");
	assert_true(m2 == m1 + 1);
	assert_int_equal(store_flag(f, "2", FLAGS_ADD, MSG_DELETED, "$forwarded"), 0);
	assert_true(view_row(&v, 2, &row));
	assert_int_equal(row.flags, MSG_SEEN | MSG_DELETED);
	assert_int_equal(row.keywords, 1);
	assert_true(row.modseq == m2);
	names = view_keywords(&v, &n);
	assert_int_equal(n, 1);
	assert_true(str_eq(names[0], STR("$Forwarded")));
	view_summary(&v, &s);
	assert_int_equal(s.unseen, 3);
	assert_int_equal(s.deleted, 1);
	assert_int_equal(view_first_unseen(&v), 4);
	/* UNCHANGEDSINCE: 2 changed after m1. */
	set = set_of("1:6");
	c.unchanged_since = m1;
	assert_int_equal(folder_store(f, &set, &c, SOON, &out, NULL), DONE);
	assert_set(&out.failed, "2");
	assert_set(&out.changed, "1,3:6");
	seqset_free(&set);
	(void)store_flag(f, "1", FLAGS_REPLACE, MSG_ANSWERED, "work");
	assert_true(view_row(&v, 1, &row));
	assert_int_equal(row.flags, MSG_ANSWERED);
	assert_int_equal(row.keywords, 2);
	(void)store_flag(f, "1:6", FLAGS_REMOVE, MSG_FLAGGED, "none-such");
	view_close(&v);
	/* Names follow, and another start finds all of it again. */
	store_flush(r.s, SOON);
	rig_find(&r, "cur", "PRin-1.", name, sizeof(name));
	assert_non_null(strstr(name, ":2,STa"));
	rig_find(&r, "cur", "PRin-0.", name, sizeof(name));
	assert_non_null(strstr(name, ":2,Rb"));
	folder_release(&f);
	rig_restart(&r);
	f = rig_folder(&r, "INBOX");
	assert_int_equal(view_open(f, SOON, &v, NULL), DONE);
	assert_true(view_row(&v, 1, &row));
	assert_int_equal(row.flags, MSG_ANSWERED);
	assert_int_equal(row.keywords, 2);
	view_close(&v);
	folder_release(&f);
	rig_down(&r);
}

static void
bad_keywords(void **state)
{
	static const char *const bad[] = { "", "a b", "\\Seen", "a\"b", "a]", "a%", "(", "\x7f",
		"\xc3\xa4" };
	struct rig r;
	struct folder *f;
	struct seqset set = set_of("1:*");
	struct flag_result out;

	(void)state;
	rig_up(&r);
	fill(&r, "INBOX", 1);
	f = rig_folder(&r, "INBOX");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct str k = str_of(bad[i]);
		struct flag_change c = { .op = FLAGS_ADD, .keywords = &k, .keyword_count = 1 };

		if (folder_store(f, &set, &c, SOON, &out, NULL) != PERMFAIL)
			fail_msg("keyword %s", bad[i]);
	}
	for (int i = 0; i < KEYWORDS_MAX; i++) {
		char k[16];

		(void)snprintf(k, sizeof(k), "k%d", i);
		(void)store_flag(f, "1", FLAGS_ADD, 0, k);
	}
	{
		struct str k = STR("one-more");
		struct flag_change c = { .op = FLAGS_ADD, .keywords = &k, .keyword_count = 1 };

		assert_int_equal(folder_store(f, &set, &c, SOON, &out, NULL), PERMFAIL);
	}
	seqset_free(&set);
	folder_release(&f);
	rig_down(&r);
}

static void
expunges(void **state)
{
	struct rig r;
	struct folder *f;
	struct view a, b;
	struct view_news news;
	struct seqset seqs = SEQSET_EMPTY, uids = SEQSET_EMPTY, set;
	struct view_cursor c = view_from_seq(1);
	struct msg_row rows[16];
	uint32_t seq;
	uint64_t before;

	(void)state;
	rig_up(&r);
	fill(&r, "INBOX", 8);
	f = rig_folder(&r, "INBOX");
	assert_int_equal(view_open(f, SOON, &a, NULL), DONE);
	assert_int_equal(view_open(f, SOON, &b, NULL), DONE);
	before = a.expunge_told;
	expunge(f, "2,5:6");
	/* Neither has been told: numbers stay. */
	assert_int_equal(view_count(&a), 8);
	assert_int_equal(view_uid(&a, 6), 6);
	assert_int_equal(view_seq(&a, 8), 8);
	assert_int_equal(view_rows(&a, &c, rows, 16, &seq), 8);
	assert_int_equal(rows[4].uid, 5);
	assert_true((rows[4].flags & MSG_EXPUNGED) != 0);
	view_news(&a, &news);
	assert_int_equal(news.expunged, 3);
	assert_int_equal(news.count, 5);
	view_expunged(&a, &news, &seqs, &uids);
	assert_set(&seqs, "2,5:6");
	assert_set(&uids, "2,5:6");
	view_told_expunges(&a, &news);
	assert_int_equal(view_count(&a), 5);
	assert_int_equal(view_uid(&a, 2), 3);
	assert_int_equal(view_uid(&a, 4), 7);
	assert_int_equal(view_uid(&a, 5), 8);
	assert_int_equal(view_seq(&a, 7), 4);
	assert_int_equal(view_seq(&a, 5), 0);
	/* The other still sees them, also after it was parked and the rows were dropped. */
	assert_int_equal(view_uid(&b, 6), 6);
	view_leave(&a);
	view_leave(&b);
	while (store_evict(r.s, true))
		;
	assert_null(f->o);
	(void)rig_deliver(&r, "INBOX", "late\n", "late");
	assert_int_equal(view_enter(&b, true, SOON, NULL), DONE);
	assert_int_equal(view_count(&b), 8);
	assert_int_equal(view_uid(&b, 6), 6);
	view_news(&b, &news);
	assert_int_equal(news.expunged, 3);
	assert_int_equal(news.count, 6);
	set = set_of("4:7");
	view_seqs_of_uids(&b, &set, &seqs);
	assert_set(&seqs, "4:7");
	view_told_new(&b, &news);
	assert_int_equal(view_count(&b), 9);
	view_told_expunges(&b, &news);
	assert_int_equal(view_count(&b), 6);
	view_seqs_of_uids(&b, &set, &seqs);
	assert_set(&seqs, "3:4");
	view_uids_of_seqs(&b, &set, &uids);
	assert_set(&uids, "7:9");
	view_existing_uids(&b, &set, &uids);
	assert_set(&uids, "4,7");
	seqset_free(&set);
	assert_true(view_vanished_since(&b, before, NULL, &uids));
	assert_set(&uids, "2,5:6");
	set = set_of("5,7");
	assert_true(view_vanished_since(&b, before, &set, &uids));
	assert_set(&uids, "5");
	seqset_free(&set);
	view_close(&a);
	view_close(&b);
	folder_release(&f);
	assert_int_equal(rig_count_files(&r, "cur"), 6);
	assert_int_equal(rig_count_files(&r, "../postroom/expunged/INBOX"), 3);
	home_sweep_expunged(r.h, wall_s() - 1000, SOON);
	assert_int_equal(rig_count_files(&r, "../postroom/expunged/INBOX"), 3);
	home_sweep_expunged(r.h, wall_s() + 1000, SOON);
	assert_int_equal(rig_count_files(&r, "../postroom/expunged/INBOX"), 0);
	rig_down(&r);
}

static void
only_deleted(void **state)
{
	struct rig r;
	struct folder *f;
	struct seqset all = set_of("1:*"), gone = SEQSET_EMPTY;
	uint64_t modseq;

	(void)state;
	rig_up(&r);
	fill(&r, "INBOX", 5);
	f = rig_folder(&r, "INBOX");
	(void)store_flag(f, "2,4", FLAGS_ADD, MSG_DELETED, NULL);
	assert_int_equal(folder_expunge(f, &all, true, SOON, &gone, &modseq, NULL), DONE);
	assert_set(&gone, "2,4");
	assert_int_equal(folder_expunge(f, &all, true, SOON, &gone, &modseq, NULL), DONE);
	assert_int_equal(gone.n, 0);
	assert_int_equal(rig_status(&r, "INBOX").messages, 3);
	assert_int_equal(rig_status(&r, "INBOX").deleted, 0);
	/* An expunged message is known to have been delivered. */
	{
		bool found;

		assert_int_equal(folder_has_delivery(f, STR("in-1"), SOON, &found, NULL), DONE);
		assert_true(found);
	}
	seqset_free(&all);
	folder_release(&f);
	rig_down(&r);
}

static void
copies(void **state)
{
	struct rig r;
	struct folder *f, *to;
	struct seqset set = set_of("2:4,9");
	struct copy_result out;
	struct view v;
	struct msg_row row;
	struct quota_usage used;
	char *text;

	(void)state;
	rig_up(&r);
	fill(&r, "INBOX", 5);
	assert_int_equal(home_usage(r.h, SOON, &used, NULL), DONE);
	assert_int_equal(used.messages, 5);
	assert_int_equal(used.octets, 50);
	f = rig_folder(&r, "INBOX");
	to = rig_folder(&r, "Archive");
	(void)store_flag(to, "1", FLAGS_ADD, 0, "unrelated");
	(void)store_flag(f, "3", FLAGS_ADD, MSG_SEEN, "work");
	assert_int_equal(folder_copy(f, &set, to, false, SOON, &out, NULL), DONE);
	assert_set(&out.from, "2:4");
	assert_set(&out.to, "1:3");
	assert_int_equal(view_open(to, SOON, &v, NULL), DONE);
	assert_true(view_row(&v, 2, &row));
	assert_int_equal(row.flags, MSG_SEEN);
	assert_int_equal(row.keywords, 1);
	assert_int_equal(row.internaldate, 1000000000);
	text = rig_text(&r, "Archive", 2);
	assert_string_equal(text, "message 2\n");
	free(text);
	view_close(&v);
	assert_int_equal(home_usage(r.h, SOON, &used, NULL), DONE);
	assert_int_equal(used.messages, 8);
	assert_int_equal(folder_copy(f, &set, to, true, SOON, &out, NULL), DONE);
	assert_set(&out.to, "4:6");
	seqset_free(&out.from);
	assert_int_equal(rig_status(&r, "INBOX").messages, 2);
	assert_int_equal(rig_status(&r, "Archive").messages, 6);
	assert_int_equal(rig_count_files(&r, "cur"), 2);
	assert_int_equal(rig_count_files(&r, "../postroom/expunged/INBOX"), 0);
	assert_int_equal(home_usage(r.h, SOON, &used, NULL), DONE);
	assert_int_equal(used.messages, 8);
	assert_int_equal(used.octets, 80);
	assert_int_equal(home_recount(r.h, SOON, &used, NULL), DONE);
	assert_int_equal(used.octets, 80);
	/* Onto itself. */
	assert_int_equal(folder_copy(to, &set, to, false, SOON, &out, NULL), DONE);
	assert_set(&out.to, "7:9");
	seqset_free(&out.from);
	assert_int_equal(rig_status(&r, "Archive").messages, 9);
	seqset_free(&set);
	folder_release(&f);
	folder_release(&to);
	rig_down(&r);
}

static void
quota(void **state)
{
	struct rig r;
	struct quota_limit limit = { .octets = 100 };
	struct quota_hold a, b;
	struct why why = { 0 };

	(void)state;
	rig_up(&r);
	fill(&r, "INBOX", 5);
	assert_int_equal(home_reserve(r.h, &limit, 40, 1, SOON, &a, &why), DONE);
	assert_int_equal(home_reserve(r.h, &limit, 40, 1, SOON, &b, &why), PERMFAIL);
	assert_int_equal(why.code, 552);
	quota_release(&a);
	assert_int_equal(home_reserve(r.h, &limit, 40, 1, SOON, &b, &why), DONE);
	quota_release(&b);
	quota_release(&b);
	limit = (struct quota_limit){ .messages = 5 };
	assert_int_equal(home_reserve(r.h, &limit, 40, 1, SOON, &b, &why), PERMFAIL);
	rig_down(&r);
}

static void
foreign_flags_merge(void **state)
{
	struct rig r;
	struct folder *f;
	struct view v;
	struct msg_row row;
	char name[300], from[600], to[700];

	(void)state;
	rig_up(&r);
	fill(&r, "INBOX", 2);
	f = rig_folder(&r, "INBOX");
	(void)store_flag(f, "1", FLAGS_ADD, MSG_SEEN, NULL);
	/* Before it reaches the name, another program marks it as flagged. */
	rig_find(&r, "cur", "PRin-0", name, sizeof(name));
	rig_path(&r, name, from, sizeof(from));
	(void)snprintf(to, sizeof(to), "%sF", from);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(folder_sync(f, SOON, NULL), DONE);
	assert_int_equal(view_open(f, SOON, &v, NULL), DONE);
	assert_true(view_row(&v, 1, &row));
	assert_int_equal(row.flags, MSG_SEEN | MSG_FLAGGED);
	view_close(&v);
	store_flush(r.s, SOON);
	rig_find(&r, "cur", "PRin-0", name, sizeof(name));
	assert_non_null(strstr(name, ":2,FS"));
	/* And takes the flag away again, and Seen with it: both were in the name. */
	rig_path(&r, name, from, sizeof(from));
	(void)snprintf(to, sizeof(to), "%.*s", (int)strlen(from) - 2, from);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(folder_sync(f, SOON, NULL), DONE);
	assert_int_equal(view_open(f, SOON, &v, NULL), DONE);
	assert_true(view_row(&v, 1, &row));
	assert_int_equal(row.flags, 0);
	view_close(&v);
	folder_release(&f);
	rig_down(&r);
}

static void
packed(void **state)
{
	struct rig r;
	struct folder *f;
	struct arena *a = arena_new(1 << 20);
	struct view v;
	struct msg_row row;
	struct str p;

	(void)state;
	rig_up(&r);
	fill(&r, "INBOX", 2);
	f = rig_folder(&r, "INBOX");
	assert_int_equal(view_open(f, SOON, &v, NULL), DONE);
	assert_true(view_row(&v, 1, &row));
	assert_int_equal(folder_packed(f, &row, a, &p), DONE);
	assert_int_equal(p.n, 0);
	folder_offer(f, 1, 77, STR("structure of 1"), SOON);
	assert_true(view_row(&v, 1, &row));
	assert_int_equal(row.vsize, 77);
	assert_int_equal(folder_packed(f, &row, a, &p), DONE);
	assert_true(str_eq(p, STR("structure of 1")));
	/* It moves into the packed file, and is found there. */
	assert_int_equal(folder_compact(f, SOON, NULL), DONE);
	assert_true(view_row(&v, 1, &row));
	assert_true((row.packed_ref & REF_PACKED_FILE) != 0);
	assert_int_equal(row.vsize, 77);
	assert_int_equal(folder_packed(f, &row, a, &p), DONE);
	assert_true(str_eq(p, STR("structure of 1")));
	folder_offer(f, 2, 78, STR("structure of 2"), SOON);
	assert_int_equal(folder_compact(f, SOON, NULL), DONE);
	assert_true(view_row(&v, 2, &row));
	assert_int_equal(folder_packed(f, &row, a, &p), DONE);
	assert_true(str_eq(p, STR("structure of 2")));
	assert_true(view_row(&v, 1, &row));
	assert_int_equal(folder_packed(f, &row, a, &p), DONE);
	assert_true(str_eq(p, STR("structure of 1")));
	view_close(&v);
	folder_release(&f);
	arena_free(&a);
	rig_down(&r);
}

static void
parked_is_small(void **state)
{
	(void)state;
	/* With its name and path behind it: "example.test/ann/Maildir" and "INBOX". */
	assert_true(sizeof(struct folder) + 2 * 40 + sizeof(struct home) <= 512);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags),
		cmocka_unit_test(bad_keywords),
		cmocka_unit_test(expunges),
		cmocka_unit_test(only_deleted),
		cmocka_unit_test(copies),
		cmocka_unit_test(quota),
		cmocka_unit_test(foreign_flags_merge),
		cmocka_unit_test(packed),
		cmocka_unit_test(parked_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
