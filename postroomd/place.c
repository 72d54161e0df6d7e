#include "postroomd/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#define FILES_WANTED (1 << 20)

/* --- directories --- */

/* mkdir -p; what had to be made at the end belongs to uid, gid. */
static bool
make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(part))
		return false;
	memcpy(part, path, n + 1);
	for (size_t i = 1; i < n; i++)
		if (part[i] == '/') {
			part[i] = '\0';
			if (mkdir(part, 0755) != 0 && errno != EEXIST)
				return false;
			part[i] = '/';
		}
	if (mkdir(path, mode) != 0)
		return errno == EEXIST;
	return geteuid() != 0 || chown(path, uid, gid) == 0;
}

static bool
open_dir(
    const char *option, const char *path, const struct passwd *owner, int *out, struct buf *errors)
{
	struct stat st;

	if (!make_dir(path, 0700, owner->pw_uid, owner->pw_gid)) {
		buf_printf(
		    errors, "%s: cannot make %s: %s\n", option, path, strerrordesc_np(errno));
		return false;
	}
	*out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*out < 0 || fstat(*out, &st) != 0) {
		buf_printf(
		    errors, "%s: cannot open %s: %s\n", option, path, strerrordesc_np(errno));
		return false;
	}
	if (geteuid() == 0 && st.st_uid != owner->pw_uid) {
		buf_printf(errors, "%s: %s has to belong to %s\n", option, path, owner->pw_name);
		return false;
	}
	return true;
}

static bool
make_run_dir(const struct conf *c, struct buf *errors)
{
	struct conf_socket s = conf_socket(c, "x");
	char *slash = strrchr(s.path, '/');
	struct stat st;

	*slash = '\0';
	if (!make_dir(c->run_dir, 0755, geteuid(), getegid())) {
		buf_printf(
		    errors, "run_dir: cannot make %s: %s\n", c->run_dir, strerrordesc_np(errno));
		return false;
	}
	/* The short place for sockets: nobody else may have made it. */
	if (!make_dir(s.path, 0755, geteuid(), getegid()) || lstat(s.path, &st) != 0 ||
	    !S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
		buf_printf(errors, "run_dir: %s is not a directory of ours\n", s.path);
		return false;
	}
	return true;
}

static bool
take_pid_file(struct super *s, struct buf *errors)
{
	char path[PATH_MAX], text[24];
	int n;

	(void)snprintf(path, sizeof(path), "%s/pid", s->conf->run_dir);
	s->pid_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (s->pid_file < 0) {
		buf_printf(errors, "run_dir: cannot open %s: %s\n", path, strerrordesc_np(errno));
		return false;
	}
	if (flock(s->pid_file, LOCK_EX | LOCK_NB) != 0) {
		buf_printf(errors, "another postroomd runs in %s\n", s->conf->run_dir);
		return false;
	}
	n = snprintf(text, sizeof(text), "%d\n", getpid());
	if (ftruncate(s->pid_file, 0) != 0 || pwrite(s->pid_file, text, (size_t)n, 0) != n) {
		buf_printf(errors, "run_dir: cannot write %s: %s\n", path, strerrordesc_np(errno));
		return false;
	}
	return true;
}

/* The user, or with an instance that is not root's, whoever runs it. */
static const struct passwd *
user(const char *name, struct buf *errors)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam(name) : getpwuid(geteuid());

	if (pw == NULL)
		buf_printf(errors, "there is no system user \"%s\"\n", name);
	return pw;
}

enum outcome
place_take(struct super *s, struct buf *errors)
{
	const struct passwd *owner;

	if (!make_run_dir(s->conf, errors) || !take_pid_file(s, errors))
		return PERMFAIL;
	owner = user(s->conf->mail_user, errors);
	if (owner == NULL ||
	    !open_dir("mail_dir", s->conf->mail_dir, owner, &s->mail_dir, errors) ||
	    !open_dir("queue_dir", s->conf->queue_dir, owner, &s->queue_dir, errors))
		return PERMFAIL;
	return DONE;
}

enum outcome
place_users(struct super *s, struct buf *errors)
{
	for (size_t i = 0; i < s->child_count; i++) {
		struct child *c = &s->children[i];
		const char *name = c->role->user != NULL ? c->role->user : s->conf->mail_user;
		const struct passwd *pw = user(name, errors);

		if (pw == NULL)
			return PERMFAIL;
		c->uid = pw->pw_uid;
		c->gid = pw->pw_gid;
		if (geteuid() == 0 && (c->uid == 0 || c->gid == 0)) {
			buf_printf(errors, "%s may not run as %s\n", c->name, name);
			return PERMFAIL;
		}
	}
	return DONE;
}

void
place_leave(struct super *s)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/pid", s->conf->run_dir);
	(void)unlink(path);
}

/* --- log --- */

bool
place_log(const struct conf *c)
{
	int fd;

	if (c->log_file[0] == '\0')
		return true;
	fd = open(c->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0) {
		log_say(
		    LOG_WARN, "log_file: cannot open %s: %s", c->log_file, strerrordesc_np(errno));
		return false;
	}
	(void)dup2(fd, STDERR_FILENO);
	fd_close(&fd);
	return true;
}

/* --- powers --- */

static const int kept[] = {
	CAP_SETUID, CAP_SETGID, CAP_SETPCAP, /* to empty the daemons' bounding sets */
	CAP_NET_BIND_SERVICE, CAP_KILL,      /* daemons are other users' */
};

static bool
is_kept(int cap)
{
	for (size_t i = 0; i < COUNT_OF(kept); i++)
		if (kept[i] == cap)
			return true;
	return false;
}

void
place_drop_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	struct rlimit files = { FILES_WANTED, FILES_WANTED };

	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* the TLS key is in our memory files */
	if (geteuid() != 0)
		return;
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (!is_kept(cap))
			(void)prctl(PR_CAPBSET_DROP, cap);
	for (size_t i = 0; i < COUNT_OF(kept); i++)
		data[kept[i] / 32].permitted |= 1U << (kept[i] % 32);
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	if (syscall(SYS_capset, &header, data) != 0)
		log_fatal("cannot drop capabilities: %s", strerrordesc_np(errno));
}
