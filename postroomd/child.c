/*
 * child.c - one daemon's life: forked as its own user, introduced over its
 * control socket, told of changes, started again when it ends.
 *
 * Nothing here waits for a daemon.  The control socket is non-blocking on
 * our side and has room for everything a daemon is ever told at once; one
 * that lets it fill up hangs, and is ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "postroomd/super.h"
#include "run/control.h"

#define EXIT_CANNOT_START 71 /* EX_OSERR: the child could not become the daemon */
#define HEAR_MAX          16 /* messages of one daemon in a row */

static void
enter(struct child *c, enum child_state state)
{
	c->state = state;
	c->since_ms = clock_ms();
}

/* --- in the new process: no allocation, no lock, no log --- */

static void
cannot(const char *what)
{
	(void)!write(STDERR_FILENO, what, strlen(what));
	_exit(EXIT_CANNOT_START);
}

static void
raise_limits(const struct child *c)
{
	struct rlimit files;
	char score[16];
	int n, fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		n = snprintf(score, sizeof(score), "%d", c->role->oom_score);
		(void)!write(fd, score, (size_t)n);
		(void)close(fd);
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

/* Descriptors 0 and 1: nothing, 2: the log, 3: the control socket; no other. */
static void
arrange_descriptors(int control)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		cannot("postroomd: no /dev/null\n");
	if (control == CONTROL_FD) {
		if (fcntl(control, F_SETFD, 0) != 0)
			cannot("postroomd: control socket\n");
	} else if (dup2(control, CONTROL_FD) < 0) {
		cannot("postroomd: control socket\n");
	}
	if (close_range(CONTROL_FD + 1, ~0U, 0) != 0)
		cannot("postroomd: cannot close descriptors\n");
}

static void
become_user(const struct child *c)
{
	gid_t group = c->gid;

	/* Not root: a developer's instance, all daemons as that person. */
	if (geteuid() == 0) {
		for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
			(void)prctl(PR_CAPBSET_DROP, cap);
		if (setgroups(1, &group) != 0 || setresgid(c->gid, c->gid, c->gid) != 0 ||
		    setresuid(c->uid, c->uid, c->uid) != 0)
			cannot("postroomd: cannot become the daemon's user\n");
		if (setuid(0) == 0)
			cannot("postroomd: still root\n");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		cannot("postroomd: no_new_privs\n");
}

static void no_return
become_daemon(const struct child *c, const char *program, int control)
{
	char *argv[] = { (char *)(uintptr_t)c->name, NULL };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	/* Out of the terminal's process group: ^C is for the supervisor. */
	(void)setsid();
	(void)umask(0077);
	(void)!chdir("/");
	raise_limits(c);
	arrange_descriptors(control);
	become_user(c);
	(void)execv(program, argv);
	cannot("postroomd: cannot execute the daemon's program\n");
	_exit(EXIT_CANNOT_START);
}

/* --- in the supervisor --- */

static void
failed_to_spawn(struct child *c, const char *what)
{
	log_event(LOG_WARN, "daemon.spawn", kv_cstr("daemon", c->name), kv_cstr("failed", what),
	    kv_int("errno", errno), KV_END);
	enter(c, CHILD_DOWN);
	c->start_at_ms = clock_ms() + backoff_ended(&c->backoff, clock_ms(), -1, false);
}

void
child_spawn(struct super *s, struct child *c)
{
	char program[PATH_MAX];
	int ends[2];

	(void)snprintf(program, sizeof(program), "%s/%s", s->libexec, c->role->name);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		failed_to_spawn(c, "socketpair");
		return;
	}
	c->pid = fork();
	if (c->pid == 0)
		become_daemon(c, program, ends[1]);
	fd_close(&ends[1]);
	if (c->pid < 0) {
		c->pid = 0;
		fd_close(&ends[0]);
		failed_to_spawn(c, "fork");
		return;
	}
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	c->control = ends[0];
	c->shot = c->reloading = false;
	enter(c, CHILD_STARTING);
}

void
child_tell(struct child *c, int type, const char *name, struct str text, int fd)
{
	enum outcome o;

	if (c->control < 0)
		return;
	o = control_send(c->control, (enum control_type)type, name, text, fd);
	if (o == DONE)
		return;
	log_event(LOG_WARN, "daemon.deaf", kv_cstr("daemon", c->name),
	    kv_cstr("o", outcome_name(o)), KV_END);
	child_kill(c);
}

static void
tell_material(struct super *s, struct child *c)
{
	child_tell(c, CONTROL_SETTINGS, "", STR_NONE, s->material.settings);
	if (c->role->certificate && s->material.certificate >= 0)
		child_tell(c, CONTROL_CERTIFICATE, "", STR_NONE, s->material.certificate);
	if (c->role->password)
		child_tell(c, CONTROL_VALUE, "database_password",
		    secret_reveal(&s->material.password), -1);
	if (c->role->smarthost)
		child_tell(c, CONTROL_VALUE, "smarthost_password",
		    secret_reveal(&s->material.smarthost_password), -1);
}

static void
tell_listeners(struct child *c, const struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].fd >= 0 && plan_listens(c, l->items[i].name))
			child_tell(c, CONTROL_LISTENER, l->items[i].name, STR_NONE, l->items[i].fd);
}

void
child_introduce(struct super *s, struct child *c)
{
	char shard[16];

	tell_material(s, c);
	child_tell(c, CONTROL_SECRET, "", str_n(s->secret, sizeof(s->secret)), -1);
	if (c->role->sharded) {
		(void)snprintf(shard, sizeof(shard), "%u", c->shard);
		child_tell(c, CONTROL_VALUE, "shard", str_of(shard), -1);
	}
	if (c->role->mail)
		child_tell(c, CONTROL_DIRECTORY, "mail", STR_NONE, s->mail_dir);
	if (c->role->queue)
		child_tell(c, CONTROL_DIRECTORY, "queue", STR_NONE, s->queue_dir);
	tell_listeners(c, &s->listeners);
}

void
child_start(struct super *s, struct child *c)
{
	child_tell(c, CONTROL_START, "", STR_NONE, -1);
}

void
child_reload(struct super *s, struct child *c, const struct listeners *added)
{
	if (c->state != CHILD_READY && c->state != CHILD_STARTING)
		return;
	tell_material(s, c);
	tell_listeners(c, added);
	child_tell(c, CONTROL_RELOAD, "", STR_NONE, -1);
	c->reloading = true;
}

void
child_new_log(struct child *c, int fd)
{
	child_tell(c, CONTROL_VALUE, "log", STR_NONE, fd);
}

void
child_stop(struct super *s, struct child *c)
{
	if (c->pid == 0) {
		enter(c, CHILD_ENDED);
		return;
	}
	child_tell(c, CONTROL_STOP, "", STR_NONE, -1);
	enter(c, CHILD_STOPPING);
}

void
child_kill(struct child *c)
{
	if (c->pid <= 0)
		return;
	c->shot = true;
	(void)kill(c->pid, SIGKILL);
}

static void
answered(struct super *s, struct child *c, struct str complaint)
{
	size_t n = strlen(s->reload_complaint);

	c->reloading = false;
	(void)pthread_cond_broadcast(&s->changed);
	if (complaint.n == 0)
		return;
	log_event(LOG_WARN, "daemon.reload", kv_cstr("daemon", c->name),
	    kv_str("refused", complaint), KV_END);
	(void)snprintf(s->reload_complaint + n, sizeof(s->reload_complaint) - n,
	    "%s: " STR_FMT "\n", c->name, STR_ARG(complaint));
}

static void
heard(struct super *s, struct child *c, const struct control_msg *m)
{
	switch (m->type) {
	case CONTROL_READY:
		if (c->state != CHILD_STARTING)
			return;
		log_event(LOG_INFO, "daemon.ready", kv_cstr("daemon", c->name),
		    kv_int("pid", c->pid), kv_int("ms", clock_ms() - c->since_ms), KV_END);
		enter(c, CHILD_READY);
		return;
	case CONTROL_RELOADED:
		answered(s, c, str_n(m->text, m->text_n));
		return;
	default:
		log_event(LOG_WARN, "daemon.babble", kv_cstr("daemon", c->name),
		    kv_int("type", m->type), KV_END);
		child_kill(c);
		return;
	}
}

void
child_hear(struct super *s, struct child *c)
{
	struct control_msg m;

	for (int i = 0; i < HEAR_MAX && c->control >= 0; i++) {
		enum outcome o = control_recv(c->control, &m);

		if (o == TEMPFAIL)
			return;
		if (o == DONE) {
			fd_close(&m.fd);
			heard(s, c, &m);
			continue;
		}
		/* Closed or broken: a daemon without its control socket ends, or is ended. */
		fd_close(&c->control);
		if (o == PERMFAIL)
			child_kill(c);
	}
}

static void
describe_end(struct child *c, int status)
{
	if (WIFSIGNALED(status))
		(void)snprintf(c->last_end, sizeof(c->last_end), "signal %d (SIG%s)",
		    WTERMSIG(status), sigabbrev_np(WTERMSIG(status)));
	else
		(void)snprintf(
		    c->last_end, sizeof(c->last_end), "exit status %d", WEXITSTATUS(status));
}

void
child_ended(struct super *s, struct child *c, int status)
{
	int64_t now = clock_ms(), served = c->state == CHILD_READY ? now - c->since_ms : -1;
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !c->shot;
	bool wanted = c->state == CHILD_STOPPING;

	describe_end(c, status);
	c->pid = 0;
	fd_close(&c->control);
	if (c->reloading)
		answered(s, c, STR("ended while reloading"));
	if (wanted) {
		log_event(LOG_INFO, "daemon.stopped", kv_cstr("daemon", c->name),
		    kv_cstr("end", c->last_end), KV_END);
		enter(c, CHILD_ENDED);
		return;
	}
	enter(c, CHILD_DOWN);
	c->restarts++;
	c->start_at_ms = now + backoff_ended(&c->backoff, now, served, killed);
	log_event(LOG_WARN, "daemon.ended", kv_cstr("daemon", c->name), kv_cstr("end", c->last_end),
	    kv_int("again_ms", c->start_at_ms - now), KV_END);
	if (backoff_alarm(&c->backoff, now))
		log_event(LOG_WARN, "daemon.crashloop", kv_cstr("daemon", c->name),
		    kv_uint("restarts", c->restarts), KV_END);
}
