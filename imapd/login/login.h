/*
 * login.h - the event loop that all of login is.
 *
 * One thread owns everything here and never waits, except in epoll.  What
 * has to wait - asking authd, handing a session to imapd - is a job for a
 * thread of the pool (jobs.c); while it runs the client is in no epoll set,
 * and its end comes back over an eventfd.
 *
 * A client is talked to (talk.c) until its password is right.  Then, in
 * clear, its descriptor goes to imapd and we forget it; with TLS its octets
 * are copied to and from a socket pair (proxy.c) as long as it lasts.
 */
#ifndef LOGIN_LOGIN_H
#define LOGIN_LOGIN_H

#include <netinet/in.h>
#include <pthread.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/log.h"
#include "conf/conf.h"
#include "imapd/login/addresses.h"
#include "imapd/login/preauth.h"
#include "rpc/auth_client.h"
#include "rpc/imap_proto.h"
#include "run/pool.h"
#include "run/tls.h"

#define LOGIN_MS       (60 * 1000) /* before the password is right, in all (faults.md S8) */
#define LINGER_MS      (30 * 1000) /* to take what imapd said before it ended */
#define TICK_MS        250
#define STRANGERS_MAX  20000 /* who have not logged in; then the oldest goes */
#define PIECE          16384 /* copied at once: a TLS record; unsent at most, in each direction */
#define ROUNDS         8     /* pieces for one client before the next has its turn */
#define MECHANISMS_MAX 256
#define MECHANISMS_MS  (30 * 1000)

enum client_state {
	CLIENT_HANDSHAKE,
	CLIENT_TALK,
	CLIENT_WAIT,    /* a job runs; in no epoll set */
	CLIENT_DELAYED, /* a refusal is held back; in no epoll set */
	CLIENT_PROXY,
	CLIENT_DEAD, /* freed at the end of this round of events */
};

enum side {
	SIDE_CLIENT = 0,
	SIDE_IMAPD = 1,
};

/* Octets on their way. */
struct unsent {
	char *p; /* ours; NULL when all was sent */
	uint32_t at, n;
};

struct job;
struct login;

/* What a client needs only until its password is right. */
struct stranger {
	struct preauth preauth;
	struct conf *conf;  /* counted: the settings it came under */
	struct buf in, out; /* ours; what was read and not taken, what was said and not sent */
	struct sockaddr_storage address;
	bool counted; /* in login->addresses */
	bool implicit_tls;
	bool doomed; /* close when its job is done */
	int64_t opened_ms;
	int64_t resume_ms; /* DELAYED: then say: */
	enum outcome refusal;
	struct why why;
	uint64_t exchange; /* at authd; 0: none */
};

struct client {
	uint32_t magic;
	uint8_t state;      /* enum client_state */
	bool up_ended;      /* the client has said all */
	bool down_ended;    /* imapd has */
	bool again;         /* in login->again */
	int fd[2];          /* by side; -1 when there is none */
	uint32_t events[2]; /* what epoll was asked for; 0: not in the set */
	uint64_t session;
	struct tls *tls;           /* ours; NULL in clear */
	struct stranger *stranger; /* ours; NULL in CLIENT_PROXY */
	struct unsent up, down;
	int64_t ended_ms;
	struct login *login;
	TAILQ_ENTRY(client) link; /* strangers by age, or proxied, or dead */
	TAILQ_ENTRY(client) next; /* one of again, delayed, ending */
};

TAILQ_HEAD(clients, client);
STAILQ_HEAD(jobs, job);

/* What a listener is for. */
struct door {
	struct login *login;
	enum preauth_protocol protocol;
	bool implicit_tls;
};

enum mechanism_list {
	LIST_CLEAR,   /* nothing protects the connection */
	LIST_TRUSTED, /* passwords may be sent, but there is no TLS to bind to */
	LIST_TLS,
	MECHANISM_LISTS,
};

struct login {
	struct conf *conf; /* counted */
	struct pool *pool;
	struct rpc_client *authd;
	struct rpc_client **imapd; /* by shard */
	unsigned shards;
	struct tls_context *tls[2]; /* by protocol; NULL without certificate */
	int epoll, kick, timer;
	struct addresses *addresses;
	struct clients strangers, proxied, dead;
	struct clients again;   /* have more to do than one round allowed */
	struct clients delayed; /* refusals held back */
	struct clients ending;  /* imapd ended, the client has not taken all */
	unsigned stranger_count, proxied_count;
	unsigned jobs_running;
	uint64_t next_session;
	bool stopping;
	char mechanisms[2][MECHANISM_LISTS][MECHANISMS_MAX]; /* by protocol */
	bool mechanisms_known, mechanisms_asked;
	int64_t mechanisms_ms;

	pthread_mutex_t lock; /* guards what follows */
	struct jobs done;
};

/* --- loop.c --- */

void login_init(struct login *l, struct conf *conf);
/* Take what is ready in login->epoll, without waiting. */
void login_turn(struct login *l);
/* Wait for something to do, at most until d. */
void login_wait(struct login *l, struct deadline d);
/* fd from a listener; arg is its struct door. */
void login_accepted(int fd, void *arg);
/* Tell strangers to go. */
void login_stop(struct login *l);

/* Ask epoll for these events on one side; 0 takes it out of the set. */
void client_watch(struct client *c, enum side side, uint32_t events);
/* Go on with it in the next round even if its descriptors stay silent. */
void client_again(struct client *c);
/* It waits for something now. */
void client_not_again(struct client *c);
/* Over.  May be called from anywhere in the loop; the memory lasts until the round ends. */
void client_close(struct client *c);

/* --- talk.c: before login --- */

void talk_begin(struct client *c);
void talk_on(struct client *c);
/* The job that was asked for is done. */
void talk_answered(struct client *c, struct job *j);
/* The refusal that was held back may be said. */
void talk_resume(struct client *c);
void talk_bye(struct client *c, const char *text);
/* Done with: wipes and frees c->stranger. */
void talk_forget(struct client *c);

/* --- proxy.c: after it --- */

/* c->fd[SIDE_IMAPD] is our end of the socket pair. */
void proxy_begin(struct client *c);
void proxy_on(struct client *c);

/* --- jobs.c --- */

enum job_kind {
	JOB_START,
	JOB_STEP,
	JOB_HANDOVER,
	JOB_MECHANISMS,
};

struct job {
	enum job_kind kind;
	struct login *login;
	struct client *client; /* NULL for JOB_MECHANISMS */
	struct arena *arena;   /* ours: every text below */
	struct auth_begin begin;
	struct auth_binding bindings[AUTH_BINDINGS_MAX];
	uint64_t exchange;
	struct str response;
	struct handover handover;
	unsigned shard;
	int pair; /* HANDOVER: imapd's end of the socket pair, closed when done; -1 in clear */

	enum outcome outcome;
	struct auth_answer answer;
	struct why why;
	char mechanisms[2][MECHANISM_LISTS][MECHANISMS_MAX];
	STAILQ_ENTRY(job) next;
};

struct job *job_new(struct login *l, enum job_kind kind, struct client *c);
/* False: too much is waiting; the job is freed. */
must_use bool job_run(struct job *j);
void job_free(struct job *j);
/* Main thread: those that are done go to talk_answered. */
void jobs_collect(struct login *l);

#endif
