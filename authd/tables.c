#include "authd/tables.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"

#define PACKED_MAX 16384

/* One remembered answer: facts and the texts they point to, in one block. */
struct remembered {
	int64_t until_ms;
	char *key; /* ours */
	struct facts facts;
	void *block; /* ours: arrays and texts */
};

struct tables {
	struct db_pool *pool;
	struct profile *profile;
	const struct statement *route, *login, *send_as, *any_password;
	const struct statement *scram_read, *scram_write, *scram_missing, *login_count;

	pthread_mutex_t lock; /* guards what follows; held for copying only */
	struct remembered remembered[FACTS_ENTRIES];
};

enum outcome
tables_new(struct db_pool *pool, struct profile *profile, struct tables **out, struct why *why)
{
	struct tables *t = xcalloc(1, sizeof(*t));
	enum outcome o;

	t->pool = pool;
	t->profile = profile;
	(void)pthread_mutex_init(&t->lock, NULL);
	o = profile_need(profile, "route", &t->route, why);
	if (o == DONE)
		o = profile_need(profile, "login", &t->login, why);
	t->send_as = profile_find(profile, "send_as");
	t->any_password = profile_find(profile, "any_password");
	t->scram_read = profile_find(profile, "scram_read");
	t->scram_write = profile_find(profile, "scram_write");
	t->scram_missing = profile_find(profile, "scram_missing");
	t->login_count = profile_find(profile, "login_count");
	if (o != DONE)
		tables_free(&t);
	*out = t;
	return o;
}

static void
forget(struct remembered *m)
{
	free(m->key);
	free(m->block);
	*m = (struct remembered){ 0 };
}

void
tables_free(struct tables **tables)
{
	struct tables *t = *tables;

	if (t == NULL)
		return;
	for (size_t i = 0; i < FACTS_ENTRIES; i++)
		forget(&t->remembered[i]);
	profile_free(&t->profile);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
	*tables = NULL;
}

struct db_pool *
tables_pool(struct tables *t)
{
	return t->pool;
}

/* --- remembering facts --- */

static struct str
pack_text(char **to, struct str s)
{
	struct str out = str_n(*to, s.n);

	if (s.n > 0)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return out;
}

static size_t
texts_size(const struct facts *f)
{
	size_t n = f->alias_of.n;

	for (size_t i = 0; i < f->mailbox_count; i++)
		n += f->mailboxes[i].address.n + f->mailboxes[i].home.n + f->mailboxes[i].host.n;
	for (size_t i = 0; i < f->alias_count; i++)
		n += f->aliases[i].source.n + f->aliases[i].destination.n;
	return n;
}

/* A copy of facts in one block: its arrays first, their texts behind.  block has packed_size. */
static size_t
packed_size(const struct facts *f)
{
	return f->mailbox_count * sizeof(*f->mailboxes) + f->alias_count * sizeof(*f->aliases) +
	       texts_size(f) + 1;
}

static struct facts
pack(const struct facts *f, void *block)
{
	struct fact_mailbox *m = block;
	struct fact_alias *al = (struct fact_alias *)(m + f->mailbox_count);
	char *text = (char *)(al + f->alias_count);
	struct facts out = *f;

	out.alias_of = pack_text(&text, f->alias_of);
	for (size_t i = 0; i < f->mailbox_count; i++) {
		m[i] = f->mailboxes[i];
		m[i].address = pack_text(&text, f->mailboxes[i].address);
		m[i].home = pack_text(&text, f->mailboxes[i].home);
		m[i].host = pack_text(&text, f->mailboxes[i].host);
	}
	for (size_t i = 0; i < f->alias_count; i++) {
		al[i] = f->aliases[i];
		al[i].source = pack_text(&text, f->aliases[i].source);
		al[i].destination = pack_text(&text, f->aliases[i].destination);
	}
	out.mailboxes = m;
	out.aliases = al;
	return out;
}

static void
remember(struct tables *t, struct str key, const struct facts *f)
{
	struct remembered *m = &t->remembered[hash_str(key) % FACTS_ENTRIES];
	size_t n = packed_size(f);
	struct remembered fresh;

	if (n > PACKED_MAX)
		return;
	fresh.block = xmalloc(n);
	fresh.key = str_dup(key);
	fresh.facts = pack(f, fresh.block);
	fresh.until_ms = clock_ms() + FACTS_MS;
	(void)pthread_mutex_lock(&t->lock);
	forget(m);
	*m = fresh;
	(void)pthread_mutex_unlock(&t->lock);
}

static bool
recall(struct tables *t, struct str key, struct arena *a, struct facts *out)
{
	struct remembered *m = &t->remembered[hash_str(key) % FACTS_ENTRIES];
	bool good;

	(void)pthread_mutex_lock(&t->lock);
	good = m->key != NULL && m->until_ms > clock_ms() && str_eq(str_of(m->key), key);
	if (good)
		*out = pack(&m->facts, arena_alloc(a, packed_size(&m->facts)));
	(void)pthread_mutex_unlock(&t->lock);
	return good;
}

/* --- the route --- */

static uint64_t
amount(const struct db_result *r, size_t row, const char *column)
{
	int64_t v = db_cell_int(r, row, column, 0);

	return v > 0 ? (uint64_t)v : 0;
}

static void
take_row(const struct db_result *r, size_t row, struct facts *f, struct fact_mailbox *m,
    struct fact_alias *al, struct str domain)
{
	struct str kind = db_cell(r, row, "kind"), address = db_cell(r, row, "address");
	bool enabled = db_cell_int(r, row, "enabled", 1) != 0;

	if (str_eq(kind, STR("d"))) {
		/* A collation may have taken another domain for this one. */
		if (!str_eq_nocase(address, domain))
			return;
		f->domain_known = true;
		f->domain_enabled = enabled;
		f->alias_of = db_cell(r, row, "target");
	} else if (str_eq(kind, STR("m"))) {
		m[f->mailbox_count++] = (struct fact_mailbox){
			.address = address,
			.home = db_cell(r, row, "home"),
			.host = db_cell(r, row, "host"),
			.quota = amount(r, row, "quota"),
			.quota_messages = amount(r, row, "quota_messages"),
			.enabled = enabled,
		};
	} else if (str_eq(kind, STR("a"))) {
		al[f->alias_count++] = (struct fact_alias){
			.source = address,
			.destination = db_cell(r, row, "target"),
			.enabled = enabled,
			.send_as = db_cell_int(r, row, "send_as", 1) != 0,
		};
	}
}

enum outcome
tables_look_up(void *arg, const struct name *n, struct arena *a, struct facts *out,
    struct deadline d, struct why *why)
{
	const struct db_param params[] = { db_text_param("address", n->address),
		db_text_param("base", n->base), db_text_param("catchall", n->catchall),
		db_text_param("domain", n->domain) };
	struct tables *t = arg;
	struct fact_mailbox *m;
	struct fact_alias *al;
	struct db_result r;
	enum outcome o;

	if (recall(t, n->address, a, out))
		return DONE;
	*out = (struct facts){ 0 };
	o = db_query(t->pool, t->route, params, COUNT_OF(params), a, &r, d, why);
	if (o != DONE)
		return o;
	if (r.truncated)
		return fail(TEMPFAIL, why, 451, "4.3.0", "Too many rows for one address");
	out->mailboxes = m = arena_array(a, r.row_count, sizeof(*m));
	out->aliases = al = arena_array(a, r.row_count, sizeof(*al));
	for (size_t i = 0; i < r.row_count; i++)
		take_row(&r, i, out, m, al, n->domain);
	remember(t, n->address, out);
	return DONE;
}

enum outcome
tables_permitted(void *arg, struct str user, const struct name *sender, struct arena *a, bool *yes,
    struct deadline d, struct why *why)
{
	const struct db_param params[] = { db_text_param("login", user),
		db_text_param("address", sender->base),
		db_text_param("domain_wide", sender->catchall) };
	struct tables *t = arg;
	struct db_result r;
	enum outcome o;

	*yes = false;
	if (t->send_as == NULL)
		return DONE;
	o = db_query(t->pool, t->send_as, params, COUNT_OF(params), a, &r, d, why);
	for (size_t i = 0; o == DONE && i < r.row_count; i++) {
		struct str got = db_cell(&r, i, "address");

		if (str_eq(got, sender->base) || str_eq(got, sender->catchall))
			*yes = true;
	}
	return o;
}

/* --- logins --- */

enum outcome
tables_account(struct tables *t, struct str address, struct arena *a, bool *found,
    struct account *out, struct deadline d, struct why *why)
{
	const struct db_param params[] = { db_text_param("address", address) };
	struct db_result r;
	enum outcome o;

	*found = false;
	*out = (struct account){ 0 };
	o = db_query(t->pool, t->login, params, COUNT_OF(params), a, &r, d, why);
	for (size_t i = 0; o == DONE && !*found && i < r.row_count; i++) {
		struct str lower;

		if (!name_lower(db_cell(&r, i, "address"), a, &lower) || !str_eq(lower, address))
			continue;
		*found = true;
		*out = (struct account){
			.address = lower,
			.password = db_cell(&r, i, "password"),
			.home = db_cell(&r, i, "home"),
			.host = db_cell(&r, i, "host"),
			.name = db_cell(&r, i, "name"),
			.quota = amount(&r, i, "quota"),
			.quota_messages = amount(&r, i, "quota_messages"),
			.enabled = db_cell_int(&r, i, "enabled", 1) != 0 &&
				   db_cell_int(&r, i, "domain_enabled", 1) != 0,
		};
	}
	return o;
}

struct str
tables_any_password(struct tables *t, struct arena *a, struct deadline d)
{
	struct db_result r;

	if (t->any_password == NULL ||
	    db_query(t->pool, t->any_password, NULL, 0, a, &r, d, NULL) != DONE)
		return STR_NONE;
	return db_cell(&r, 0, "password");
}

static void
fingerprint(struct str stored, char hex[65])
{
	unsigned char digest[32];
	struct buf b;

	scram_made_for(stored, digest);
	buf_init(&b, 64);
	(void)hex_put(&b, digest, sizeof(digest));
	(void)snprintf(hex, 65, "%s", buf_cstr(&b));
	buf_free(&b);
}

enum outcome
tables_scram(struct tables *t, struct str address, enum scram_kind kind, struct str stored,
    struct arena *a, struct str *verifier, struct deadline d, struct why *why)
{
	const struct db_param params[] = { db_text_param("address", address) };
	struct db_result r;
	enum outcome o;
	char want[65];

	*verifier = STR_NONE;
	if (t->scram_read == NULL)
		return DONE;
	o = db_query(t->pool, t->scram_read, params, COUNT_OF(params), a, &r, d, why);
	fingerprint(stored, want);
	for (size_t i = 0; o == DONE && i < r.row_count; i++)
		if (str_eq(db_cell(&r, i, "mechanism"), str_of(scram_name(kind))) &&
		    str_eq_nocase(db_cell(&r, i, "made_for"), str_of(want)))
			*verifier = db_cell(&r, i, "verifier");
	return o;
}

void
tables_keep_scram(struct tables *t, struct str address, enum scram_kind kind, struct str stored,
    struct str verifier, struct deadline d)
{
	struct arena *a = arena_new(64 * 1024);
	struct db_result r;
	char made_for[65];

	fingerprint(stored, made_for);
	if (t->scram_write != NULL) {
		const struct db_param params[] = { db_text_param("address", address),
			db_text_param("mechanism", str_of(scram_name(kind))),
			db_text_param("verifier", verifier),
			db_text_param("made_for", str_of(made_for)) };

		if (db_query(t->pool, t->scram_write, params, COUNT_OF(params), a, &r, d, NULL) !=
		    DONE) {
			/* The pool has logged it; the next login writes it. */
		}
	}
	arena_free(&a);
}

bool
tables_scram_missing(struct tables *t, enum scram_kind kind, struct deadline d)
{
	const struct db_param params[] = { db_text_param("mechanism", str_of(scram_name(kind))) };
	struct arena *a;
	struct db_result r;
	bool missing = true;

	if (t->scram_missing == NULL)
		return true;
	a = arena_new(64 * 1024);
	if (db_query(t->pool, t->scram_missing, params, COUNT_OF(params), a, &r, d, NULL) == DONE)
		missing = db_cell_int(&r, 0, "missing", 1) != 0;
	arena_free(&a);
	return missing;
}

void
tables_count_logins(struct tables *t, const struct login_note *notes, size_t n, struct deadline d)
{
	enum db_health health = DB_WELL;
	struct db_result r;
	struct arena *a;
	struct db *db;
	enum outcome o;

	if (t->login_count == NULL || db_take(t->pool, &db, d, NULL) != DONE)
		return;
	a = arena_new(64 * 1024);
	o = db_script(db, STR("START TRANSACTION"), NULL, NULL);
	for (size_t i = 0; o == DONE && i < n; i++) {
		const struct db_param params[] = { db_text_param(
						       "address", str_of(notes[i].address)),
			db_text_param("service", str_of(notes[i].service)),
			db_text_param("remote", str_of(notes[i].remote)) };

		o = db_run(db, t->login_count, params, COUNT_OF(params), a, &r, &health, NULL);
		arena_reset(a);
	}
	if (o == DONE)
		o = db_script(db, STR("COMMIT"), NULL, NULL);
	/* A transaction left open ends with its connection. */
	db_give(t->pool, &db, o == DONE ? health : DB_LOST);
	arena_free(&a);
}
