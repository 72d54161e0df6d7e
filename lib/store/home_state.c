/*
 * home_state.c - what a home remembers of its folders beside their own files:
 * `postroom/folders`, text, replaced as a whole under the home's lock.
 *
 *	postroom-folders 1
 *	uidvalidity 1763637682
 *	floor 0
 *	folder USE GONE NAME
 *	sum 1f2e3d4c
 *
 * The highest UIDVALIDITY ever given is what keeps a new folder of an old
 * name from being taken for the old one.  Where the file is lost, the
 * folders' own and the clock stand in for it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/scan.h"
#include "store/core.h"

#define STATE_NAME "folders"
#define STATE_TEMP "folders.new"
#define LOCK_NAME  "lock"
#define STATE_MAX  (8 * 1024 * 1024)
#define GONE_MAX   1000
#define LOST_STEP  10000

enum outcome
home_lock(struct home *h, struct home_lock *l, struct deadline d, struct why *why)
{
	*l = (struct home_lock){ .home = -1, .state = -1, .lock = -1 };
	l->home = fs_open_dir(h->store->c.root, h->path);
	if (l->home >= 0)
		l->state = fs_make_dirs(l->home, HOME_STATE_DIR);
	if (l->state >= 0)
		l->lock = fs_open_regular(l->state, LOCK_NAME, O_RDWR | O_CREAT, 0600);
	if (l->lock >= 0 && fs_lock(l->lock, LOCK_LOG, d))
		return DONE;
	home_unlock(l);
	return fs_fail(why, "lock home", home_path(h), errno);
}

void
home_unlock(struct home_lock *l)
{
	int e = errno;

	fd_close(&l->lock); /* and with it the lock */
	fd_close(&l->state);
	fd_close(&l->home);
	errno = e;
}

static uint32_t
index_uidvalidity(int maildir, const char *disk)
{
	int dir = *disk == '\0' ? fcntl(maildir, F_DUPFD_CLOEXEC, 0) : fs_open_dir(maildir, disk);
	struct gen *g = NULL;
	uint32_t v = 0;

	if (dir >= 0 && gen_open(dir, &g) == GEN_OK) {
		v = g->h.uidvalidity;
		gen_unref(&g);
	}
	fd_close(&dir);
	return v;
}

/* Some file in cur/: then the folder was in use. */
static bool
in_use(int maildir)
{
	int fd = fs_open_dir(maildir, "cur");
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool used = false;

	if (dir == NULL) {
		fd_close(&fd);
		return false;
	}
	while (!used && (e = readdir(dir)) != NULL)
		used = e->d_name[0] != '.';
	(void)closedir(dir);
	return used;
}

/*
 * Without the file: the highest there is, and the clock; in a home that was
 * in use further on, for those that were given out faster than one a second
 * and are forgotten now.
 */
static uint32_t
highest_known(struct home *h)
{
	uint32_t v = (uint32_t)wall_s(), known = 0;
	int home = fs_open_dir(h->store->c.root, h->path);
	int maildir = home >= 0 ? fs_open_dir(home, "Maildir") : -1;
	int list = maildir >= 0 ? fs_open_dir(home, "Maildir") : -1;
	DIR *dir = list >= 0 ? fdopendir(list) : NULL;
	struct dirent *e;
	bool used = false;

	if (dir != NULL) {
		used = in_use(maildir);
		known = index_uidvalidity(maildir, "");
		while ((e = readdir(dir)) != NULL)
			if (e->d_name[0] == '.' && e->d_name[1] != '\0' && e->d_name[1] != '.') {
				used = true;
				known = MAX(known, index_uidvalidity(maildir, e->d_name));
			}
		(void)closedir(dir);
	} else {
		fd_close(&list);
	}
	fd_close(&maildir);
	fd_close(&home);
	if (used)
		v += LOST_STEP + (uint32_t)(random_u64() % LOST_STEP);
	return MAX(v, known);
}

static bool
read_line(struct home_state *s, struct str line)
{
	struct scan in = scan_of(line);
	uint32_t use, gone;

	if (scan_word(&in, "uidvalidity "))
		return scan_u32(&in, &s->uidvalidity);
	if (scan_word(&in, "floor "))
		return scan_u32(&in, &s->gone_floor);
	if (scan_word(&in, "folder ") && scan_u32(&in, &use) && scan_char(&in, ' ') &&
	    scan_u32(&in, &gone) && scan_char(&in, ' ') && !scan_end(&in)) {
		struct folder_state *f = home_state_get(s, scan_rest(&in), true);

		f->use = use;
		f->gone = gone;
		return true;
	}
	return false;
}

static bool
read_state(struct home_state *s, struct str text)
{
	ptrdiff_t sum_at = str_find(text, STR("\nsum "));
	struct str line, rest;
	uint8_t sum[4];
	uint32_t crc;

	if (sum_at < 0)
		return false;
	rest = str_first(text, (size_t)sum_at + 1);
	crc = crc32c(0, rest.p, rest.n);
	if (!hex_take(sum, 4, str_first(str_from(text, (size_t)sum_at + 5), 8)) ||
	    crc !=
		((uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3]))
		return false;
	(void)str_cut(rest, '\n', &line, &rest);
	if (!str_eq(line, STR("postroom-folders 1")))
		return false;
	while (rest.n > 0) {
		(void)str_cut(rest, '\n', &line, &rest);
		if (!read_line(s, line))
			return false;
	}
	return s->uidvalidity != 0;
}

void
home_state_load(struct home *h, int state_dir, struct home_state *s)
{
	char *text = NULL;
	size_t n = 0;

	*s = (struct home_state){ .arena = arena_new(4 * STATE_MAX) };
	if (fs_read_file(state_dir, STATE_NAME, STATE_MAX, &text, &n)) {
		if (!read_state(s, str_n(text, n))) {
			log_event(
			    LOG_WARN, "store.state_damaged", kv_str("home", home_path(h)), KV_END);
			s->uidvalidity = 0;
		}
	}
	free(text);
	if (s->uidvalidity == 0)
		s->uidvalidity = highest_known(h);
}

void
home_state_free(struct home_state *s)
{
	free(s->folders);
	s->folders = NULL;
	s->count = s->room = 0;
	arena_free(&s->arena);
}

struct folder_state *
home_state_get(struct home_state *s, struct str disk, bool make)
{
	for (size_t i = 0; i < s->count; i++)
		if (str_eq(s->folders[i].disk, disk))
			return &s->folders[i];
	if (!make)
		return NULL;
	if (s->count == s->room) {
		s->room = s->room * 2 + 16;
		s->folders = xreallocarray(s->folders, s->room, sizeof(*s->folders));
	}
	s->folders[s->count] = (struct folder_state){ .disk = arena_str(s->arena, disk) };
	return &s->folders[s->count++];
}

/* Names nobody has used for long share one floor, so that the file stays small. */
static void
forget_oldest(struct home_state *s)
{
	size_t gone = 0;

	for (size_t i = 0; i < s->count; i++)
		gone += s->folders[i].gone != 0;
	while (gone > GONE_MAX) {
		struct folder_state *oldest = NULL;

		for (size_t i = 0; i < s->count; i++)
			if (s->folders[i].gone != 0 &&
			    (oldest == NULL || s->folders[i].gone < oldest->gone))
				oldest = &s->folders[i];
		s->gone_floor = MAX(s->gone_floor, oldest->gone);
		oldest->gone = 0;
		gone--;
	}
}

bool
home_state_save(struct home_lock *l, struct home_state *s)
{
	struct buf b;
	bool ok;

	forget_oldest(s);
	buf_init(&b, STATE_MAX);
	(void)buf_printf(
	    &b, "postroom-folders 1\nuidvalidity %u\nfloor %u\n", s->uidvalidity, s->gone_floor);
	for (size_t i = 0; i < s->count; i++) {
		const struct folder_state *f = &s->folders[i];

		if (f->use != 0 || f->gone != 0)
			(void)buf_printf(
			    &b, "folder %u %u " STR_FMT "\n", f->use, f->gone, STR_ARG(f->disk));
	}
	(void)buf_printf(&b, "sum %08x\n", crc32c(0, b.p, b.n));
	ok = !b.full;
	errno = EFBIG;
	ok = ok && fs_replace(l->state, STATE_NAME, STATE_TEMP, buf_str(&b));
	buf_free(&b);
	return ok;
}

enum outcome
home_next_uidvalidity(struct home *h, struct home_lock *l, uint32_t *out, struct why *why)
{
	struct home_state s;
	bool ok;

	home_state_load(h, l->state, &s);
	s.uidvalidity = MAX(s.uidvalidity + 1, (uint32_t)wall_s());
	*out = s.uidvalidity;
	ok = home_state_save(l, &s);
	home_state_free(&s);
	return ok ? DONE : fs_fail(why, "write home", home_path(h), errno);
}
