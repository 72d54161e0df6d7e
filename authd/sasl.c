/*
 * sasl.c - see sasl.h for the fence.
 *
 * How libsasl2 comes to our answers: PLAIN and LOGIN call sparams->checkpass,
 * which calls our SERVER_USERDB_CHECKPASS callback; SCRAM asks for the
 * property "*authPassword", which our auxprop plug-in sets to
 * SCRAM-SHA-n$verifier (RFC 5803).  The plug-in finds the login it works for
 * in the context of that same callback.
 */
#include "authd/sasl.h"

#include <pthread.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define MAGIC 0x5a51106bu

struct sasl_login {
	uint32_t magic;
	sasl_conn_t *conn;
	sasl_callback_t callbacks[5];
	void *arg; /* for the questions */
	struct {
		char type[64];
		unsigned char data[AUTH_BINDING_MAX];
		size_t n;
	} bindings[AUTH_BINDINGS_MAX];
	size_t binding_count;
	sasl_channel_binding_t binding; /* the one in use */
	enum scram_kind kind;
	bool scram;
	bool spoken; /* the client's first message was seen */
	bool ended;
};

static const struct sasl_questions *ask;

/* --- what the library wants from its surroundings --- */

static void *
mutex_new(void)
{
	pthread_mutex_t *m = xmalloc(sizeof(*m));

	(void)pthread_mutex_init(m, NULL);
	return m;
}

static int
mutex_lock(void *m)
{
	return m != NULL && pthread_mutex_lock(m) != 0 ? SASL_FAIL : SASL_OK;
}

static int
mutex_unlock(void *m)
{
	return m != NULL && pthread_mutex_unlock(m) != 0 ? SASL_FAIL : SASL_OK;
}

static void
mutex_free(void *m)
{
	if (m != NULL)
		(void)pthread_mutex_destroy(m);
	free(m);
}

/* No file is read: every option the library asks for is answered here. */
static int
option(void *context, const char *plugin, const char *name, const char **out, unsigned *length)
{
	static const char *const values[][2] = {
		{ "mech_list", "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256" },
		{ "pwcheck_method", "none" },
		{ "auxprop_plugin", "postroom" },
		{ "auto_transition", "no" },
		{ "canon_user_plugin", "INTERNAL" },
		{ "log_level", "1" },
	};

	for (size_t i = 0; i < COUNT_OF(values); i++) {
		if (strcmp(name, values[i][0]) == 0) {
			*out = values[i][1];
			if (length != NULL)
				*length = (unsigned)strlen(values[i][1]);
			return SASL_OK;
		}
	}
	return SASL_FAIL;
}

static int
library_log(void *context, int level, const char *message)
{
	/* That there is nobody else to ask is what we want, and said with every refused password.
	 */
	if (level <= SASL_LOG_ERR && strstr(message, "unknown password verifier") == NULL)
		log_event(LOG_WARN, "sasl", kv_cstr("text", message), KV_END);
	return SASL_OK;
}

/* Which plug-ins may be loaded. */
static int
may_load(void *context, const char *file, sasl_verify_type_t type)
{
	static const char *const ours[] = { "libplain.", "liblogin.", "libscram." };

	if (type != SASL_VRFY_PLUGIN)
		return SASL_OK;
	for (size_t i = 0; i < COUNT_OF(ours); i++)
		if (strstr(file, ours[i]) != NULL)
			return SASL_OK;
	return SASL_CONTINUE;
}

/* --- the questions --- */

static int
check_password(sasl_conn_t *conn, void *context, const char *user, const char *password,
    unsigned length, struct propctx *props)
{
	struct sasl_login *l = context;

	CHECK_MAGIC(l, MAGIC);
	if (ask->password(l->arg, str_of(user), str_n(password, length)) == DONE)
		return SASL_OK;
	return SASL_BADAUTH;
}

/* Nobody acts for another (RFC 4616 2: the server checks the authorization identity). */
static int
proxy_policy(sasl_conn_t *conn, void *context, const char *requested, unsigned requested_n,
    const char *user, unsigned user_n, const char *realm, unsigned realm_n, struct propctx *props)
{
	if (str_eq_nocase(str_n(requested, requested_n), str_n(user, user_n)))
		return SASL_OK;
	return SASL_NOAUTHZ;
}

/* Names stay as they are: ours is the only table that knows how they compare. */
static int
canonical(sasl_conn_t *conn, void *context, const char *in, unsigned n, unsigned flags,
    const char *realm, char *out, unsigned room, unsigned *out_n)
{
	if (n == 0 || n >= room || n > AUTH_ADDRESS_MAX)
		return SASL_BADPROT;
	memmove(out, in, n);
	out[n] = '\0';
	*out_n = n;
	return SASL_OK;
}

static struct sasl_login *
login_of(sasl_server_params_t *params)
{
	sasl_callback_ft proc = NULL;
	struct sasl_login *l;
	void *context = NULL;

	if (params->utils->getcallback(
		params->utils->conn, SASL_CB_SERVER_USERDB_CHECKPASS, &proc, &context) != SASL_OK)
		return NULL;
	l = context;
	CHECK_MAGIC(l, MAGIC);
	return l;
}

static int
look_up(
    void *context, sasl_server_params_t *params, unsigned flags, const char *user, unsigned length)
{
	struct sasl_login *l = login_of(params);
	struct buf value;
	int result = SASL_OK;

	if (l == NULL)
		return SASL_FAIL;
	if (!l->scram || (flags & SASL_AUXPROP_AUTHZID) != 0)
		return SASL_OK;
	buf_init(&value, 512);
	if (!buf_printf(&value, "%s$", scram_name(l->kind)) ||
	    ask->verifier(l->arg, str_n(user, length), l->kind, &value) != DONE)
		result = SASL_UNAVAIL;
	else if (params->utils->prop_set(
		     params->propctx, "*authPassword", buf_cstr(&value), (int)value.n) != SASL_OK)
		result = SASL_FAIL;
	if (value.p != NULL)
		wipe(value.p, value.n);
	buf_free(&value);
	return result;
}

static char plugin_name[] = "postroom";

static sasl_auxprop_plug_t auxprop = {
	.name = plugin_name,
	.auxprop_lookup = look_up,
};

static int
auxprop_init(
    const sasl_utils_t *utils, int most, int *version, sasl_auxprop_plug_t **out, const char *name)
{
	*version = SASL_AUXPROP_PLUG_VERSION;
	*out = &auxprop;
	return SASL_OK;
}

#define PROC(f) ((int (*)(void))(void (*)(void))(f))

static const sasl_callback_t global_callbacks[] = {
	{ SASL_CB_GETOPT, PROC(option), NULL },
	{ SASL_CB_LOG, PROC(library_log), NULL },
	{ SASL_CB_VERIFYFILE, PROC(may_load), NULL },
	{ SASL_CB_LIST_END, NULL, NULL },
};

void
sasl_begin(const struct sasl_questions *questions)
{
	ask = questions;
	sasl_set_mutex(mutex_new, mutex_lock, mutex_unlock, mutex_free);
	if (sasl_auxprop_add_plugin(plugin_name, auxprop_init) != SASL_OK ||
	    sasl_server_init(global_callbacks, "postroom") != SASL_OK)
		log_fatal("libsasl2 does not start");
}

void
sasl_finish(void)
{
	sasl_server_done();
}

/* --- a login --- */

static bool
set_up(struct sasl_login *l, const struct auth_begin *b)
{
	sasl_security_properties_t want = { .security_flags = SASL_SEC_NOANONYMOUS };
	sasl_ssf_t tls = (b->flags & AUTH_FLAG_TLS) != 0 ? 256 : 0;

	return sasl_setprop(l->conn, SASL_SEC_PROPS, &want) == SASL_OK &&
	       sasl_setprop(l->conn, SASL_SSF_EXTERNAL, &tls) == SASL_OK;
}

static void
keep_bindings(struct sasl_login *l, const struct auth_begin *b)
{
	for (size_t i = 0; i < b->binding_count && i < AUTH_BINDINGS_MAX; i++) {
		const struct auth_binding *from = &b->bindings[i];

		if (from->data.n == 0 || from->data.n > AUTH_BINDING_MAX ||
		    from->type.n >= sizeof(l->bindings[0].type))
			continue;
		memcpy(l->bindings[l->binding_count].type, from->type.p, from->type.n);
		memcpy(l->bindings[l->binding_count].data, from->data.p, from->data.n);
		l->bindings[l->binding_count++].n = from->data.n;
	}
}

struct sasl_login *
sasl_login_new(const struct auth_begin *b, const char *host, void *arg)
{
	struct sasl_login *l = xcalloc(1, sizeof(*l));
	char service[33];

	l->magic = MAGIC;
	l->arg = arg;
	l->callbacks[0] =
	    (sasl_callback_t){ SASL_CB_SERVER_USERDB_CHECKPASS, PROC(check_password), l };
	l->callbacks[1] = (sasl_callback_t){ SASL_CB_PROXY_POLICY, PROC(proxy_policy), l };
	l->callbacks[2] = (sasl_callback_t){ SASL_CB_CANON_USER, PROC(canonical), l };
	l->callbacks[3] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
	keep_bindings(l, b);
	(void)snprintf(service, sizeof(service), STR_FMT, STR_ARG(b->service));
	if (sasl_server_new(service, host, NULL, NULL, NULL, l->callbacks, 0, &l->conn) !=
		SASL_OK ||
	    !set_up(l, b)) {
		log_event(LOG_WARN, "sasl.new", kv_id("s", b->session), KV_END);
		sasl_login_free(&l);
	}
	return l;
}

void
sasl_login_free(struct sasl_login **login)
{
	struct sasl_login *l = *login;

	if (l == NULL)
		return;
	if (l->conn != NULL)
		sasl_dispose(&l->conn);
	wipe(l, sizeof(*l));
	free(l);
	*login = NULL;
}

/*
 * The library knows one channel binding a connection; the client's first
 * message says which it used: "p=tls-exporter,," (RFC 5802 5.1).
 */
static void
choose_binding(struct sasl_login *l, const struct str *message)
{
	struct str name = STR_NONE, rest;
	size_t found = 0;

	if (l->binding_count == 0)
		return;
	if (message != NULL && str_starts(*message, STR("p=")))
		(void)str_cut(str_from(*message, 2), ',', &name, &rest);
	for (size_t i = 0; i < l->binding_count; i++)
		if (str_eq(str_of(l->bindings[i].type), name))
			found = i;
	l->binding = (sasl_channel_binding_t){
		.name = l->bindings[found].type,
		.critical = 0,
		.len = l->bindings[found].n,
		.data = l->bindings[found].data,
	};
	(void)sasl_setprop(l->conn, SASL_CHANNEL_BINDING, &l->binding);
}

static enum sasl_said
said(struct sasl_login *l, int result, const char *p, unsigned n, struct str *out)
{
	*out = str_n(p, n);
	switch (result) {
	case SASL_OK:
		l->ended = true;
		return SASL_SAID_DONE;
	case SASL_CONTINUE:
		return SASL_SAID_MORE;
	default:
		break;
	}
	l->ended = true;
	*out = STR("");
	if (result == SASL_BADPROT || result == SASL_BUFOVER)
		return SASL_SAID_SYNTAX;
	if (result == SASL_NOMECH)
		return SASL_SAID_NOMECH;
	return SASL_SAID_NO;
}

enum sasl_said
sasl_login_start(
    struct sasl_login *l, struct str mechanism, const struct str *initial, struct str *out)
{
	static const char *const mechanisms[] = { "PLAIN", "LOGIN", "SCRAM-SHA-1",
		"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS" };
	const char *name = NULL, *p = NULL;
	unsigned n = 0;
	int result;

	for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
		if (str_eq_nocase(mechanism, str_of(mechanisms[i])))
			name = mechanisms[i];
	if (name == NULL)
		return SASL_SAID_NOMECH;
	choose_binding(l, initial);
	l->spoken = initial != NULL;
	l->scram = name[0] == 'S';
	l->kind = strncmp(name, "SCRAM-SHA-256", 13) == 0 ? SCRAM_SHA_256 : SCRAM_SHA_1;
	result = sasl_server_start(l->conn, name, initial != NULL ? initial->p : NULL,
	    initial != NULL ? (unsigned)initial->n : 0, &p, &n);
	return said(l, result, p, n, out);
}

enum sasl_said
sasl_login_step(struct sasl_login *l, struct str response, struct str *out)
{
	const char *p = NULL;
	unsigned n = 0;
	int result;

	if (l->ended)
		return SASL_SAID_SYNTAX;
	if (!l->spoken)
		choose_binding(l, &response);
	l->spoken = true;
	result = sasl_server_step(
	    l->conn, response.n > 0 ? response.p : "", (unsigned)response.n, &p, &n);
	return said(l, result, p, n, out);
}
