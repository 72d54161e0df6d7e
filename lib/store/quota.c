/*
 * quota.c - how much a home holds, in one small file: `postroom/usage`.
 *
 * Every append and expunge adds its difference under the file's lock.  That
 * may drift when a process dies between the two, so the file is believed only
 * within one boot, and counted anew from the folders' totals before anybody
 * is refused for it.  A home nobody has asked about has no such file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "store/core.h"

#define USAGE_MAGIC "PRUSAGE1"

struct usage_file {
	char magic[8];
	uint32_t crc; /* of all, this field 0 */
	uint32_t spare;
	uint64_t octets;
	uint64_t messages;
	uint8_t boot[BOOT_LEN];
};

static uint32_t
usage_sum(const struct usage_file *u)
{
	struct usage_file copy = *u;

	copy.crc = 0;
	return crc32c(0, &copy, sizeof(copy));
}

/* -1 with errno. */
static int
usage_open(struct home *h, bool create)
{
	char path[HOME_PATH_MAX + 40];
	int dir, fd;

	(void)snprintf(path, sizeof(path), "%s/" HOME_STATE_DIR "/usage", h->path);
	fd = fs_open_regular(h->store->c.root, path, O_RDWR, 0);
	if (fd >= 0 || !create)
		return fd;
	*strrchr(path, '/') = '\0';
	dir = fs_make_dirs(h->store->c.root, path);
	if (dir < 0)
		return -1;
	fd = fs_open_regular(dir, "usage", O_RDWR | O_CREAT, 0600);
	(void)close(dir);
	return fd;
}

static bool
usage_read(const struct store *s, int fd, struct usage_file *u)
{
	return fs_read(fd, u, sizeof(*u), 0) &&
	       memcmp(u->magic, USAGE_MAGIC, sizeof(u->magic)) == 0 && u->crc == usage_sum(u) &&
	       memcmp(u->boot, s->boot, BOOT_LEN) == 0;
}

static bool
usage_write(const struct store *s, int fd, struct usage_file *u)
{
	memcpy(u->magic, USAGE_MAGIC, sizeof(u->magic));
	memcpy(u->boot, s->boot, BOOT_LEN);
	u->crc = usage_sum(u);
	return fs_write(fd, u, sizeof(*u), 0);
}

static uint64_t
add_clamped(uint64_t v, int64_t by)
{
	if (by < 0 && v < (uint64_t)-by)
		return 0;
	return v + (uint64_t)by;
}

void
home_count(struct home *h, int64_t octets, int64_t messages)
{
	int fd = usage_open(h, false);
	struct usage_file u;

	if (fd < 0)
		return;
	/* Missing this only makes the file drift; the next count finds it. */
	if (fs_lock(fd, LOCK_LOG, deadline_in(2000)) && usage_read(h->store, fd, &u)) {
		u.octets = add_clamped(u.octets, octets);
		u.messages = add_clamped(u.messages, messages);
		(void)usage_write(h->store, fd, &u);
	}
	(void)close(fd);
}

static enum outcome
add_folder(
    struct home *h, struct str name, struct deadline d, struct usage_file *u, struct why *why)
{
	struct folder *f;
	enum outcome r = folder_open(h, name, false, d, &f, why);

	if (r != DONE)
		return r;
	r = folder_begin(f, false, d, why);
	if (r == DONE) {
		struct totals t = folder_totals(f);

		u->octets += t.octets;
		u->messages += t.messages;
		folder_end(f, false);
		folder_unlock(f);
	}
	folder_release(&f);
	return r;
}

static enum outcome
count_folders(struct home *h, struct deadline d, struct usage_file *u, struct why *why)
{
	struct arena *a = arena_new(16 * 1024 * 1024);
	struct folder_info *all;
	size_t n;
	enum outcome r = home_list(h, a, &all, &n, why);

	for (size_t i = 0; r == DONE && i < n; i++)
		if (all[i].exists) {
			r = add_folder(h, all[i].name, d, u, why);
			if (r == PERMFAIL) /* deleted meanwhile */
				r = DONE;
		}
	arena_free(&a);
	return r;
}

static enum outcome
usage(struct home *h, bool anew, struct deadline d, struct quota_usage *out, struct why *why)
{
	struct usage_file u = { 0 };
	int fd = usage_open(h, true);
	enum outcome r = DONE;

	*out = (struct quota_usage){ 0 };
	if (fd < 0)
		return fs_fail(why, "open usage", home_path(h), errno);
	if (!fs_lock(fd, LOCK_LOG, d)) {
		r = fs_fail(why, "lock usage", home_path(h), errno);
	} else if (anew || !usage_read(h->store, fd, &u)) {
		u = (struct usage_file){ 0 };
		r = count_folders(h, d, &u, why);
		/* On a full disk the number is right all the same. */
		if (r == DONE)
			(void)!usage_write(h->store, fd, &u);
	}
	(void)close(fd);
	*out = (struct quota_usage){ u.octets, u.messages };
	return r;
}

enum outcome
home_usage(struct home *h, struct deadline d, struct quota_usage *out, struct why *why)
{
	return usage(h, false, d, out, why);
}

enum outcome
home_recount(struct home *h, struct deadline d, struct quota_usage *out, struct why *why)
{
	return usage(h, true, d, out, why);
}

static bool
over(uint64_t used, uint64_t held, uint64_t more, uint64_t limit)
{
	uint64_t sum;

	return limit != 0 && (__builtin_add_overflow(used, held, &sum) ||
				 __builtin_add_overflow(sum, more, &sum) || sum > limit);
}

enum outcome
home_reserve(struct home *h, const struct quota_limit *limit, uint64_t octets, uint64_t messages,
    struct deadline d, struct quota_hold *out, struct why *why)
{
	struct store *s = h->store;
	bool full = false;

	*out = (struct quota_hold){ 0 };
	if (limit->octets == 0 && limit->messages == 0)
		return DONE;
	for (int anew = 0; anew < 2; anew++) {
		struct quota_usage used;
		enum outcome r = usage(h, anew == 1, d, &used, why);

		if (r != DONE)
			return r;
		(void)pthread_mutex_lock(&s->lock);
		full = over(used.octets, h->held_octets, octets, limit->octets) ||
		       over(used.messages, h->held_messages, messages, limit->messages);
		if (!full) {
			h->held_octets += octets;
			h->held_messages += messages;
			h->refs++;
		}
		(void)pthread_mutex_unlock(&s->lock);
		if (!full)
			break;
	}
	if (full)
		return fail(PERMFAIL, why, 552, "5.2.2", "The mailbox is full");
	*out = (struct quota_hold){ h, octets, messages };
	return DONE;
}

void
quota_release(struct quota_hold *hold)
{
	struct home *h = hold->home;

	if (h == NULL)
		return;
	(void)pthread_mutex_lock(&h->store->lock);
	h->held_octets -= hold->octets;
	h->held_messages -= hold->messages;
	(void)pthread_mutex_unlock(&h->store->lock);
	*hold = (struct quota_hold){ 0 };
	home_release(&h);
}
