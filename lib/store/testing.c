#include "store/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/core.h"

void
rig_open(struct rig *r)
{
	struct store_config c;
	struct why why;

	store_config_init(&c);
	c.root = r->root;
	c.host = "test";
	assert_int_equal(store_open(&c, &r->s, &why), DONE);
	assert_int_equal(store_home(r->s, STR("example.test/ann"), true, &r->h, &why), DONE);
}

void
rig_up(struct rig *r)
{
	/* Syncs are free in memory; what they are worth is for the power-cut rig to say. */
	const char *tmp = getenv("TMPDIR") != NULL               ? getenv("TMPDIR")
			  : access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm"
								 : "/tmp";

	log_init("test", LOG_FATAL);
	(void)snprintf(
	    r->path, sizeof(r->path), "%s/store.XXXXXX", strlen(tmp) < 40 ? tmp : "/tmp");
	assert_non_null(mkdtemp(r->path));
	r->root = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(r->root >= 0);
	rig_open(r);
}

void
rig_close(struct rig *r)
{
	home_release(&r->h);
	store_close(&r->s);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
rig_down(struct rig *r)
{
	rig_close(r);
	(void)close(r->root);
	(void)nftw(r->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
rig_restart(struct rig *r)
{
	rig_close(r);
	rig_open(r);
}

struct folder *
rig_folder(struct rig *r, const char *name)
{
	struct folder *f;
	struct why why = { 0 };

	if (folder_open(r->h, str_of(name), true, SOON, &f, &why) != DONE)
		fail_msg("open %s: %s", name, why.text);
	return f;
}

enum outcome
rig_try_deliver(
    struct rig *r, const char *folder, const char *text, const char *id, struct delivered *out)
{
	struct folder *f = rig_folder(r, folder);
	struct spool_file spool;
	struct delivery m = {
		.id = str_of(id),
		.arrived = 1000000000,
		.internaldate = 1000000000,
		.size = strlen(text),
		.vsize = strlen(text),
	};
	enum outcome o;

	assert_int_equal(store_spool(r->s, &spool, NULL), DONE);
	assert_true(fs_write(spool.fd, text, strlen(text), 0));
	assert_int_equal(fdatasync(spool.fd), 0);
	m.fd = spool.fd;
	o = folder_deliver(f, &m, SOON, out, NULL);
	spool_discard(r->s, &spool);
	folder_release(&f);
	return o;
}

uint32_t
rig_deliver(struct rig *r, const char *folder, const char *text, const char *id)
{
	struct delivered out;

	assert_int_equal(rig_try_deliver(r, folder, text, id, &out), DONE);
	return out.uid;
}

struct folder_summary
rig_status(struct rig *r, const char *folder)
{
	struct folder *f = rig_folder(r, folder);
	struct folder_summary s;
	struct why why = { 0 };

	if (folder_status(f, SOON, &s, &why) != DONE)
		fail_msg("status of %s: %s", folder, why.text);
	folder_release(&f);
	return s;
}

char *
rig_text(struct rig *r, const char *folder, uint32_t uid)
{
	struct folder *f = rig_folder(r, folder);
	struct msg_file m;
	struct why why = { 0 };
	char *text;

	if (folder_open_message(f, uid, MSG_DATA, SOON, &m, &why) != DONE)
		fail_msg("open message %u: %s", uid, why.text);
	text = str_dup(m.data);
	msg_close(&m);
	folder_release(&f);
	return text;
}

void
rig_path(struct rig *r, const char *below, char *out, size_t room)
{
	(void)snprintf(out, room, "%s/example.test/ann/Maildir/%s", r->path, below);
}

void
rig_write(struct rig *r, const char *below, const char *text)
{
	char path[512];
	FILE *f;

	rig_path(r, below, path, sizeof(path));
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
}

void
rig_find(struct rig *r, const char *dir, const char *part, char *out, size_t room)
{
	char path[512];
	DIR *d;
	struct dirent *e;

	out[0] = '\0';
	rig_path(r, dir, path, sizeof(path));
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (strstr(e->d_name, part) != NULL)
			(void)snprintf(out, room, "%s/%s", dir, e->d_name);
	(void)closedir(d);
}

unsigned
rig_count_files(struct rig *r, const char *dir)
{
	char path[512];
	DIR *d;
	struct dirent *e;
	unsigned n = 0;

	rig_path(r, dir, path, sizeof(path));
	d = opendir(path);
	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

struct seqset
set_of(const char *text)
{
	struct seqset s = SEQSET_EMPTY;

	assert_true(seqset_parse(str_of(text), UINT32_MAX, &s));
	return s;
}

void
rig_reopen_root(struct rig *r)
{
	r->root = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(r->root >= 0);
	rig_open(r);
}
