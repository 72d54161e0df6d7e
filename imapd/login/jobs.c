/*
 * jobs.c - what has to wait for another daemon, on threads of the pool.
 *
 * A job holds copies of all it needs.  Its client stays in CLIENT_WAIT, so
 * nobody touches or frees it before the job is collected.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "imapd/login/login.h"

#define AUTH_MS     (10 * 1000)
#define HANDOVER_MS (10 * 1000)
#define ARENA_MAX   (256 * 1024)

struct job *
job_new(struct login *l, enum job_kind kind, struct client *c)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->kind = kind;
	j->login = l;
	j->client = c;
	j->arena = arena_new(ARENA_MAX);
	j->pair = -1;
	return j;
}

static void
wipe_text(struct str s)
{
	if (s.n > 0)
		wipe((void *)(uintptr_t)s.p, s.n);
}

void
job_free(struct job *j)
{
	wipe_text(j->begin.initial);
	wipe_text(j->response);
	wipe_text(j->handover.input);
	fd_close(&j->pair);
	arena_free(&j->arena);
	free(j);
}

static void
ask_mechanisms(struct job *j)
{
	static const char *const services[] = { [PREAUTH_IMAP] = "imap", [PREAUTH_POP3] = "pop" };
	struct str list;

	for (unsigned p = 0; p < 2; p++)
		for (unsigned k = 0; k < MECHANISM_LISTS; k++) {
			j->outcome = auth_mechanisms(j->login->authd, str_of(services[p]),
			    k == LIST_CLEAR ? 0 : AUTH_FLAG_TLS, k == LIST_TLS,
			    deadline_in(AUTH_MS), j->arena, &list, &j->why);
			if (j->outcome != DONE)
				return;
			list = str_first(list, MECHANISMS_MAX - 1);
			memcpy(j->mechanisms[p][k], list.p, list.n);
			j->mechanisms[p][k][list.n] = '\0';
		}
}

static void
hand_over(struct job *j)
{
	struct rpc_in in = { 0 };
	struct rpc_out out;

	rpc_out_init(&out);
	handover_put(&out, &j->handover);
	j->outcome = rpc_call(j->login->imapd[j->shard], IMAPD_HANDOVER, &out,
	    deadline_in(HANDOVER_MS), &in, &j->why);
	rpc_out_free(&out);
	rpc_in_free(&in);
}

static void
run(void *arg)
{
	struct job *j = arg;
	struct login *l = j->login;
	uint64_t one = 1;

	switch (j->kind) {
	case JOB_START:
		j->outcome = auth_start(
		    l->authd, &j->begin, deadline_in(AUTH_MS), j->arena, &j->answer, &j->why);
		break;
	case JOB_STEP:
		j->outcome = auth_step(l->authd, j->exchange, j->response, deadline_in(AUTH_MS),
		    j->arena, &j->answer, &j->why);
		break;
	case JOB_HANDOVER:
		hand_over(j);
		break;
	case JOB_MECHANISMS:
		ask_mechanisms(j);
		break;
	}
	(void)pthread_mutex_lock(&l->lock);
	STAILQ_INSERT_TAIL(&l->done, j, next);
	(void)pthread_mutex_unlock(&l->lock);
	(void)!write(l->kick, &one, sizeof(one));
}

bool
job_run(struct job *j)
{
	if (!pool_run(j->login->pool, WORK_NEW, run, j)) {
		job_free(j);
		return false;
	}
	j->login->jobs_running++;
	return true;
}

void
jobs_collect(struct login *l)
{
	struct jobs done;
	struct job *j;

	STAILQ_INIT(&done);
	(void)pthread_mutex_lock(&l->lock);
	STAILQ_CONCAT(&done, &l->done);
	(void)pthread_mutex_unlock(&l->lock);
	while ((j = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, next);
		l->jobs_running--;
		if (j->client != NULL) {
			talk_answered(j->client, j);
		} else {
			l->mechanisms_asked = false;
			if (j->outcome == DONE) {
				memcpy(l->mechanisms, j->mechanisms, sizeof(l->mechanisms));
				l->mechanisms_known = true;
				l->mechanisms_ms = clock_ms();
			}
		}
		job_free(j);
	}
}
