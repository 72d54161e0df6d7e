#include "run/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "run/control.h"

#define SETTINGS_MAX (1 << 20)
#define TRIM_MS      2000
#define TRIM_LEAST   ((size_t)4 << 20)

enum handed_kind {
	HANDED_LISTENER,
	HANDED_DIRECTORY,
	HANDED_VALUE,
	HANDED_WIRE
};

/* Something the supervisor gave us under a name. */
struct handed {
	enum handed_kind kind;
	char name[CONTROL_NAME_MAX + 1];
	char *text; /* ours; values only */
	int fd;     /* ours until taken; then -1 */
	SLIST_ENTRY(handed) next;
};

struct daemon {
	const char *name;
	struct conf *conf;
	SLIST_HEAD(, handed) handed;
	unsigned char secret[32];
	struct buf certificate;
	struct buf next_settings; /* come before a RELOAD */
	struct buf next_certificate;
	struct lot *lot;
	const struct daemon_hooks *hooks;
	int64_t drain_ms;
	void (*on_wire)(const char *peer, int fd, void *arg);
	void *on_wire_arg;
	bool stopping;
	size_t trimmed; /* unused octets of the heap when it was last trimmed */
};

static void
read_memfd(int fd, struct buf *out)
{
	struct stat st;
	char *to;

	buf_clear(out);
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > SETTINGS_MAX)
		log_fatal("control socket: bad memory file");
	to = buf_room(out, (size_t)st.st_size);
	if (to == NULL || pread(fd, to, (size_t)st.st_size, 0) != st.st_size)
		log_fatal("control socket: cannot read a memory file: errno %d", errno);
	buf_claim(out, (size_t)st.st_size);
}

static struct handed *
find(struct daemon *d, enum handed_kind kind, const char *name)
{
	struct handed *h;

	SLIST_FOREACH(h, &d->handed, next)
	if (h->kind == kind && strcmp(h->name, name) == 0)
		return h;
	return NULL;
}

static void
keep(struct daemon *d, enum handed_kind kind, const struct control_msg *m)
{
	struct handed *h = xcalloc(1, sizeof(*h));

	h->kind = kind;
	(void)snprintf(h->name, sizeof(h->name), "%s", m->name);
	h->text = kind == HANDED_VALUE ? xstrdup(m->text) : NULL;
	h->fd = m->fd;
	SLIST_INSERT_HEAD(&d->handed, h, next); /* find finds the latest */
}

/* "log" is not kept: the supervisor opened the log file again. */
static void
keep_value(struct daemon *d, const struct control_msg *m)
{
	struct handed *old;

	if (m->fd >= 0) {
		if (strcmp(m->name, "log") == 0 && dup2(m->fd, STDERR_FILENO) < 0)
			log_event(LOG_WARN, "daemon.log", kv_int("errno", errno), KV_END);
		return;
	}
	old = find(d, HANDED_VALUE, m->name);
	if (old != NULL) { /* may be a password */
		SLIST_REMOVE(&d->handed, old, handed, next);
		explicit_bzero(old->text, strlen(old->text));
		free(old->text);
		free(old);
	}
	keep(d, HANDED_VALUE, m);
}

static struct conf *
parse_settings(struct daemon *d, struct why *why)
{
	struct conf *c = NULL;
	struct buf errors;

	buf_init(&errors, 64 * 1024);
	if (conf_parse(buf_str(&d->next_settings), "postroom.conf", &c, &errors) != DONE)
		(void)fail(PERMFAIL, why, 0, "", "%s", buf_cstr(&errors));
	buf_free(&errors);
	return c;
}

/* One message before START.  False when it was START. */
static bool
first_message(struct daemon *d, struct control_msg *m)
{
	switch (m->type) {
	case CONTROL_SETTINGS:
		read_memfd(m->fd, &d->next_settings);
		fd_close(&m->fd);
		return true;
	case CONTROL_CERTIFICATE:
		read_memfd(m->fd, &d->certificate);
		fd_close(&m->fd);
		return true;
	case CONTROL_LISTENER:
		keep(d, HANDED_LISTENER, m);
		return true;
	case CONTROL_DIRECTORY:
		keep(d, HANDED_DIRECTORY, m);
		return true;
	case CONTROL_WIRE:
		keep(d, HANDED_WIRE, m);
		return true;
	case CONTROL_VALUE:
		keep_value(d, m);
		fd_close(&m->fd);
		return true;
	case CONTROL_SECRET:
		if (m->text_n != sizeof(d->secret))
			log_fatal("control socket: a secret of %zu octets", m->text_n);
		memcpy(d->secret, m->text, sizeof(d->secret));
		return true;
	case CONTROL_START:
		return false;
	default:
		log_fatal("control socket: message %d before start", (int)m->type);
	}
}

struct daemon *
daemon_begin(const char *name)
{
	struct daemon *d = xcalloc(1, sizeof(*d));
	struct control_msg m;
	struct why why;
	struct stat st;

	log_init(name, LOG_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	/* Few arenas: threads come and go, and each arena keeps what it once had. */
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	if (fstat(CONTROL_FD, &st) != 0 || !S_ISSOCK(st.st_mode)) {
		fprintf(
		    stderr, "%s is started by postroomd, not by hand: see postroomd(8)\n", name);
		exit(2);
	}
	(void)fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
	d->name = name;
	SLIST_INIT(&d->handed);
	buf_init(&d->certificate, SETTINGS_MAX);
	buf_init(&d->next_settings, SETTINGS_MAX);
	buf_init(&d->next_certificate, SETTINGS_MAX);
	do {
		if (control_recv(CONTROL_FD, &m) != DONE) {
			log_say(LOG_WARN, "the supervisor ended before we started");
			exit(1);
		}
	} while (first_message(d, &m));
	d->conf = parse_settings(d, &why);
	if (d->conf == NULL)
		log_fatal("settings: %s", why.text);
	log_init(name, (enum log_level)d->conf->log_level);
	return d;
}

struct conf *
daemon_conf(struct daemon *d)
{
	return d->conf;
}

int
daemon_listener(struct daemon *d, const char *name)
{
	struct handed *h = find(d, HANDED_LISTENER, name);
	int fd;

	if (h == NULL)
		return -1;
	fd = h->fd;
	SLIST_REMOVE(&d->handed, h, handed, next);
	free(h);
	return fd;
}

int
daemon_dir(struct daemon *d, const char *name)
{
	struct handed *h = find(d, HANDED_DIRECTORY, name);

	return h != NULL ? h->fd : -1;
}

const char *
daemon_value(struct daemon *d, const char *name)
{
	struct handed *h = find(d, HANDED_VALUE, name);

	return h != NULL ? h->text : "";
}

const unsigned char *
daemon_secret(struct daemon *d)
{
	return d->secret;
}

struct str
daemon_certificate(struct daemon *d)
{
	return buf_str(&d->certificate);
}

void
daemon_on_wire(struct daemon *d, void (*wire)(const char *peer, int fd, void *arg), void *arg)
{
	struct handed *h, *next;

	d->on_wire = wire;
	d->on_wire_arg = arg;
	for (h = SLIST_FIRST(&d->handed); h != NULL; h = next) {
		next = SLIST_NEXT(h, next);
		if (h->kind != HANDED_WIRE)
			continue;
		SLIST_REMOVE(&d->handed, h, handed, next);
		wire(h->name, h->fd, arg);
		free(h);
	}
}

static void
tell(enum control_type type, const char *text)
{
	/* When the supervisor is gone its socket becomes readable; that is where we stop. */
	(void)!control_send(CONTROL_FD, type, "", str_first(str_of(text), CONTROL_TEXT_MAX), -1);
}

/* New settings count only when every part accepts them; else the old stay whole. */
static void
reload(struct daemon *d)
{
	struct buf old_certificate = d->certificate;
	struct conf *old = d->conf;
	struct why why = { 0 };
	struct conf *fresh = parse_settings(d, &why);

	if (fresh == NULL) {
		tell(CONTROL_RELOADED, why.text);
		return;
	}
	d->conf = fresh;
	if (d->next_certificate.n > 0)
		d->certificate = d->next_certificate;
	if (d->hooks->reload != NULL && d->hooks->reload(d, d->hooks->arg, &why) != DONE) {
		d->conf = old;
		d->certificate = old_certificate;
		conf_unref(&fresh);
		log_event(LOG_WARN, "daemon.reload", kv_cstr("o", "refused"),
		    kv_cstr("why", why.text), KV_END);
		tell(CONTROL_RELOADED, why.text);
		return;
	}
	if (d->next_certificate.n > 0) {
		buf_free(&old_certificate);
		buf_init(&d->next_certificate, SETTINGS_MAX);
	}
	conf_unref(&old);
	log_init(d->name, (enum log_level)d->conf->log_level);
	log_event(LOG_INFO, "daemon.reload", kv_cstr("o", "done"), KV_END);
	tell(CONTROL_RELOADED, "");
}

static void
stop(struct daemon *d, const char *reason)
{
	if (d->stopping)
		return;
	d->stopping = true;
	log_event(LOG_INFO, "daemon.stop", kv_cstr("why", reason), KV_END);
	lot_unwatch(d->lot, CONTROL_FD);
	if (d->hooks->stop != NULL)
		d->hooks->stop(d, d->hooks->arg);
	lot_stop(d->lot, deadline_in(d->drain_ms));
}

static void
control_ready(int fd, void *arg)
{
	struct daemon *d = arg;
	struct control_msg m;

	if (control_recv(fd, &m) != DONE) {
		stop(d, "supervisor gone");
		return;
	}
	switch (m.type) {
	case CONTROL_SETTINGS:
		read_memfd(m.fd, &d->next_settings);
		break;
	case CONTROL_CERTIFICATE:
		read_memfd(m.fd, &d->next_certificate);
		break;
	case CONTROL_WIRE:
		if (d->on_wire != NULL) {
			d->on_wire(m.name, m.fd, d->on_wire_arg);
			m.fd = -1;
		}
		break;
	case CONTROL_LISTENER:
		keep(d, HANDED_LISTENER, &m);
		m.fd = -1;
		break;
	case CONTROL_VALUE:
		keep_value(d, &m);
		break;
	case CONTROL_RELOAD:
		reload(d);
		break;
	case CONTROL_STOP:
		stop(d, "told to");
		break;
	default:
		log_event(LOG_WARN, "daemon.control", kv_int("type", m.type), KV_END);
		break;
	}
	fd_close(&m.fd);
}

/*
 * A crowd that came and went (thousands of handshakes at once) leaves a heap
 * of free pages between the sessions that stayed.  They are given back when
 * there is much to give that was not there the last time.
 */
static void
trim(void *arg)
{
	struct daemon *d = arg;
	size_t unused = mallinfo2().fordblks;

	if (unused < TRIM_LEAST ||
	    (unused < d->trimmed + TRIM_LEAST && unused + TRIM_LEAST > d->trimmed))
		return;
	(void)malloc_trim(0);
	d->trimmed = mallinfo2().fordblks;
}

void
daemon_serve(struct daemon *d, struct lot *lot, const struct daemon_hooks *hooks, int64_t drain_ms)
{
	static const struct daemon_hooks none;

	d->lot = lot;
	d->hooks = hooks != NULL ? hooks : &none;
	d->drain_ms = drain_ms;
	lot_watch(lot, CONTROL_FD, control_ready, d);
	lot_every(lot, TRIM_MS, trim, d);
	tell(CONTROL_READY, "");
	log_event(LOG_INFO, "daemon.ready", kv_int("pid", getpid()), KV_END);
	lot_run(lot);
}
