/*
 * dns.c - libunbound with deadlines.
 *
 * libunbound resolves on a thread of its own; ours waits on its descriptor
 * and hands answers to those who asked.  Who gives up at the deadline cancels.
 * A query belongs to two, the asker and libunbound's callback, and the last
 * of them frees it: ub_cancel says whether the callback will still come.
 */
#include "run/dns.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <unbound.h>

#include "base/log.h"

#define TYPE_A    1
#define TYPE_PTR  12
#define TYPE_MX   15
#define TYPE_TXT  16
#define TYPE_AAAA 28
#define CLASS_IN  1

#define STACK_OCTETS (256 * 1024)

struct dns {
	struct ub_ctx *ub;
	pthread_t thread;
	int end; /* eventfd: the thread ends */
	pthread_mutex_t lock;
	pthread_cond_t answered;
};

struct query {
	struct dns *dns;
	unsigned refs;
	bool done;
	struct ub_result *result; /* ours; NULL: failed */
};

/* --- the thread --- */

static void *
take_answers(void *arg)
{
	struct dns *d = arg;
	struct pollfd fds[2] = {
		{ .fd = ub_fd(d->ub), .events = POLLIN },
		{ .fd = d->end, .events = POLLIN },
	};

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[1].revents != 0)
			return NULL;
		if (fds[0].revents != 0 && ub_process(d->ub) != 0)
			log_say(LOG_WARN, "DNS: answers could not be taken in");
	}
	log_fatal("DNS: poll: errno %d", errno);
}

static void
query_unref(struct query *q)
{
	struct dns *d = q->dns;
	bool last;

	(void)pthread_mutex_lock(&d->lock);
	last = --q->refs == 0;
	(void)pthread_mutex_unlock(&d->lock);
	if (!last)
		return;
	if (q->result != NULL)
		ub_resolve_free(q->result);
	free(q);
}

static void
on_answer(void *arg, int error, struct ub_result *result)
{
	struct query *q = arg;
	struct dns *d = q->dns;

	(void)pthread_mutex_lock(&d->lock);
	q->done = true;
	q->result = error == 0 ? result : NULL;
	(void)pthread_cond_broadcast(&d->answered);
	(void)pthread_mutex_unlock(&d->lock);
	if (error != 0 && result != NULL)
		ub_resolve_free(result);
	query_unref(q);
}

/* --- asking --- */

struct question {
	struct query *query; /* NULL: it could not be asked */
	int id;
};

static struct question
ask(struct dns *d, struct str name, int type)
{
	struct question asked = { 0 };
	char text[DNS_NAME_MAX + 2];
	struct query *q;

	if (name.n == 0 || name.n > DNS_NAME_MAX || str_chr(name, '\0') >= 0)
		return asked;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	q = xcalloc(1, sizeof(*q));
	q->dns = d;
	q->refs = 2;
	if (ub_resolve_async(d->ub, text, type, CLASS_IN, q, on_answer, &asked.id) != 0) {
		free(q);
		return asked;
	}
	asked.query = q;
	return asked;
}

/* The answer, or NULL at the deadline.  The question is over; release with answer_free. */
static struct ub_result *
wait_answer(struct question *asked, struct deadline by)
{
	struct query *q = asked->query;
	struct dns *d;
	struct timespec at = { .tv_sec = (time_t)(by.at_ms / 1000),
		.tv_nsec = (long)(by.at_ms % 1000) * 1000000 };
	bool done;

	if (q == NULL)
		return NULL;
	d = q->dns;
	(void)pthread_mutex_lock(&d->lock);
	while (!q->done && pthread_cond_timedwait(&d->answered, &d->lock, &at) != ETIMEDOUT)
		continue;
	done = q->done;
	(void)pthread_mutex_unlock(&d->lock);
	if (!done && ub_cancel(d->ub, asked->id) == 0)
		query_unref(q); /* the callback's share: it will not come */
	return done ? q->result : NULL;
}

static void
answer_free(struct question *asked)
{
	if (asked->query != NULL)
		query_unref(asked->query);
	asked->query = NULL;
}

static enum dns_answer
verdict(const struct ub_result *r)
{
	if (r == NULL || r->bogus)
		return DNS_LATER;
	if (r->nxdomain)
		return DNS_NO_NAME;
	if (r->rcode != 0)
		return DNS_LATER;
	return r->havedata ? DNS_FOUND : DNS_EMPTY;
}

static struct str
record(const struct ub_result *r, size_t i)
{
	if (r->data[i] == NULL || r->len[i] < 0)
		return STR_NONE;
	return str_n(r->data[i], (size_t)r->len[i]);
}

static bool
name_octet(char c)
{
	return ascii_alnum(c) || c == '-' || c == '_';
}

bool
dns_wire_name(struct str *data, struct arena *arena, struct str *out)
{
	char text[DNS_NAME_MAX + 2];
	struct str rest = *data;
	size_t n = 0;

	while (rest.n > 0 && rest.p[0] != 0) {
		size_t label = (unsigned char)rest.p[0];

		if (label > 63 || label >= rest.n || n + label + 1 > DNS_NAME_MAX + 1)
			return false;
		for (size_t i = 1; i <= label; i++) {
			if (!name_octet(rest.p[i]))
				return false;
			text[n++] = ascii_lower(rest.p[i]);
		}
		text[n++] = '.';
		rest = str_from(rest, label + 1);
	}
	if (rest.n == 0)
		return false; /* it does not end */
	*data = str_from(rest, 1);
	*out = arena_str(arena, str_n(text, n > 0 ? n - 1 : 0));
	return true;
}

/* --- MX --- */

static void
sort_mx(struct dns_mx *mx, size_t n)
{
	/* By insertion: few, and those of one preference keep their order. */
	for (size_t i = 1; i < n; i++) {
		struct dns_mx one = mx[i];
		size_t k = i;

		while (k > 0 && mx[k - 1].preference > one.preference) {
			mx[k] = mx[k - 1];
			k--;
		}
		mx[k] = one;
	}
}

enum dns_answer
dns_mx(struct dns *d, struct str domain, struct deadline by, struct arena *arena,
    struct dns_mx **out, size_t *count)
{
	struct question asked = ask(d, domain, TYPE_MX);
	struct ub_result *r = wait_answer(&asked, by);
	enum dns_answer answer = verdict(r);
	struct dns_mx *mx;
	size_t n = 0;

	*out = NULL;
	*count = 0;
	if (answer == DNS_FOUND) {
		mx = arena_array(arena, DNS_MX_MAX, sizeof(*mx));
		for (size_t i = 0; r->data[i] != NULL && n < DNS_MX_MAX; i++) {
			struct str data = record(r, i), host = str_from(data, 2);

			if (data.n < 3 || !dns_wire_name(&host, arena, &mx[n].host))
				continue;
			mx[n].preference =
			    (uint16_t)((unsigned char)data.p[0] << 8 | (unsigned char)data.p[1]);
			n++;
		}
		sort_mx(mx, n);
		*out = mx;
		*count = n;
		/* Records, but none we can use: the domain's mistake, perhaps mended later. */
		if (n == 0)
			answer = DNS_LATER;
	}
	answer_free(&asked);
	return answer;
}

/* --- addresses --- */

static void
take_addresses(const struct ub_result *r, int family, struct dns_address *out, size_t *n)
{
	size_t octets = family == AF_INET ? 4 : 16;

	for (size_t i = 0; r->data[i] != NULL && *n < DNS_ADDRESSES_MAX; i++) {
		struct str data = record(r, i);

		if (data.n != octets)
			continue;
		memset(&out[*n], 0, sizeof(out[*n]));
		out[*n].family = family;
		memcpy(out[*n].octets, data.p, octets);
		(*n)++;
	}
}

/* Two answers about one name: what is found counts, then what may yet be found. */
static enum dns_answer
both(enum dns_answer a, enum dns_answer b)
{
	if (a == DNS_FOUND || b == DNS_FOUND)
		return DNS_FOUND;
	if (a == DNS_LATER || b == DNS_LATER)
		return DNS_LATER;
	return a == DNS_NO_NAME && b == DNS_NO_NAME ? DNS_NO_NAME : DNS_EMPTY;
}

enum dns_answer
dns_addresses(struct dns *d, struct str host, struct deadline by, struct arena *arena,
    struct dns_address **out, size_t *count)
{
	struct question six = ask(d, host, TYPE_AAAA), four = ask(d, host, TYPE_A);
	struct ub_result *r6 = wait_answer(&six, by), *r4 = wait_answer(&four, by);
	enum dns_answer answer6 = verdict(r6), answer4 = verdict(r4);

	*out = arena_array(arena, DNS_ADDRESSES_MAX, sizeof(**out));
	*count = 0;
	if (answer6 == DNS_FOUND)
		take_addresses(r6, AF_INET6, *out, count);
	if (answer4 == DNS_FOUND)
		take_addresses(r4, AF_INET, *out, count);
	answer_free(&six);
	answer_free(&four);
	if (both(answer6, answer4) == DNS_FOUND && *count == 0)
		return DNS_EMPTY;
	return both(answer6, answer4);
}

/* --- text --- */

static bool
join_strings(struct str data, struct arena *arena, struct str *out)
{
	char *text = arena_alloc(arena, data.n + 1);
	size_t n = 0;

	while (data.n > 0) {
		size_t one = (unsigned char)data.p[0];

		if (one >= data.n)
			return false;
		memcpy(text + n, data.p + 1, one);
		n += one;
		data = str_from(data, one + 1);
	}
	*out = str_n(text, n);
	return true;
}

enum dns_answer
dns_txt(struct dns *d, struct str name, struct deadline by, struct arena *arena, struct str **out,
    size_t *count)
{
	struct question asked = ask(d, name, TYPE_TXT);
	struct ub_result *r = wait_answer(&asked, by);
	enum dns_answer answer = verdict(r);
	size_t octets = 0;

	*out = NULL;
	*count = 0;
	if (answer == DNS_FOUND) {
		*out = arena_array(arena, DNS_TXT_RECORDS, sizeof(**out));
		for (size_t i = 0; r->data[i] != NULL && *count < DNS_TXT_RECORDS; i++) {
			struct str data = record(r, i);

			octets += data.n;
			if (octets > DNS_TXT_MAX)
				break;
			if (join_strings(data, arena, &(*out)[*count]))
				(*count)++;
		}
		if (*count == 0)
			answer = DNS_EMPTY;
	}
	answer_free(&asked);
	return answer;
}

/* --- names of addresses --- */

static struct str
reverse_name(const struct dns_address *a, char text[static 80])
{
	size_t n = 0;

	if (a->family == AF_INET) {
		n = (size_t)snprintf(text, 80, "%u.%u.%u.%u.in-addr.arpa", a->octets[3],
		    a->octets[2], a->octets[1], a->octets[0]);
		return str_n(text, n);
	}
	for (size_t i = 16; i-- > 0;) {
		n += (size_t)snprintf(
		    text + n, 80 - n, "%x.%x.", a->octets[i] & 15, a->octets[i] >> 4);
	}
	n += (size_t)snprintf(text + n, 80 - n, "ip6.arpa");
	return str_n(text, n);
}

enum dns_answer
dns_names(struct dns *d, const struct dns_address *a, struct deadline by, struct arena *arena,
    struct str **out, size_t *count)
{
	char text[80];
	struct question asked = ask(d, reverse_name(a, text), TYPE_PTR);
	struct ub_result *r = wait_answer(&asked, by);
	enum dns_answer answer = verdict(r);

	*out = NULL;
	*count = 0;
	if (answer == DNS_FOUND) {
		*out = arena_array(arena, DNS_ADDRESSES_MAX, sizeof(**out));
		for (size_t i = 0; r->data[i] != NULL && *count < DNS_ADDRESSES_MAX; i++) {
			struct str data = record(r, i);

			if (dns_wire_name(&data, arena, &(*out)[*count]) && (*out)[*count].n > 0)
				(*count)++;
		}
		if (*count == 0)
			answer = DNS_EMPTY;
	}
	answer_free(&asked);
	return answer;
}

#define VERIFY_NAMES_MAX 3 /* names of one address that are looked up again */

enum dns_answer
dns_verified_name(struct dns *d, const struct dns_address *a, struct deadline by,
    struct arena *arena, struct str *out)
{
	struct str *names;
	size_t count;
	enum dns_answer answer = dns_names(d, a, by, arena, &names, &count), last = DNS_EMPTY;

	if (answer != DNS_FOUND)
		return answer;
	for (size_t i = 0; i < MIN(count, (size_t)VERIFY_NAMES_MAX); i++) {
		struct dns_address *addresses;
		size_t n;

		last = dns_addresses(d, names[i], by, arena, &addresses, &n);
		for (size_t k = 0; k < n; k++)
			if (addresses[k].family == a->family &&
			    memcmp(addresses[k].octets, a->octets, sizeof(a->octets)) == 0) {
				*out = names[i];
				return DNS_FOUND;
			}
	}
	return last == DNS_LATER ? DNS_LATER : DNS_EMPTY;
}

bool
dns_address_of(const struct sockaddr *sa, struct dns_address *out)
{
	memset(out, 0, sizeof(*out));
	if (sa->sa_family == AF_INET) {
		out->family = AF_INET;
		memcpy(out->octets, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		const struct in6_addr *six =
		    &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(six)) {
			out->family = AF_INET;
			memcpy(out->octets, six->s6_addr + 12, 4);
		} else {
			out->family = AF_INET6;
			memcpy(out->octets, six->s6_addr, 16);
		}
		return true;
	}
	return false;
}

/* --- life --- */

static bool
configure(struct ub_ctx *ub, const char *server)
{
	/* On a thread, not in a forked process. */
	if (ub_ctx_async(ub, 1) != 0)
		return false;
	/* Failures that pass (a resolver restarted) should not be remembered for long. */
	(void)ub_ctx_set_option(ub, "cache-max-negative-ttl:", "60");
	(void)ub_ctx_set_option(ub, "infra-host-ttl:", "60");
	if (server[0] != '\0') {
		/* It may stand on this machine, which unbound else never asks. */
		(void)ub_ctx_set_option(ub, "do-not-query-localhost:", "no");
		return ub_ctx_set_fwd(ub, server) == 0;
	}
	(void)ub_ctx_set_option(ub, "do-not-query-localhost:", "no");
	if (ub_ctx_resolvconf(ub, NULL) != 0)
		log_say(LOG_WARN, "DNS: no /etc/resolv.conf: asking from the root on");
	(void)ub_ctx_hosts(ub, NULL);
	return true;
}

struct dns *
dns_new(const char *server)
{
	struct dns *d = xcalloc(1, sizeof(*d));
	pthread_condattr_t cond;
	pthread_attr_t attr;
	sigset_t all, old;
	int error;

	d->ub = ub_ctx_create();
	d->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->ub == NULL || d->end < 0 || !configure(d->ub, server)) {
		log_say(LOG_WARN, "DNS: libunbound cannot be set up with \"%s\"", server);
		if (d->ub != NULL)
			ub_ctx_delete(d->ub);
		fd_close(&d->end);
		free(d);
		return NULL;
	}
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_condattr_init(&cond);
	(void)pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&d->answered, &cond);
	(void)pthread_condattr_destroy(&cond);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_OCTETS);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&d->thread, &attr, take_answers, d);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	if (error != 0)
		log_fatal("DNS: no thread: errno %d", error);
	return d;
}

void
dns_free(struct dns **dp)
{
	struct dns *d = *dp;
	uint64_t one = 1;

	if (d == NULL)
		return;
	(void)!write(d->end, &one, sizeof(one));
	(void)pthread_join(d->thread, NULL);
	ub_ctx_delete(d->ub);
	fd_close(&d->end);
	(void)pthread_cond_destroy(&d->answered);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
	*dp = NULL;
}
