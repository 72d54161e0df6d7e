/*
 * subscriptions.c - Dovecot's `subscriptions` file in the Maildir.
 *
 * Version 2 is "V\t2", an empty line, then one folder a line with tabs
 * between the levels; version 1 is one name a line as it is.  Names are in
 * modified UTF-7.  We read both and write version 2, as Dovecot does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mail/mutf7.h"
#include "store/core.h"

#define SUBSCRIPTIONS     "subscriptions"
#define SUBSCRIPTIONS_NEW "subscriptions.new"
#define FILE_MAX          (4 * 1024 * 1024)
#define LINES_MAX         20000

static int
maildir_open(struct home *h)
{
	char path[HOME_PATH_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/Maildir", h->path);
	return fs_open_dir(h->store->c.root, path);
}

/* A line as a name in UTF-8, in the arena; STR_NONE for one that is none. */
static struct str
line_name(struct str line, bool v2, struct arena *a)
{
	struct str name = STR_NONE;
	struct buf disk, utf8;

	buf_init(&disk, 4 * MAILBOX_NAME_MAX);
	buf_init(&utf8, 4 * MAILBOX_NAME_MAX);
	(void)buf_put(&disk, line);
	for (size_t i = 0; v2 && i < disk.n; i++)
		if (disk.p[i] == '\t')
			disk.p[i] = FOLDER_SEP;
	if (folder_is_inbox(buf_str(&disk)))
		name = STR("INBOX");
	else if (!disk.full && mutf7_to_utf8(buf_str(&disk), &utf8) &&
		 mailbox_name_valid(buf_str(&utf8), FOLDER_SEP))
		name = arena_str(a, buf_str(&utf8));
	buf_free(&utf8);
	buf_free(&disk);
	return name;
}

enum outcome
subscriptions_read(
    struct home *h, struct arena *a, struct str **out, size_t *count, struct why *why)
{
	int dir = maildir_open(h);
	struct str *v = NULL;
	struct str rest, line;
	char *text = NULL;
	size_t n = 0, len = 0;
	bool v2;

	*out = NULL;
	*count = 0;
	if (dir < 0 || !fs_read_file(dir, SUBSCRIPTIONS, FILE_MAX, &text, &len)) {
		int e = errno;

		fd_close(&dir);
		return e == ENOENT ? DONE : fs_fail(why, "read subscriptions", home_path(h), e);
	}
	fd_close(&dir);
	rest = str_n(text, len);
	v2 = str_starts(rest, STR("V\t2"));
	if (v2)
		(void)str_cut(rest, '\n', &line, &rest);
	while (rest.n > 0 && n < LINES_MAX) {
		struct str name;

		(void)str_cut(rest, '\n', &line, &rest);
		name = line.n > 0 ? line_name(line, v2, a) : STR_NONE;
		if (name.n == 0)
			continue;
		if ((n & (n - 1)) == 0)
			v = xreallocarray(v, n > 0 ? n * 2 : 1, sizeof(*v));
		v[n++] = name;
	}
	free(text);
	if (n > 0) {
		*out = arena_array(a, n, sizeof(**out));
		memcpy(*out, v, n * sizeof(**out));
	}
	*count = n;
	free(v);
	return DONE;
}

static bool
put_line(struct buf *b, struct str name)
{
	size_t from = b->n;

	if (!mutf7_from_utf8(name, b))
		return false;
	for (size_t i = from; i < b->n; i++)
		if (b->p[i] == FOLDER_SEP)
			b->p[i] = '\t';
	return buf_putc(b, '\n');
}

enum outcome
home_subscribe(struct home *h, struct str name, bool subscribed, struct deadline d, struct why *why)
{
	struct str want = folder_is_inbox(name) ? STR("INBOX") : name;
	struct home_lock l;
	struct arena *a;
	struct str *all;
	size_t n;
	bool there = false, ok = true;
	struct buf b;
	int dir;
	enum outcome r = folder_name_check(name, why);

	if (r == DONE)
		r = home_lock(h, &l, d, why);
	if (r != DONE)
		return r;
	a = arena_new(4 * FILE_MAX);
	buf_init(&b, FILE_MAX);
	r = subscriptions_read(h, a, &all, &n, why);
	(void)buf_puts(&b, "V\t2\n\n");
	for (size_t i = 0; r == DONE && i < n; i++) {
		if (str_eq(all[i], want)) {
			there = true;
			if (!subscribed)
				continue;
		}
		ok = put_line(&b, all[i]) && ok;
	}
	if (r == DONE && subscribed != there) {
		if (subscribed)
			ok = put_line(&b, want) && ok;
		dir = maildir_open(h);
		if (dir < 0 && errno == ENOENT) {
			char path[HOME_PATH_MAX + 16];

			(void)snprintf(path, sizeof(path), "%s/Maildir", h->path);
			dir = maildir_make(h->store, path);
		}
		if (!ok || b.full)
			r = fail(PERMFAIL, why, 0, "", "There are too many subscriptions");
		else if (dir < 0 || !fs_replace(dir, SUBSCRIPTIONS, SUBSCRIPTIONS_NEW, buf_str(&b)))
			r = fs_fail(why, "write subscriptions", home_path(h), errno);
		fd_close(&dir);
	}
	buf_free(&b);
	arena_free(&a);
	home_unlock(&l);
	return r;
}
