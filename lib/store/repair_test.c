/*
 * An index cut at every octet, flipped in a thousand bits, deleted, copied
 * back from an earlier time, or from another boot: the folder opens, no mail
 * is lost, and no UID that was given out means another message.
 */
#include "store/testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "store/core.h"

#define MESSAGES 12

/* Which message had which UID under which UIDVALIDITY, once told. */
struct told {
	uint32_t uidvalidity;
	uint32_t uid;
	char text[32];
};
static struct told told[4096];
static size_t told_count;

static void
tell(const char *what, uint32_t uidvalidity, uint32_t uid, const char *text)
{
	for (size_t i = 0; i < told_count; i++)
		if (told[i].uidvalidity == uidvalidity && told[i].uid == uid &&
		    strcmp(told[i].text, text) != 0)
			fail_msg("%s: UID %u was '%s' and is '%s'", what, uid, told[i].text, text);
	if (told_count < COUNT_OF(told)) {
		told[told_count].uidvalidity = uidvalidity;
		told[told_count].uid = uid;
		(void)snprintf(told[told_count].text, sizeof(told[0].text), "%s", text);
		told_count++;
	}
}

static void
fill(struct rig *r, int from, int n)
{
	for (int i = from; i < from + n; i++) {
		char id[32], text[32];

		(void)snprintf(id, sizeof(id), "m%d", i);
		(void)snprintf(text, sizeof(text), "message %d\n", i);
		(void)rig_deliver(r, "INBOX", text, id);
	}
}

/* Every message once, with its text; tell what UIDs they have. */
static void
look(struct rig *r, const char *what, int want)
{
	struct folder *f = rig_folder(r, "INBOX");
	struct view_cursor c = view_from_seq(1);
	struct msg_row rows[64];
	struct folder_summary s;
	bool seen[256] = { false };
	struct why why = { 0 };
	struct view v;
	uint32_t seq, last = 0;
	size_t n;
	int count = 0;

	if (view_open(f, SOON, &v, &why) != DONE)
		fail_msg("%s: %s", what, why.text);
	view_summary(&v, &s);
	while ((n = view_rows(&v, &c, rows, 64, &seq)) > 0)
		for (size_t i = 0; i < n; i++) {
			struct msg_file m;
			char text[32];
			int number;

			if (rows[i].uid <= last || rows[i].uid >= s.uidnext)
				fail_msg("%s: UID %u after %u, next %u", what, rows[i].uid, last,
				    s.uidnext);
			last = rows[i].uid;
			if (folder_open_message(f, rows[i].uid, MSG_DATA, SOON, &m, &why) != DONE)
				fail_msg("%s: message %u: %s", what, rows[i].uid, why.text);
			(void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(m.data));
			msg_close(&m);
			if (sscanf(text, "message %d", &number) != 1 || number > 255 ||
			    seen[number])
				fail_msg("%s: '%s' again", what, text);
			seen[number] = true;
			tell(what, s.uidvalidity, rows[i].uid, text);
			count++;
		}
	if (count != want)
		fail_msg("%s: %d messages, want %d", what, count, want);
	view_close(&v);
	folder_release(&f);
}

static char saved[1 << 20];
static size_t saved_size;

static void
save(struct rig *r)
{
	char path[512];
	int fd;
	ssize_t n;

	rig_path(r, INDEX_NAME, path, sizeof(path));
	fd = open(path, O_RDONLY);
	n = read(fd, saved, sizeof(saved));
	assert_true(n > 0);
	saved_size = (size_t)n;
	(void)close(fd);
}

/* Put these octets in place of the index; in_place keeps the inode. */
static void
put(struct rig *r, const char *p, size_t n, bool in_place)
{
	char path[512];
	int fd;

	rig_path(r, INDEX_NAME, path, sizeof(path));
	if (!in_place)
		(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | (in_place ? O_TRUNC : 0), 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	(void)close(fd);
}

static void
flag_some(struct rig *r)
{
	struct folder *f = rig_folder(r, "INBOX");
	struct seqset set = set_of("2,4:5");
	struct str k = STR("work");
	struct flag_change c = {
		.op = FLAGS_ADD, .flags = MSG_SEEN, .keywords = &k, .keyword_count = 1
	};
	struct flag_result out;

	assert_int_equal(folder_store(f, &set, &c, SOON, &out, NULL), DONE);
	flag_result_free(&out);
	seqset_free(&set);
	set = set_of("3");
	assert_int_equal(folder_expunge(f, &set, false, SOON, NULL, NULL, NULL), DONE);
	seqset_free(&set);
	folder_release(&f);
}

/* A folder with a snapshot of some messages and a log of all kinds of records. */
static void
prepare(struct rig *r)
{
	struct folder *f;

	rig_up(r);
	told_count = 0;
	fill(r, 0, MESSAGES / 2);
	flag_some(r);
	f = rig_folder(r, "INBOX");
	assert_int_equal(folder_sync(f, SOON, NULL), DONE);
	assert_int_equal(folder_compact(f, SOON, NULL), DONE);
	folder_offer(f, 1, 10, STR("packed"), SOON);
	folder_release(&f);
	fill(r, MESSAGES / 2, MESSAGES / 2);
	store_flush(r->s, SOON);
	look(r, "before", MESSAGES - 1);
	home_release(&r->h);
	store_close(&r->s);
	save(r);
}

static void
start(struct rig *r)
{
	struct store_config c;

	store_config_init(&c);
	c.root = r->root;
	c.host = "test";
	assert_int_equal(store_open(&c, &r->s, NULL), DONE);
	assert_int_equal(store_home(r->s, STR("example.test/ann"), true, &r->h, NULL), DONE);
}

static void
stop(struct rig *r)
{
	home_release(&r->h);
	store_close(&r->s);
}

static void
cut_everywhere(void **state)
{
	struct rig r;
	char what[64];
	size_t step;

	(void)state;
	prepare(&r);
	/* All of the log, and of the header, octet by octet; the rest in steps. */
	for (size_t n = 0; n < saved_size; n += step) {
		step = n < 600 || n >= INDEX_PAGE ? 1 : 97;
		(void)snprintf(what, sizeof(what), "cut at %zu of %zu", n, saved_size);
		put(&r, saved, n, true);
		start(&r);
		look(&r, what, MESSAGES - 1);
		stop(&r);
		/* Sure of itself the second time. */
		if (n % 16 == 0) {
			start(&r);
			look(&r, what, MESSAGES - 1);
			stop(&r);
		}
		if (told_count > COUNT_OF(told) - 64)
			told_count = MESSAGES;
	}
	start(&r);
	rig_down(&r);
}

static void
flip_bits(void **state)
{
	struct rig r;
	char what[64];

	(void)state;
	prepare(&r);
	srand(4711);
	for (int i = 0; i < 1000; i++) {
		size_t at = (size_t)rand() % saved_size;
		int bit = rand() % 8;
		char keep = saved[at];

		(void)snprintf(what, sizeof(what), "flip bit %d of octet %zu", bit, at);
		saved[at] = (char)(saved[at] ^ 1 << bit);
		put(&r, saved, saved_size, true);
		saved[at] = keep;
		start(&r);
		look(&r, what, MESSAGES - 1);
		stop(&r);
		if (told_count > COUNT_OF(told) - 64)
			told_count = MESSAGES;
	}
	start(&r);
	rig_down(&r);
}

/* Numbers given out after damage are above all before it. */
static void
damaged_tail(void **state)
{
	struct rig r;

	(void)state;
	prepare(&r);
	put(&r, saved, saved_size - 3, true);
	start(&r);
	look(&r, "torn", MESSAGES - 1);
	fill(&r, 100, 2);
	look(&r, "torn and grown", MESSAGES + 1);
	assert_true(rig_status(&r, "INBOX").uidnext > CEILING_STEP);
	rig_down(&r);
}

static void
deleted(void **state)
{
	struct rig r;
	struct folder_summary s;
	char path[512];
	uint32_t before = told[0].uidvalidity;

	(void)state;
	prepare(&r);
	before = told[0].uidvalidity;
	rig_path(&r, INDEX_NAME, path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	start(&r);
	look(&r, "deleted", MESSAGES - 1);
	s = rig_status(&r, "INBOX");
	assert_true(s.uidvalidity > before);
	/* Flags and keywords were in the names. */
	assert_int_equal(s.unseen, MESSAGES - 1 - 3);
	/* The state file too. */
	stop(&r);
	assert_int_equal(unlink(path), 0);
	rig_path(&r, "../postroom/folders", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	before = s.uidvalidity;
	start(&r);
	look(&r, "all deleted", MESSAGES - 1);
	rig_down(&r);
}

/* A copy from a backup, older than the Maildir. */
static void
restored(void **state)
{
	static const bool in_place[] = { false, true };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(in_place); i++) {
		struct rig r;

		prepare(&r);
		start(&r);
		fill(&r, 100, 5);
		look(&r, "grown", MESSAGES + 4);
		stop(&r);
		put(&r, saved, saved_size, in_place[i]);
		start(&r);
		if (!in_place[i])
			look(&r, "restored", MESSAGES + 4);
		rig_down(&r);
	}
}

static void
another_boot(void **state)
{
	struct rig r;
	struct store_config c;
	struct folder_summary before, after;

	(void)state;
	rig_up(&r);
	fill(&r, 0, 5);
	before = rig_status(&r, "INBOX");
	stop(&r);
	store_config_init(&c);
	c.root = r.root;
	c.host = "test";
	(void)snprintf(c.boot_id, sizeof(c.boot_id), "%s", "00000000-1111-2222-3333-444444444444");
	assert_int_equal(store_open(&c, &r.s, NULL), DONE);
	assert_int_equal(store_home(r.s, STR("example.test/ann"), true, &r.h, NULL), DONE);
	after = rig_status(&r, "INBOX");
	assert_int_equal(after.messages, 5);
	assert_int_equal(after.uidvalidity, before.uidvalidity);
	assert_true(after.uidnext >= 1 + CEILING_STEP);
	assert_true(after.modseq > before.modseq);
	fill(&r, 5, 1);
	assert_int_equal(rig_status(&r, "INBOX").messages, 6);
	/* Within this boot numbers go on without gaps. */
	before = rig_status(&r, "INBOX");
	fill(&r, 6, 1);
	assert_int_equal(rig_status(&r, "INBOX").uidnext, before.uidnext + 1);
	rig_down(&r);
}

/* Sessions that are open while the index is damaged keep their numbers or end. */
static void
damaged_under_a_view(void **state)
{
	struct rig r;
	struct folder *f;
	struct view v;
	struct view_news news;
	char path[512], junk[40];
	int fd;

	(void)state;
	rig_up(&r);
	told_count = 0;
	fill(&r, 0, 5);
	f = rig_folder(&r, "INBOX");
	assert_int_equal(view_open(f, SOON, &v, NULL), DONE);
	view_leave(&v);
	/* A writer was killed in the middle of a record. */
	rig_path(&r, INDEX_NAME, path, sizeof(path));
	fd = open(path, O_WRONLY | O_APPEND);
	memset(junk, 0x5a, sizeof(junk));
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	(void)close(fd);
	fill(&r, 5, 2);
	assert_int_equal(view_enter(&v, true, SOON, NULL), DONE);
	view_news(&v, &news);
	assert_int_equal(news.count, 7);
	assert_int_equal(news.expunged, 0);
	view_told_new(&v, &news);
	assert_int_equal(view_count(&v), 7);
	assert_int_equal(view_uid(&v, 5), 5);
	assert_true(view_uid(&v, 6) > CEILING_STEP);
	view_close(&v);
	folder_release(&f);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_everywhere),
		cmocka_unit_test(flip_bits),
		cmocka_unit_test(damaged_tail),
		cmocka_unit_test(deleted),
		cmocka_unit_test(restored),
		cmocka_unit_test(another_boot),
		cmocka_unit_test(damaged_under_a_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
