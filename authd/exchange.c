/*
 * exchange.c - the way of a login: limits, the row, the password or the SCRAM
 * verifier, the verdict, and what is noted afterwards.
 *
 * Whether a user exists shows nowhere: one row is read for everybody, a
 * password is verified for everybody, a SCRAM challenge is made for
 * everybody, and the refusal is one text.
 */
#include "authd/exchange.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "authd/lastlogin.h"
#include "authd/sasl.h"
#include "base/codec.h"
#include "base/log.h"

#define MAGIC   0xec4a9e01u
#define BUCKETS 1024

struct exchange {
	uint32_t magic;
	uint64_t number, owner;
	int64_t until_ms;
	struct auth *auth;
	struct arena *arena; /* ours: for the row */
	struct sasl_login *sasl;
	unsigned steps;

	/* From the beginning. */
	char service[33], client[65], mechanism[65];
	uint64_t session;
	uint32_t flags;
	bool trusted;

	/* From the questions. */
	struct deadline d; /* of the call that runs */
	struct str user;   /* canonical; empty until the client named it */
	bool found;
	struct account account;
	bool judged; /* failure and delay stand */
	enum outcome failure;
	struct why why;
	uint32_t delay_ms;

	LIST_ENTRY(exchange) bucket;
};

struct exchanges {
	pthread_mutex_t lock;
	LIST_HEAD(, exchange) buckets[BUCKETS];
	size_t count;
};

struct exchanges *
exchanges_new(void)
{
	struct exchanges *e = xcalloc(1, sizeof(*e));

	(void)pthread_mutex_init(&e->lock, NULL);
	return e;
}

static void
exchange_free(struct exchange **exchange)
{
	struct exchange *x = *exchange;

	if (x == NULL)
		return;
	CHECK_MAGIC(x, MAGIC);
	sasl_login_free(&x->sasl);
	arena_free(&x->arena);
	wipe(x, sizeof(*x));
	free(x);
	*exchange = NULL;
}

/* --- the table of those that wait for the client --- */

static enum outcome
keep(struct exchanges *e, struct exchange *x)
{
	enum outcome o = TEMPFAIL;

	(void)pthread_mutex_lock(&e->lock);
	if (e->count < EXCHANGES_MAX) {
		LIST_INSERT_HEAD(&e->buckets[x->number % BUCKETS], x, bucket);
		e->count++;
		o = DONE;
	}
	(void)pthread_mutex_unlock(&e->lock);
	return o;
}

/* Takes it out of the table: its caller alone has it now. */
static struct exchange *
take(struct exchanges *e, uint64_t owner, uint64_t number)
{
	struct exchange *x;

	(void)pthread_mutex_lock(&e->lock);
	LIST_FOREACH (x, &e->buckets[number % BUCKETS], bucket)
		if (x->number == number && x->owner == owner)
			break;
	if (x != NULL) {
		LIST_REMOVE(x, bucket);
		e->count--;
	}
	(void)pthread_mutex_unlock(&e->lock);
	if (x != NULL && clock_ms() > x->until_ms)
		exchange_free(&x);
	return x;
}

void
exchange_abort(struct auth *a, uint64_t owner, uint64_t number)
{
	struct exchange *x = take(a->exchanges, owner, number);

	exchange_free(&x);
}

/* Those of an owner (0: of anybody), or whose time is over. */
static void
clear(struct exchanges *e, uint64_t owner, bool all, int64_t now_ms)
{
	LIST_HEAD(, exchange) gone = LIST_HEAD_INITIALIZER(gone);
	struct exchange *x, *next;

	(void)pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < BUCKETS; i++) {
		for (x = LIST_FIRST(&e->buckets[i]); x != NULL; x = next) {
			next = LIST_NEXT(x, bucket);
			if (!all && x->owner != owner && now_ms <= x->until_ms)
				continue;
			LIST_REMOVE(x, bucket);
			e->count--;
			LIST_INSERT_HEAD(&gone, x, bucket);
		}
	}
	(void)pthread_mutex_unlock(&e->lock);
	while ((x = LIST_FIRST(&gone)) != NULL) {
		LIST_REMOVE(x, bucket);
		exchange_free(&x);
	}
}

void
exchanges_drop(struct auth *a, uint64_t owner)
{
	clear(a->exchanges, owner, false, clock_ms());
}

void
exchanges_sweep(struct auth *a)
{
	clear(a->exchanges, 0, false, clock_ms());
}

void
exchanges_free(struct exchanges **e)
{
	if (*e == NULL)
		return;
	clear(*e, 0, true, 0);
	(void)pthread_mutex_destroy(&(*e)->lock);
	free(*e);
	*e = NULL;
}

/* --- judging --- */

static enum outcome
judge(struct exchange *x, enum outcome o, int code, const char *enhanced, const char *text)
{
	x->judged = true;
	x->failure = fail(o, &x->why, code, enhanced, "%s", text);
	return o;
}

/* 454 4.7.0: RFC 4954 6.  What the database said goes to the log where it was met. */
static enum outcome
not_now(struct exchange *x)
{
	return judge(x, TEMPFAIL, 454, "4.7.0", "Temporary authentication failure");
}

static enum outcome
wrong(struct exchange *x, const struct secret *guess)
{
	x->delay_ms = limits_failed(
	    x->auth->limits, str_of(x->client), x->user, guess, x->trusted, clock_ms());
	return judge(x, PERMFAIL, 535, "5.7.8", "Authentication credentials invalid");
}

/*
 * Limits, then the row.  DONE whether or not there is such a user; x->found
 * says it.
 */
static enum outcome
find_user(struct exchange *x, struct str user)
{
	struct auth *a = x->auth;
	enum outcome o;

	if (!name_lower(str_trim(user), x->arena, &x->user))
		x->user = STR("(not a name)"); /* nobody is called so */
	o = limits_check(a->limits, str_of(x->client), x->user, x->trusted, clock_ms(), &x->why);
	if (o != DONE) {
		atomic_fetch_add(&a->tally.limited, 1);
		x->judged = true;
		x->failure = o;
		return o;
	}
	if (tables_account(a->tables, x->user, x->arena, &x->found, &x->account, x->d, NULL) !=
	    DONE)
		return not_now(x);
	if (x->found && (!x->account.enabled || x->account.password.n == 0)) {
		log_event(LOG_INFO, "auth.closed", kv_id("s", x->session), kv_str("user", x->user),
		    kv_cstr("why", x->account.enabled ? "no password is set" : "switched off"),
		    KV_END);
		x->found = false;
	}
	return DONE;
}

/* What SCRAM needs is made when a password is seen to be right, if it is not there yet. */
static void
make_verifiers(struct exchange *x, const struct secret *password)
{
	for (enum scram_kind k = 0; k < SCRAM_KINDS; k++) {
		struct str have;
		struct buf made;
		char salt[16];

		if (tables_scram(x->auth->tables, x->user, k, x->account.password, x->arena, &have,
			x->d, NULL) != DONE ||
		    have.n > 0)
			continue;
		random_octets(salt, sizeof(salt));
		buf_init(&made, 512);
		if (scram_make(k, password, str_n(salt, sizeof(salt)), SCRAM_ITERATIONS, &made))
			tables_keep_scram(
			    x->auth->tables, x->user, k, x->account.password, buf_str(&made), x->d);
		buf_free(&made);
	}
}

static enum outcome
question_password(void *arg, struct str user, struct str password)
{
	struct exchange *x = arg;
	struct secret s = { 0 };
	bool computed = false;
	enum outcome o;

	CHECK_MAGIC(x, MAGIC);
	o = find_user(x, user);
	if (o != DONE)
		return o;
	/* Too long a password is wrong without hashing (faults.md row 37). */
	if (!secret_set(&s, password))
		return wrong(x, NULL);
	o = verify(x->auth->verifier, x->user, x->found ? x->account.password : STR_NONE, &s, x->d,
	    &computed);
	if (o == PERMFAIL)
		o = wrong(x, &s);
	else if (o != DONE)
		o = not_now(x);
	else if (computed || passwd_is_cheap(x->account.password, "CRYPT"))
		make_verifiers(x, &s);
	secret_free(&s);
	return o;
}

/*
 * For somebody who has no verifier or does not exist: the same salt each
 * time, keys that nothing fits.
 */
static bool
fake_verifier(struct exchange *x, enum scram_kind kind, struct buf *out)
{
	struct str secret = secret_reveal(&x->auth->fake_salt);
	unsigned char salt[32], keys[2][32];
	size_t n = scram_octets(kind);
	char text[AUTH_ADDRESS_MAX + 8];
	int text_n = snprintf(
	    text, sizeof(text), "%d " STR_FMT, kind, STR_ARG(str_first(x->user, AUTH_ADDRESS_MAX)));

	random_octets(keys, sizeof(keys));
	return HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)text,
		   (size_t)text_n, salt, NULL) != NULL &&
	       buf_printf(out, "%d:", SCRAM_ITERATIONS) && base64_put(out, str_n(salt, 16)) &&
	       buf_putc(out, '$') && base64_put(out, str_n(keys[0], n)) && buf_putc(out, ':') &&
	       base64_put(out, str_n(keys[1], n));
}

static enum outcome
question_verifier(void *arg, struct str user, enum scram_kind kind, struct buf *out)
{
	struct exchange *x = arg;
	struct str have;
	enum outcome o;

	CHECK_MAGIC(x, MAGIC);
	o = find_user(x, user);
	if (o != DONE)
		return o;
	/* Asked for everybody, so that it takes as long for everybody. */
	o = tables_scram(x->auth->tables, x->user, kind, x->found ? x->account.password : STR(""),
	    x->arena, &have, x->d, NULL);
	if (o != DONE)
		return not_now(x);
	if (x->found && scram_of_stored(kind, x->account.password, out))
		return DONE;
	if (x->found && have.n > 0)
		return buf_put(out, have) ? DONE : not_now(x);
	if (x->found)
		log_event(LOG_INFO, "auth.noverifier", kv_id("s", x->session),
		    kv_str("user", x->user), kv_cstr("mechanism", scram_name(kind)), KV_END);
	return fake_verifier(x, kind, out) ? DONE : not_now(x);
}

const struct sasl_questions exchange_questions = { question_password, question_verifier };

/* --- from message to verdict --- */

static void
log_end(const struct exchange *x, enum outcome o)
{
	log_event(LOG_INFO, "auth", kv_id("s", x->session), kv_cstr("service", x->service),
	    kv_cstr("mech", x->mechanism), kv_str("user", x->user), kv_cstr("client", x->client),
	    kv_int("tls", (x->flags & AUTH_FLAG_TLS) != 0), kv_cstr("o", outcome_name(o)),
	    kv_int("code", o == DONE ? 235 : x->why.code), KV_END);
}

static enum outcome
passed(struct exchange *x, struct arena *arena, struct login_result *out)
{
	struct auth *a = x->auth;
	struct str home;

	if (!resolve_home(&a->resolver, x->account.address, x->account.home, arena, &home)) {
		log_event(LOG_WARN, "auth.home", kv_str("user", x->user),
		    kv_str("home", x->account.home), KV_END);
		return not_now(x);
	}
	limits_passed(a->limits, str_of(x->client), x->user, x->trusted, clock_ms());
	last_login_note(a->last_logins, x->user, x->service, x->client);
	out->answer.state = AUTH_DONE;
	out->home = (struct auth_home){
		.user = arena_str(arena, x->account.address),
		.home = arena_str(arena, home),
		.host = arena_str(arena, x->account.host),
		.name = arena_str(arena, x->account.name),
		.quota = x->account.quota,
		.quota_messages = x->account.quota_messages,
	};
	return DONE;
}

static void
count(struct auth *a, const struct exchange *x, enum outcome o)
{
	if (o == DONE)
		atomic_fetch_add(&a->tally.logins, 1);
	else if (o == PERMFAIL)
		atomic_fetch_add(&a->tally.refused, 1);
	else if (x->why.code != 454 || x->user.n > 0)
		atomic_fetch_add(&a->tally.deferred, 1);
}

/* The exchange is over, whatever the verdict. */
static enum outcome
end(struct exchange *x, enum sasl_said said, struct arena *arena, struct login_result *out,
    struct why *why)
{
	enum outcome o;

	if (said == SASL_SAID_DONE && x->found && !x->judged)
		o = passed(x, arena, out);
	else if (x->judged)
		o = x->failure;
	else if (said == SASL_SAID_NOMECH)
		o = judge(x, PERMFAIL, 504, "5.5.4", "Mechanism not supported");
	else if (said == SASL_SAID_SYNTAX)
		o = judge(x, PERMFAIL, 501, "5.5.2", "Malformed authentication message");
	else
		o = wrong(x, NULL);
	if (o != DONE) {
		out->answer.state = AUTH_REFUSED;
		out->answer.delay_ms = x->delay_ms;
		if (why != NULL)
			*why = x->why;
	}
	count(x->auth, x, o);
	log_end(x, o);
	exchange_free(&x);
	return o;
}

/* Wait for the client's next message, or end. */
static enum outcome
go_on(struct exchange *x, enum sasl_said said, struct str challenge, struct arena *arena,
    struct login_result *out, struct why *why)
{
	if (said != SASL_SAID_MORE || x->judged)
		return end(x, said, arena, out, why);
	if (++x->steps > EXCHANGE_STEPS)
		return end(x, SASL_SAID_SYNTAX, arena, out, why);
	out->answer.state = AUTH_MORE;
	out->answer.exchange = x->number;
	out->answer.challenge = arena_str(arena, challenge);
	if (keep(x->auth->exchanges, x) == DONE)
		return DONE;
	(void)not_now(x);
	return end(x, SASL_SAID_NO, arena, out, why);
}

/* Is this mechanism to be had on this connection? */
static enum outcome
mechanism_allowed(struct exchange *x, struct str mechanism)
{
	const struct conf *c = x->auth->conf;
	struct str name = mechanism;
	bool known = false;

	if (name.n > 5 && str_eq_nocase(str_from(name, name.n - 5), STR("-PLUS")))
		name = str_first(name, name.n - 5);
	for (size_t i = 0; i < c->sasl_mechanisms.n; i++)
		known = known || str_eq_nocase(name, str_of(c->sasl_mechanisms.items[i]));
	if (!known)
		return judge(x, PERMFAIL, 504, "5.5.4", "Mechanism not supported");
	if ((str_eq_nocase(name, STR("PLAIN")) || str_eq_nocase(name, STR("LOGIN"))) &&
	    !auth_may_show_password(x->auth, x->flags, str_of(x->client)))
		return judge(x, PERMFAIL, 538, "5.7.11", "This mechanism needs TLS");
	return DONE;
}

enum outcome
exchange_start(struct auth *a, uint64_t owner, const struct auth_begin *b, struct arena *arena,
    struct login_result *out, struct deadline d, struct why *why)
{
	bool initial = (b->flags & AUTH_FLAG_INITIAL) != 0;
	struct exchange *x = xcalloc(1, sizeof(*x));
	struct str challenge = STR("");
	enum sasl_said said;

	*out = (struct login_result){ .answer.state = AUTH_REFUSED };
	x->magic = MAGIC;
	x->number = random_u64();
	x->owner = owner;
	x->until_ms = clock_ms() + AUTH_EXCHANGE_MS;
	x->auth = a;
	x->arena = arena_new(256 * 1024);
	x->session = b->session;
	x->flags = b->flags;
	x->d = d;
	(void)snprintf(x->service, sizeof(x->service), STR_FMT, STR_ARG(b->service));
	(void)snprintf(x->client, sizeof(x->client), STR_FMT, STR_ARG(b->client));
	(void)snprintf(x->mechanism, sizeof(x->mechanism), STR_FMT, STR_ARG(b->mechanism));
	x->trusted = auth_is_trusted(a, b->client);
	if (mechanism_allowed(x, b->mechanism) != DONE)
		return end(x, SASL_SAID_NOMECH, arena, out, why);
	x->sasl = sasl_login_new(b, a->host, x);
	if (x->sasl == NULL) {
		(void)not_now(x);
		return end(x, SASL_SAID_NO, arena, out, why);
	}
	said = sasl_login_start(x->sasl, b->mechanism, initial ? &b->initial : NULL, &challenge);
	return go_on(x, said, challenge, arena, out, why);
}

enum outcome
exchange_step(struct auth *a, uint64_t owner, uint64_t number, struct str response,
    struct arena *arena, struct login_result *out, struct deadline d, struct why *why)
{
	struct exchange *x = take(a->exchanges, owner, number);
	struct str challenge = STR("");
	enum sasl_said said;

	*out = (struct login_result){ .answer.state = AUTH_REFUSED };
	if (x == NULL)
		return fail(PERMFAIL, why, 535, "5.7.8", "Authentication took too long");
	x->d = d;
	said = sasl_login_step(x->sasl, response, &challenge);
	return go_on(x, said, challenge, arena, out, why);
}
