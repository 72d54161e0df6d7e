/*
 * main.c - postroomd, the supervisor: root, few lines, and not one octet
 * read from the network.
 *
 * Order of life: read and check the configuration; become the only one of
 * this run directory; bind; drop every capability that is not needed to
 * start daemons; start them; then wait in poll for signals, for their
 * control sockets and for the moment to start one again.  See
 * docs/postroomd.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "postroomd/notify.h"
#include "postroomd/place.h"
#include "postroomd/super.h"

#define ERRORS_MAX   (64 * 1024)
#define SIGNALS_MAX  32
#define CONF_DEFAULT SYSCONFDIR "/postroom/postroom.conf"

static void
usage(FILE *to)
{
	(void)fprintf(to,
	    "usage: postroomd [-c FILE] [-n]\n"
	    "  -c FILE  the configuration (default %s)\n"
	    "  -n       only check it\n"
	    "Signals: HUP reloads, TERM and INT stop, USR1 opens the log file again.\n",
	    CONF_DEFAULT);
}

/* --- signals --- */

static int
open_signals(void)
{
	sigset_t set;
	int fd;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		log_fatal("signalfd: %s", strerrordesc_np(errno));
	return fd;
}

static void
reap(struct super *s)
{
	for (size_t i = 0; i < s->child_count; i++) {
		struct child *c = &s->children[i];
		int status;

		if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid) {
			child_hear(s, c); /* its last words */
			child_ended(s, c, status);
		}
	}
}

static void
reload(struct super *s)
{
	struct buf errors;
	struct str line, rest;

	if (s->stopping)
		return;
	notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_us());
	buf_init(&errors, ERRORS_MAX);
	if (super_reload(s, &errors) != DONE) {
		rest = buf_str(&errors);
		while (rest.n > 0) {
			(void)str_cut(rest, '\n', &line, &rest);
			log_event(LOG_WARN, "reload.refused", kv_str("why", line), KV_END);
		}
	}
	buf_free(&errors);
	notify("READY=1");
}

static void
reopen_log(struct super *s)
{
	int fd;

	if (s->conf->log_file[0] == '\0' || !place_log(s->conf))
		return;
	fd = STDERR_FILENO;
	for (size_t i = 0; i < s->child_count; i++)
		child_new_log(&s->children[i], fd);
	log_event(LOG_INFO, "log.reopened", KV_END);
}

static void
take_signals(struct super *s, int fd)
{
	struct signalfd_siginfo si;

	for (int i = 0; i < SIGNALS_MAX && read(fd, &si, sizeof(si)) == sizeof(si); i++) {
		switch (si.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			/* Asked twice: no patience. */
			for (size_t j = 0; s->stopping && j < s->child_count; j++)
				child_kill(&s->children[j]);
			s->stop_asked = true;
			break;
		case SIGHUP:
			reload(s);
			break;
		case SIGUSR1:
			reopen_log(s);
			break;
		default:
			break; /* SIGCHLD: reap() follows in any case */
		}
	}
}

/* --- starting and stopping --- */

static void
start_one(struct super *s, struct child *c)
{
	child_spawn(s, c);
	if (c->state != CHILD_STARTING)
		return;
	child_introduce(s, c);
	plan_wires(s, c);
	child_start(s, c);
}

/* All at once, so that each wire is made once and is there before START. */
static void
start_all(struct super *s)
{
	for (size_t i = 0; i < s->child_count; i++) {
		child_spawn(s, &s->children[i]);
		child_introduce(s, &s->children[i]);
	}
	plan_wires(s, NULL);
	for (size_t i = 0; i < s->child_count; i++)
		child_start(s, &s->children[i]);
}

static void
begin_phase(struct super *s, enum stop_phase phase)
{
	s->phase = phase;
	s->phase_until_ms = clock_ms() + s->conf->drain_time + STOP_SLACK_MS;
	for (size_t i = 0; i < s->child_count; i++)
		if (s->children[i].role->stop == phase)
			child_stop(s, &s->children[i]);
}

/* True when nobody is left. */
static bool
stop_on(struct super *s, int64_t now)
{
	bool left = false;

	for (size_t i = 0; i < s->child_count; i++) {
		struct child *c = &s->children[i];

		if (c->role->stop != s->phase || c->state == CHILD_ENDED)
			continue;
		left = true;
		if (now >= s->phase_until_ms)
			child_kill(c);
	}
	if (left)
		return false;
	if (s->phase + 1 == STOP_PHASES)
		return true;
	begin_phase(s, s->phase + 1);
	return false;
}

static bool
all_ready(const struct super *s)
{
	for (size_t i = 0; i < s->child_count; i++)
		if (s->children[i].state != CHILD_READY)
			return false;
	return true;
}

/* What time has made due.  Returns when to look again. */
static int64_t
tick(struct super *s, int64_t now)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < s->child_count; i++) {
		struct child *c = &s->children[i];

		if (c->state == CHILD_DOWN && now >= c->start_at_ms)
			start_one(s, c);
		if (c->state == CHILD_STARTING && now >= c->since_ms + START_MS && !c->shot) {
			log_event(LOG_WARN, "daemon.slow", kv_cstr("daemon", c->name), KV_END);
			child_kill(c);
		}
		if (c->state == CHILD_DOWN)
			next = MIN(next, c->start_at_ms);
		else if (c->state == CHILD_STARTING && !c->shot)
			next = MIN(next, c->since_ms + START_MS);
	}
	if (!s->said_ready && all_ready(s)) {
		s->said_ready = true;
		notify("READY=1\nSTATUS=%zu daemons\nMAINPID=%d", s->child_count, getpid());
		log_event(LOG_INFO, "ready", kv_int("ms", now - s->started_ms), KV_END);
	}
	return s->stopping ? MIN(next, s->phase_until_ms) : next;
}

/* --- the loop --- */

static void
wait_for_news(struct super *s, int signals, int64_t until_ms)
{
	struct pollfd fds[CHILDREN_MAX + 2];
	struct child *whose[CHILDREN_MAX + 2];
	nfds_t n = 0;
	uint64_t count;

	fds[n++] = (struct pollfd){ .fd = signals, .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = s->kick, .events = POLLIN };
	for (size_t i = 0; i < s->child_count; i++)
		if (s->children[i].control >= 0) {
			whose[n] = &s->children[i];
			fds[n++] =
			    (struct pollfd){ .fd = s->children[i].control, .events = POLLIN };
		}
	(void)pthread_mutex_unlock(&s->lock);
	(void)poll(fds, n, deadline_left_ms((struct deadline){ until_ms }));
	(void)pthread_mutex_lock(&s->lock);
	(void)!read(s->kick, &count, sizeof(count));
	for (nfds_t i = 2; i < n; i++)
		if (fds[i].revents != 0 && whose[i]->control == fds[i].fd)
			child_hear(s, whose[i]);
	take_signals(s, signals);
}

static void
supervise(struct super *s, int signals)
{
	int64_t until;

	start_all(s);
	for (;;) {
		reap(s);
		if (s->stop_asked && !s->stopping) {
			log_event(LOG_INFO, "stop", KV_END);
			notify("STOPPING=1");
			s->stopping = true;
			begin_phase(s, STOP_FRONT);
		}
		if (s->stopping && stop_on(s, clock_ms()))
			return;
		until = tick(s, clock_ms());
		wait_for_news(s, signals, until);
	}
}

/* --- the start --- */

static void
make_ready(struct super *s)
{
	struct buf errors;
	enum outcome o;

	buf_init(&errors, ERRORS_MAX);
	o = place_take(s, &errors);
	if (o == DONE)
		o = material_read(s->conf, &s->material, &errors);
	if (o == DONE)
		o = listeners_make(s->conf, &(struct listeners){ 0 }, &s->listeners, &errors);
	if (o == DONE)
		o = place_users(s, &errors);
	if (o != DONE) {
		(void)fprintf(stderr, "%s", buf_cstr(&errors));
		exit(EXIT_FAILURE);
	}
	buf_free(&errors);
}

static void
serve_status(struct super *s)
{
	for (size_t i = 0; i < s->listeners.n; i++)
		if (strcmp(s->listeners.items[i].name, "postroomd.sock") == 0)
			status_serve(s, fcntl(s->listeners.items[i].fd, F_DUPFD_CLOEXEC, 3));
}

static int
run(const char *conf_path, bool only_check)
{
	static struct super s = { .mail_dir = -1, .queue_dir = -1, .pid_file = -1 };
	const char *libexec = secure_getenv("POSTROOM_LIBEXEC");
	struct buf errors;
	int signals;

	s.conf_path = conf_path;
	s.libexec = libexec != NULL ? libexec : DAEMONDIR;
	buf_init(&errors, ERRORS_MAX);
	if (conf_read(conf_path, &s.conf, &errors) != DONE) {
		(void)fprintf(stderr, "%s", buf_cstr(&errors));
		return EXIT_FAILURE;
	}
	buf_free(&errors);
	if (only_check)
		return EXIT_SUCCESS;
	log_init("postroomd", (enum log_level)s.conf->log_level);
	s.started_ms = clock_ms();
	signals = open_signals();
	notify_begin();
	s.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	random_octets(s.secret, sizeof(s.secret));
	(void)pthread_mutex_init(&s.lock, NULL);
	(void)pthread_cond_init(&s.changed, NULL);
	plan_children(&s);
	make_ready(&s);
	if (!place_log(s.conf))
		return EXIT_FAILURE;
	place_drop_capabilities();
	serve_status(&s);
	(void)pthread_mutex_lock(&s.lock);
	supervise(&s, signals);
	listeners_end(&s.listeners);
	place_leave(&s);
	log_event(LOG_INFO, "stopped", KV_END);
	/* The status thread may still be answering; it goes with the process. */
	_exit(EXIT_SUCCESS);
}

int
main(int argc, char **argv)
{
	const char *conf_path = CONF_DEFAULT;
	bool only_check = false;
	int option;

	while ((option = getopt(argc, argv, "c:nh")) != -1) {
		switch (option) {
		case 'c':
			conf_path = optarg;
			break;
		case 'n':
			only_check = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind != argc) {
		usage(stderr);
		return 2;
	}
	return run(conf_path, only_check);
}
