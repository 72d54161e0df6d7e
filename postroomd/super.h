/*
 * super.h - what the supervisor knows: the settings, the listeners and the
 * daemons.
 *
 * The main thread owns all of it and waits only in poll.  One more thread
 * answers the postroom command; it takes `lock`, which the main thread holds
 * except while it polls.
 */
#ifndef POSTROOMD_SUPER_H
#define POSTROOMD_SUPER_H

#include <pthread.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/outcome.h"
#include "conf/conf.h"
#include "postroomd/backoff.h"
#include "postroomd/listen.h"
#include "postroomd/material.h"

#define CHILDREN_MAX   48
#define CHILD_NAME_MAX 32
#define START_MS       30000 /* a daemon that is not READY by then is ended and started again */
#define STOP_SLACK_MS  3000  /* beyond drain_time, before SIGKILL */

/* When a daemon stops: what takes in new work first, what others need last. */
enum stop_phase {
	STOP_FRONT,
	STOP_STORE,
	STOP_AUTH,
	STOP_PHASES,
};

/* A row of the process table. */
struct role {
	const char *name; /* also of the program */
	const char *user; /* NULL: mail_user */
	bool sharded;     /* one process for each of imap_shards, NAME-0 and up */
	bool certificate; /* gets the TLS certificate and key */
	bool password;    /* gets the database password */
	bool smarthost;   /* gets the smarthost's password */
	bool mail, queue; /* gets these directories */
	int oom_score;    /* the higher, the sooner the kernel takes it */
	enum stop_phase stop;
};

enum child_state {
	CHILD_DOWN,     /* waits for start_at_ms */
	CHILD_STARTING, /* runs, not READY yet */
	CHILD_READY,
	CHILD_STOPPING, /* was told to drain */
	CHILD_ENDED,    /* will not be started again */
};

struct child {
	const struct role *role;
	char name[CHILD_NAME_MAX];
	unsigned shard;
	uid_t uid;
	gid_t gid;
	enum child_state state;
	pid_t pid;        /* 0 when there is none */
	int control;      /* our end; -1 when there is none */
	int64_t since_ms; /* of the state */
	int64_t start_at_ms;
	unsigned restarts;
	bool reloading;    /* was told, has not answered */
	bool shot;         /* we sent the SIGKILL ourselves */
	char last_end[64]; /* how the previous process ended, for status */
	struct backoff backoff;
};

struct super {
	const char *conf_path;
	const char *libexec; /* where the programs are */
	struct conf *conf;
	struct listeners listeners;
	struct material material;
	int mail_dir, queue_dir;
	int pid_file; /* locked while we live */
	int kick;     /* eventfd: look again */
	unsigned char secret[32];
	struct child children[CHILDREN_MAX];
	size_t child_count;
	int64_t started_ms;
	bool said_ready;
	bool stop_asked;
	bool stopping;
	enum stop_phase phase;
	int64_t phase_until_ms;
	char reload_complaint[256]; /* of the daemons, to the latest reload */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a reload was answered */
};

/* --- plan.c: who there is, and who talks to whom --- */

/* Fill children from the process table. */
void plan_children(struct super *s);
/*
 * Make every wire of which `only` is one end (NULL: all wires) and both ends
 * have a process, and send the ends to them.
 */
void plan_wires(struct super *s, const struct child *only);
/* The listener NAME belongs to this child. */
must_use bool plan_listens(const struct child *c, const char *listener);

/* --- child.c: one daemon's life --- */

/* Fork and exec; STARTING, or DOWN with a later start_at_ms. */
void child_spawn(struct super *s, struct child *c);
/* Everything but the wires. */
void child_introduce(struct super *s, struct child *c);
void child_start(struct super *s, struct child *c);
/* New settings, certificate and listeners. */
void child_reload(struct super *s, struct child *c, const struct listeners *added);
/* The log file was opened again. */
void child_new_log(struct child *c, int fd);
void child_stop(struct super *s, struct child *c);
void child_kill(struct child *c);
/* A message came, or the socket closed. */
void child_hear(struct super *s, struct child *c);
/* waitpid said so. */
void child_ended(struct super *s, struct child *c, int status);
/* What goes over its control socket; a daemon that does not read is ended. */
void child_tell(struct child *c, int type, const char *name, struct str text, int fd);

/* --- reload.c --- */

/*
 * Read the configuration again and tell everybody.  PERMFAIL: refused, the
 * old one stays, `errors` says why.
 */
must_use enum outcome super_reload(struct super *s, struct buf *errors);

/* --- status.c: run_dir/postroomd.sock --- */
void status_serve(struct super *s, int fd);

#endif
