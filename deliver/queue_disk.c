#include "deliver/queue_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/crashpoint.h"
#include "base/durable.h"
#include "base/log.h"

#define NAME_ROOM 24
#define ID_DIGITS 16
#define COPY_STEP (256 * 1024)

struct name {
	char s[NAME_ROOM];
};

static struct name
name_of(uint64_t id, char suffix)
{
	struct name n;

	(void)snprintf(n.s, sizeof(n.s), "%016" PRIx64 ".%c", id, suffix);
	return n;
}

static void
complain(uint64_t id, const char *call)
{
	log_event(LOG_WARN, "queue.error", kv_id("t", id), kv_cstr("call", call),
	    kv_cstr("error", strerrorname_np(errno)), KV_END);
}

static enum outcome
trouble(uint64_t id, const char *call, struct why *why)
{
	int error = errno;

	complain(id, call);
	if (error == ENOSPC || error == EDQUOT)
		return fail(TEMPFAIL, why, 452, "4.3.1", "No room for messages at the moment");
	return fail(TEMPFAIL, why, 451, "4.3.0", "Local error in queueing");
}

bool
queue_disk_open(struct queue_disk *q, int dir)
{
	memset(q, 0, sizeof(*q));
	/* What we were handed may be an O_PATH descriptor, which cannot be synced. */
	q->dir = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	q->bad = -1;
	if (q->dir < 0)
		return false;
	if (mkdirat(q->dir, "bad", 0700) != 0 && errno != EEXIST) {
		complain(0, "mkdir");
		fd_close(&q->dir);
		return false;
	}
	q->bad = openat(q->dir, "bad", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	dirsync_init(&q->sync);
	return true;
}

void
queue_disk_close(struct queue_disk *q)
{
	dirsync_end(&q->sync);
	fd_close(&q->bad);
	fd_close(&q->dir);
}

static int
link_fd(const struct queue_disk *q, int fd, const char *name)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, q->dir, name, AT_SYMLINK_FOLLOW);
}

/* A new file without a name here, or with the name ID.t where there are none such. */
static int
new_file(const struct queue_disk *q, uint64_t id, bool *named)
{
	int fd = openat(q->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	*named = false;
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
		*named = true;
		fd =
		    openat(q->dir, name_of(id, 't').s, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	}
	return fd;
}

static bool
write_at(int fd, struct str s, uint64_t at)
{
	while (s.n > 0) {
		ssize_t put = pwrite(fd, s.p, s.n, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		s = str_from(s, (size_t)put);
		at += (uint64_t)put;
	}
	return true;
}

/* What fills a new file: octets, or all of another file. */
struct source {
	struct str octets;
	int fd; /* used when octets is empty */
	uint64_t size;
};

static bool
fill(int fd, const struct source *from)
{
	char *step;
	uint64_t at = 0;
	bool good = true;

	if (from->octets.n > 0)
		return write_at(fd, from->octets, 0);
	step = xmalloc(COPY_STEP);
	while (good && at < from->size) {
		ssize_t got =
		    pread(from->fd, step, MIN(from->size - at, (uint64_t)COPY_STEP), (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		good = got > 0 && write_at(fd, str_n(step, (size_t)got), at);
		at += got > 0 ? (uint64_t)got : 0;
	}
	free(step);
	return good;
}

/* A file with this content, synced, then named. */
static enum outcome
make_file(
    struct queue_disk *q, uint64_t id, char suffix, const struct source *from, struct why *why)
{
	const char *call = "open";
	struct name name = name_of(id, suffix);
	bool named, good = false;
	int fd = new_file(q, id, &named);

	if (fd >= 0) {
		call = "write";
		good = fill(fd, from);
		if (good) {
			call = "fdatasync";
			good = durable_data(fd);
		}
		if (good) {
			call = "link";
			good = link_fd(q, fd, name.s) == 0;
		}
	}
	if (!good) {
		enum outcome o = trouble(id, call, why);

		fd_close(&fd);
		if (named)
			(void)unlinkat(q->dir, name_of(id, 't').s, 0);
		return o;
	}
	fd_close(&fd);
	if (named)
		(void)unlinkat(q->dir, name_of(id, 't').s, 0);
	return DONE;
}

/* The message under its name: the same inode, or a copy where that cannot be. */
static enum outcome
place_message(struct queue_disk *q, struct message *m, struct why *why)
{
	struct source copy = { .fd = m->file.fd, .size = m->size };
	enum outcome o = message_sync(m, why);

	if (o != DONE)
		return o;
	if (link_fd(q, m->file.fd, name_of(m->id, 'm').s) == 0)
		return DONE;
	if (errno != EXDEV && errno != EMLINK)
		return trouble(m->id, "link", why);
	return make_file(q, m->id, 'm', &copy, why);
}

enum outcome
queue_disk_create(struct queue_disk *q, struct message *m, struct str envelope, struct deadline by,
    bool *existed, struct why *why)
{
	struct source octets = { .octets = envelope };
	enum outcome o;
	bool led;

	*existed = faccessat(q->dir, name_of(m->id, 'e').s, F_OK, 0) == 0;
	if (*existed)
		return DONE;
	o = place_message(q, m, why);
	if (o != DONE)
		return o;
	crash_point("queue.message_linked");
	o = make_file(q, m->id, 'e', &octets, why);
	crash_point("queue.envelope_linked");
	if (o == DONE && !dirsync_wait(&q->sync, q->dir, by, &led)) {
		complain(m->id, "fsync");
		o = fail(TEMPFAIL, why, 451, "4.3.0", "Local error in queueing");
	}
	if (o != DONE)
		queue_disk_remove(q, m->id);
	crash_point("queue.committed");
	return o;
}

static bool
read_envelope(struct queue_disk *q, uint64_t id, struct buf *out, bool *missing)
{
	int fd = openat(q->dir, name_of(id, 'e').s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	bool good = false;

	*missing = fd < 0 && errno == ENOENT;
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		/* Longer than any of ours: what is read is enough to see the damage. */
		size_t n = (size_t)MIN(st.st_size, (off_t)ENVFILE_MAX + 1);
		char *p = n > 0 ? buf_room(out, n) : NULL;
		ssize_t got = p != NULL ? pread(fd, p, n, 0) : 0;

		if (got >= 0) {
			buf_claim(out, (size_t)got);
			good = true;
		}
	}
	if (!good)
		complain(id, "read");
	fd_close(&fd);
	return good;
}

enum queue_load
queue_disk_load(struct queue_disk *q, uint64_t id, struct arena *arena, struct env *env)
{
	enum queue_load result = QUEUE_LOADED;
	struct buf octets;
	bool missing;

	buf_init(&octets, ENVFILE_MAX + 2);
	if (!read_envelope(q, id, &octets, &missing)) {
		buf_free(&octets);
		return missing ? QUEUE_MISSING : QUEUE_TROUBLE;
	}
	switch (envfile_read(buf_str(&octets), id, arena, env)) {
	case ENVFILE_GOOD:
		break;
	case ENVFILE_TORN:
		log_event(LOG_WARN, "queue.torn", kv_id("t", id), kv_uint("at", env->end), KV_END);
		break;
	case ENVFILE_DAMAGED:
		queue_disk_set_aside(q, id, "envelope");
		result = QUEUE_DAMAGED;
		break;
	}
	buf_free(&octets);
	return result;
}

int
queue_disk_message(struct queue_disk *q, uint64_t id, uint64_t *size)
{
	int fd = openat(q->dir, name_of(id, 'm').s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	*size = 0;
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)))
		fd_close(&fd);
	if (fd < 0)
		complain(id, "open"); /* which leaves errno alone */
	else
		*size = (uint64_t)st.st_size;
	return fd;
}

enum outcome
queue_disk_append(struct queue_disk *q, uint64_t id, uint64_t at, struct str records, bool durable)
{
	int fd = openat(q->dir, name_of(id, 'e').s, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	bool good;

	if (fd < 0) {
		complain(id, "open");
		return TEMPFAIL;
	}
	good = fstat(fd, &st) == 0;
	/* A torn record lies behind the good ones: it goes before something follows. */
	if (good && (uint64_t)st.st_size > at)
		good = ftruncate(fd, (off_t)at) == 0;
	good = good && write_at(fd, records, at);
	crash_point("queue.record_written");
	good = good && (!durable || durable_data(fd));
	crash_point("queue.record_synced");
	if (!good)
		complain(id, "append");
	fd_close(&fd);
	return good ? DONE : TEMPFAIL;
}

void
queue_disk_remove(struct queue_disk *q, uint64_t id)
{
	if (unlinkat(q->dir, name_of(id, 'e').s, 0) != 0 && errno != ENOENT)
		complain(id, "unlink");
	crash_point("queue.envelope_removed");
	if (unlinkat(q->dir, name_of(id, 'm').s, 0) != 0 && errno != ENOENT)
		complain(id, "unlink");
}

void
queue_disk_set_aside(struct queue_disk *q, uint64_t id, const char *reason)
{
	log_event(LOG_WARN, "queue.damaged", kv_id("t", id), kv_cstr("what", reason),
	    kv_cstr("moved_to", "bad/"), KV_END);
	for (const char *suffix = "em"; *suffix != '\0'; suffix++) {
		struct name n = name_of(id, *suffix);

		if (renameat(q->dir, n.s, q->bad, n.s) != 0 && errno != ENOENT)
			complain(id, "rename");
	}
}

/* --- the start --- */

struct ids {
	uint64_t *p;
	size_t n, room;
};

static void
ids_add(struct ids *ids, uint64_t id)
{
	if (ids->n == ids->room) {
		ids->room = ids->room > 0 ? 2 * ids->room : 1024;
		ids->p = xreallocarray(ids->p, ids->room, sizeof(*ids->p));
	}
	ids->p[ids->n++] = id;
}

static int
id_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool
has(const struct ids *sorted, uint64_t id)
{
	return sorted->n > 0 &&
	       bsearch(&id, sorted->p, sorted->n, sizeof(*sorted->p), id_order) != NULL;
}

/* The id and the kind of a name of ours. */
static bool
parse_name(struct str name, uint64_t *id, char *suffix)
{
	unsigned char octets[ID_DIGITS / 2];

	if (name.n != ID_DIGITS + 2 || name.p[ID_DIGITS] != '.' ||
	    !hex_take(octets, sizeof(octets), str_first(name, ID_DIGITS)))
		return false;
	*id = 0;
	for (size_t i = 0; i < sizeof(octets); i++)
		*id = *id << 8 | octets[i];
	*suffix = name.p[ID_DIGITS + 1];
	return *id != 0;
}

static bool
read_names(DIR *d, struct ids *envelopes, struct ids *messages, struct ids *halves)
{
	struct dirent *e;

	/* Nobody else reads this directory through d. */
	while (errno = 0, (e = readdir(d)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
		uint64_t id;
		char suffix;

		if (!parse_name(str_of(e->d_name), &id, &suffix))
			continue;
		if (suffix == 'e')
			ids_add(envelopes, id);
		else if (suffix == 'm')
			ids_add(messages, id);
		else if (suffix == 't')
			ids_add(halves, id);
	}
	return errno == 0;
}

bool
queue_disk_list(struct queue_disk *q, uint64_t **ids, size_t *count)
{
	struct ids envelopes = { 0 }, messages = { 0 }, halves = { 0 };
	int fd = openat(q->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	size_t orphans = 0;
	bool good;

	*ids = NULL;
	*count = 0;
	if (d == NULL) {
		complain(0, "opendir");
		fd_close(&fd);
		return false;
	}
	good = read_names(d, &envelopes, &messages, &halves);
	(void)closedir(d);
	if (good && envelopes.n > 0)
		qsort(envelopes.p, envelopes.n, sizeof(*envelopes.p), id_order);
	/* A message without an envelope was never acknowledged, or is done with. */
	for (size_t i = 0; good && i < messages.n; i++)
		if (!has(&envelopes, messages.p[i])) {
			(void)unlinkat(q->dir, name_of(messages.p[i], 'm').s, 0);
			orphans++;
		}
	for (size_t i = 0; good && i < halves.n; i++)
		(void)unlinkat(q->dir, name_of(halves.p[i], 't').s, 0);
	free(messages.p);
	free(halves.p);
	if (!good) {
		complain(0, "readdir");
		free(envelopes.p);
		return false;
	}
	if (orphans > 0)
		log_event(LOG_INFO, "queue.orphans", kv_uint("removed", orphans), KV_END);
	*ids = envelopes.p;
	*count = envelopes.n;
	return true;
}
