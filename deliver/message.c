#include "deliver/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crashpoint.h"
#include "base/durable.h"
#include "base/log.h"
#include "mail/structure.h"
#include "store/folder.h"

#define MAP_FROM    (256 * 1024) /* octets from which mapping is cheaper than reading */
#define COPY_STEP   (256 * 1024)
#define LEASE_TRIES 10

static enum outcome
trouble(const struct message *m, const char *what, struct why *why)
{
	int error = errno;

	log_event(LOG_WARN, "message.error", kv_id("t", m->id), kv_cstr("call", what),
	    kv_cstr("error", strerrorname_np(error)), KV_END);
	if (error == ENOSPC || error == EDQUOT)
		return fail(TEMPFAIL, why, 452, "4.3.1", "No room for messages at the moment");
	return fail(TEMPFAIL, why, 451, "4.3.0", "Local error in taking the message");
}

/* --- the octets, for as long as somebody looks at them --- */

struct octets {
	struct str data;
	void *block;
	bool mapped;
};

static bool
read_whole(int fd, char *p, uint64_t n)
{
	uint64_t at = 0;

	while (at < n) {
		ssize_t got = pread(fd, p + at, n - at, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO; /* shorter than it was */
		if (got <= 0)
			return false;
		at += (uint64_t)got;
	}
	return true;
}

static bool
octets_load(const struct message *m, struct octets *o)
{
	memset(o, 0, sizeof(*o));
	if (m->size == 0)
		return true;
	o->mapped = m->size >= MAP_FROM;
	if (o->mapped) {
		o->block = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->file.fd, 0);
		if (o->block == MAP_FAILED) {
			o->block = NULL;
			return false;
		}
		(void)madvise(o->block, m->size, MADV_SEQUENTIAL);
	} else {
		o->block = xmalloc(m->size);
		if (!read_whole(m->file.fd, o->block, m->size)) {
			free(o->block);
			o->block = NULL;
			return false;
		}
	}
	o->data = str_n(o->block, m->size);
	return true;
}

static void
octets_free(struct octets *o)
{
	if (o->block != NULL && o->mapped)
		(void)munmap(o->block, o->data.n);
	else
		free(o->block);
	o->block = NULL;
}

/* --- taking over --- */

/*
 * A read lease is given only while no descriptor anywhere is open for writing
 * on this file, and the writer, of another uid, cannot open it anew.  It is
 * let go at once: a lease that breaks later would send us a signal.
 */
static bool
nobody_writes(int fd)
{
	/* The thread that sent this spool away may be about to close its own copy. */
	static const struct timespec moment = { 0, 200000 };

	for (int i = 0; fcntl(fd, F_SETLEASE, F_RDLCK) != 0; i++) {
		if (errno != EAGAIN || i == LEASE_TRIES)
			return false;
		(void)nanosleep(&moment, NULL);
	}
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return true;
}

static enum outcome
write_whole(const struct message *m, int fd, struct str s, struct why *why)
{
	while (s.n > 0) {
		ssize_t put = write(fd, s.p, s.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return trouble(m, "write", why);
		s = str_from(s, (size_t)put);
	}
	return DONE;
}

/* The octets of m->file behind `prefix` in a file of our own, which takes m->file's place. */
static enum outcome
copy_own(struct message *m, struct str prefix, struct why *why)
{
	char *step = xmalloc(COPY_STEP);
	struct spool_file own;
	uint64_t at = 0;
	enum outcome o = store_spool(m->store, &own, why);

	if (o != DONE) {
		free(step);
		return o;
	}
	o = write_whole(m, own.fd, prefix, why);
	while (o == DONE && at < m->size) {
		ssize_t got =
		    pread(m->file.fd, step, MIN(m->size - at, (uint64_t)COPY_STEP), (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got == 0 ? EIO : errno;
			o = trouble(m, "read", why);
			break;
		}
		o = write_whole(m, own.fd, str_n(step, (size_t)got), why);
		at += (uint64_t)got;
	}
	free(step);
	if (o != DONE) {
		spool_discard(m->store, &own);
		return o;
	}
	spool_discard(m->store, &m->file);
	m->file = own;
	m->size += prefix.n;
	return DONE;
}

static enum outcome
find_size(struct message *m, struct why *why)
{
	struct stat st;

	if (fstat(m->file.fd, &st) != 0)
		return trouble(m, "fstat", why);
	m->size = (uint64_t)st.st_size;
	return DONE;
}

/* Find the structure in octets that are at hand. */
static void
pack(struct message *m, struct str data)
{
	struct structure s;

	if (structure_build(data, &m->packed) && structure_unpack(buf_str(&m->packed), &s)) {
		m->vsize = region_crlf_size(&s.message);
		return;
	}
	/* Beyond what the index keeps: it is parsed when somebody asks. */
	buf_clear(&m->packed);
	m->vsize = VSIZE_UNKNOWN;
}

static enum outcome
load_and_pack(struct message *m, struct str prefix, bool *lacks_prefix, struct why *why)
{
	struct octets o;

	if (!octets_load(m, &o))
		return trouble(m, "read", why);
	*lacks_prefix = !str_starts(o.data, prefix);
	if (!*lacks_prefix)
		pack(m, o.data);
	octets_free(&o);
	return DONE;
}

enum outcome
message_take(struct store *store, struct spool_file *file, uint64_t id, struct str prefix,
    struct message *out, bool *copied, struct why *why)
{
	bool lacks_prefix = false;
	enum outcome o;

	*copied = false;
	memset(out, 0, sizeof(*out));
	out->store = store;
	out->file = *file;
	out->id = id;
	out->skip = prefix.n;
	buf_init(&out->packed, STRUCTURE_MAX);
	*file = (struct spool_file){ .fd = -1 };

	crash_point("message.taken");
	o = find_size(out, why);
	if (o == DONE && !nobody_writes(out->file.fd)) {
		o = copy_own(out, STR_NONE, why);
		*copied = true;
	}
	if (o == DONE)
		o = load_and_pack(out, prefix, &lacks_prefix, why);
	if (o == DONE && lacks_prefix) {
		o = copy_own(out, prefix, why);
		*copied = true;
		if (o == DONE)
			o = load_and_pack(out, prefix, &lacks_prefix, why);
	}
	if (o != DONE)
		message_end(out);
	return o;
}

enum outcome
message_own(struct store *store, struct spool_file *file, uint64_t id, uint64_t skip,
    struct message *out, struct why *why)
{
	enum outcome o;

	memset(out, 0, sizeof(*out));
	out->store = store;
	out->file = *file;
	out->id = id;
	out->skip = skip;
	buf_init(&out->packed, STRUCTURE_MAX);
	*file = (struct spool_file){ .fd = -1 };
	o = find_size(out, why);
	if (o != DONE)
		message_end(out);
	return o;
}

void
message_reopen(
    struct store *store, int fd, uint64_t id, uint64_t size, uint64_t skip, struct message *out)
{
	memset(out, 0, sizeof(*out));
	out->store = store;
	out->file.fd = fd;
	out->id = id;
	out->size = size;
	out->skip = skip;
	out->synced = true;
	buf_init(&out->packed, STRUCTURE_MAX);
}

enum outcome
message_parse(struct message *m, struct why *why)
{
	bool lacks_prefix;

	if (m->vsize != 0)
		return DONE;
	return load_and_pack(m, STR_NONE, &lacks_prefix, why);
}

enum outcome
message_sync(struct message *m, struct why *why)
{
	if (m->synced)
		return DONE;
	if (!durable_data(m->file.fd))
		return trouble(m, "fdatasync", why);
	m->synced = true;
	crash_point("message.synced");
	return DONE;
}

void
message_end(struct message *m)
{
	if (m->store != NULL && m->file.fd >= 0)
		spool_discard(m->store, &m->file);
	m->file.fd = -1;
	buf_free(&m->packed);
	m->store = NULL;
}
