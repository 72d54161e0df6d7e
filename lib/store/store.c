/*
 * store.c - the store, its spool, and the folders a process keeps open.
 */
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "store/core.h"

#define SPOOL_NAME ".spool"

void
store_config_init(struct store_config *c)
{
	*c = (struct store_config){ .root = -1, .keep_expunged_days = 7 };
}

void
store_read_boot_id(char out[static STORE_BOOT_ID_LEN + 1])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, STORE_BOOT_ID_LEN) : -1;

	out[n == STORE_BOOT_ID_LEN ? n : 0] = '\0';
	fd_close(&fd);
}

/* "6ba7b810-9dad-..." to 16 octets. */
static bool
boot_octets(const char *text, uint8_t out[static BOOT_LEN])
{
	char hex[2 * BOOT_LEN];
	size_t n = 0;

	for (; *text != '\0' && n < sizeof(hex); text++)
		if (*text != '-')
			hex[n++] = *text;
	return n == sizeof(hex) && hex_take(out, BOOT_LEN, str_n(hex, n));
}

/* A node name as it may stand in a Maildir name. */
static void
set_host(struct store *s, const char *host)
{
	struct utsname u;
	size_t n = 0;

	if (host == NULL && uname(&u) == 0)
		host = u.nodename;
	if (host == NULL || *host == '\0')
		host = "localhost";
	for (; *host != '\0' && n + 1 < sizeof(s->host); host++)
		if (ascii_alnum(*host) || *host == '.' || *host == '-' || *host == '_')
			s->host[n++] = *host;
	s->host[n] = '\0';
}

/* Where O_TMPFILE is missing (NFS, CephFS) spool files have names. */
static bool
has_unnamed(int spool)
{
	int fd = openat(spool, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL;
	(void)close(fd);
	return true;
}

enum outcome
store_open(const struct store_config *c, struct store **out, struct why *why)
{
	char boot[STORE_BOOT_ID_LEN + 1];
	struct store *s;
	int spool;

	*out = NULL;
	spool = fs_make_dirs(c->root, SPOOL_NAME);
	if (spool < 0 && errno == EROFS)
		spool = -1; /* reading goes on */
	else if (spool < 0)
		return fs_fail(why, "open spool", STR(SPOOL_NAME), errno);
	s = xcalloc(1, sizeof(*s));
	s->c = *c;
	if (s->c.open_folders == 0)
		s->c.open_folders = 128;
	if (s->c.warm_bytes == 0)
		s->c.warm_bytes = 64 * 1024 * 1024;
	s->spool = spool;
	s->unnamed = spool >= 0 && has_unnamed(spool);
	set_host(s, c->host);
	memcpy(boot, c->boot_id, sizeof(boot));
	boot[STORE_BOOT_ID_LEN] = '\0';
	if (boot[0] == '\0')
		store_read_boot_id(boot);
	s->boot_known = boot_octets(boot, s->boot);
	if (!s->boot_known)
		log_event(LOG_WARN, "store.boot_unknown", KV_END);
	(void)pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return DONE;
}

void
store_close(struct store **sp)
{
	struct store *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	sweep_stop(s);
	while (store_evict(s, true))
		;
	assert(s->folders.n == 0 && s->homes.n == 0);
	free(s->folders.v);
	free(s->homes.v);
	fd_close(&s->spool);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- spool --- */

enum outcome
store_spool(struct store *s, struct spool_file *out, struct why *why)
{
	*out = (struct spool_file){ .fd = -1 };
	if (s->spool < 0)
		return fs_fail(why, "spool", STR(SPOOL_NAME), EROFS);
	if (s->unnamed) {
		out->fd = openat(s->spool, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	} else {
		(void)snprintf(out->name, sizeof(out->name), "%lld.%016llx", (long long)wall_s(),
		    (unsigned long long)random_u64());
		out->fd = fs_open(s->spool, out->name, O_RDWR | O_CREAT | O_EXCL, 0600);
	}
	if (out->fd < 0) {
		out->name[0] = '\0';
		return fs_fail(why, "spool", STR(SPOOL_NAME), errno);
	}
	return DONE;
}

void
spool_discard(struct store *s, struct spool_file *f)
{
	fd_close(&f->fd);
	if (f->name[0] != '\0')
		(void)unlinkat(s->spool, f->name, 0);
	f->name[0] = '\0';
}

void
store_sweep_spool(struct store *s)
{
	int fd = s->spool >= 0 ? fs_open_dir(s->c.root, SPOOL_NAME) : -1;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	sweep_own(s);
	if (dir == NULL) {
		fd_close(&fd);
		return;
	}
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			(void)unlinkat(s->spool, e->d_name, 0);
	(void)closedir(dir);
}

bool
store_free(struct store *s, uint64_t *octets, uint64_t *inodes)
{
	struct statvfs v;

	if (fstatvfs(s->c.root, &v) != 0)
		return false;
	*octets = (uint64_t)v.f_bavail * v.f_frsize;
	/* File systems that make inodes as needed say 0 of 0. */
	*inodes = v.f_files > 0 ? v.f_favail : UINT64_MAX;
	return true;
}

/* --- tables --- */

static void
table_grow(struct table *t)
{
	size_t room = t->room > 0 ? t->room * 2 : 64;
	struct node **v = xcalloc(room, sizeof(struct node *));

	for (size_t i = 0; i < t->room; i++) {
		struct node *n = t->v[i], *next;

		for (; n != NULL; n = next) {
			next = n->next;
			n->next = v[n->hash & (room - 1)];
			v[n->hash & (room - 1)] = n;
		}
	}
	free(t->v);
	t->v = v;
	t->room = room;
}

void
table_add(struct table *t, struct node *n, uint64_t hash)
{
	if (t->n >= t->room)
		table_grow(t);
	n->hash = hash;
	n->next = t->v[hash & (t->room - 1)];
	t->v[hash & (t->room - 1)] = n;
	t->n++;
}

void
table_remove(struct table *t, struct node *n)
{
	struct node **at = &t->v[n->hash & (t->room - 1)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	t->n--;
}

void
store_counters(struct store *s, struct store_counters *out)
{
	(void)pthread_mutex_lock(&s->lock);
	*out = s->counters;
	out->open_folders = s->idle_count;
	(void)pthread_mutex_unlock(&s->lock);
}
