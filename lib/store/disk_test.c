/*
 * A full disk, one without inodes, a read-only one.  As root, on a small
 * tmpfs in a mount namespace of its own; skipped otherwise.
 */
#include "store/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/core.h"

static char base[] = "/tmp/store-disk.XXXXXX";

static bool
mount_small(const char *options)
{
	if (mount("none", base, "tmpfs", 0, options) != 0)
		return false;
	(void)setenv("TMPDIR", base, 1);
	return true;
}

/* Deliver until it does not work any more; how many did. */
static int
fill_up(struct rig *r)
{
	static char text[20001];
	int n = 0;

	memset(text, 'x', 20000);
	text[20000] = '\0';
	for (;; n++) {
		struct spool_file spool;
		struct folder *f;
		struct delivered out;
		struct why why = { 0 };
		struct delivery m = {
			.arrived = 1, .internaldate = 1, .size = 20000, .vsize = 20000
		};
		enum outcome o = store_spool(r->s, &spool, &why);

		if (o == DONE && !fs_write(spool.fd, text, 20000, 0)) {
			assert_true(fs_is_full(errno));
			o = TEMPFAIL;
		}
		m.fd = spool.fd;
		if (o == DONE) {
			f = rig_folder(r, "INBOX");
			o = folder_deliver(f, &m, SOON, &out, &why);
			folder_release(&f);
		}
		spool_discard(r->s, &spool);
		if (o != DONE) {
			assert_int_equal(o, TEMPFAIL);
			return n;
		}
		assert_true(n < 10000);
	}
}

static void
full(void **state)
{
	static const char *const disks[] = { "size=2M", "size=64M,nr_inodes=60" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(disks); i++) {
		struct rig r;
		struct folder *f;
		struct view v;
		struct seqset some = set_of("1:10");
		struct flag_change c = { .op = FLAGS_ADD, .flags = MSG_DELETED };
		struct flag_result out;
		struct folder_summary s;
		struct why why = { 0 };
		int n;

		if (!mount_small(disks[i]))
			skip();
		rig_up(&r);
		n = fill_up(&r);
		assert_true(n > 20);
		s = rig_status(&r, "INBOX");
		assert_int_equal(s.messages, n);
		/* Reading, marking and deleting go on. */
		f = rig_folder(&r, "INBOX");
		assert_int_equal(view_open(f, SOON, &v, &why), DONE);
		assert_int_equal(view_count(&v), n);
		assert_int_equal(folder_store(f, &some, &c, SOON, &out, &why), DONE);
		flag_result_free(&out);
		assert_int_equal(folder_expunge(f, &some, true, SOON, NULL, NULL, &why), DONE);
		assert_int_equal(rig_count_files(&r, "cur"), n - 10);
		view_close(&v);
		folder_release(&f);
		/* Kept-aside files make room when they go; then delivery works at once. */
		home_sweep_expunged(r.h, wall_s() + 10, SOON);
		assert_true(fill_up(&r) > 5);
		rig_restart(&r);
		assert_int_equal(rig_status(&r, "INBOX").messages, rig_count_files(&r, "cur"));
		seqset_free(&some);
		rig_down(&r);
		assert_int_equal(umount2(base, MNT_DETACH), 0);
	}
}

static void
read_only(void **state)
{
	struct rig r;
	struct folder *f;
	struct view v;
	struct delivered out;
	struct why why = { 0 };
	uint32_t lo, hi;
	char *text;

	(void)state;
	if (!mount_small("size=4M"))
		skip();
	rig_up(&r);
	for (int i = 0; i < 5; i++) {
		char id[8];

		(void)snprintf(id, sizeof(id), "r%d", i);
		(void)rig_deliver(&r, "INBOX", "text\n", id);
	}
	rig_write(&r, "new/1.foreign", "not taken in yet\n");
	rig_close(&r);
	assert_int_equal(mount(NULL, base, NULL, MS_REMOUNT | MS_RDONLY, "size=4M"), 0);
	rig_open(&r);
	for (int restarted = 0; restarted < 2; restarted++) {
		f = rig_folder(&r, "INBOX");
		if (view_open(f, SOON, &v, &why) != DONE)
			fail_msg("%d: %s", restarted, why.text);
		assert_int_equal(view_count(&v), 5);
		assert_int_equal(view_recent(&v, true, SOON, &lo, &hi, &why), DONE);
		assert_int_equal(hi - lo, 5);
		view_close(&v);
		text = rig_text(&r, "INBOX", 5);
		assert_string_equal(text, "text\n");
		free(text);
		folder_release(&f);
		rig_restart(&r);
	}
	rig_close(&r);
	assert_int_equal(mount(NULL, base, NULL, MS_REMOUNT, "size=4M"), 0);
	rig_open(&r);
	assert_int_equal(rig_status(&r, "INBOX").messages, 6);
	assert_int_equal(rig_try_deliver(&r, "INBOX", "text\n", "again", &out), DONE);
	rig_down(&r);
	assert_int_equal(umount2(base, MNT_DETACH), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full),
		cmocka_unit_test(read_only),
	};
	int failed;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mkdtemp(base) == NULL)
		return 77; /* skipped */
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(base);
	return failed;
}
