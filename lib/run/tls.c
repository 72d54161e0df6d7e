/*
 * tls.c - OpenSSL 3, the only file that sees it.
 */
#include "run/tls.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/log.h"

#define ALPN_MAX 8

struct tls_context {
	atomic_uint refs;
	SSL_CTX *ssl;
	unsigned char alpn[64]; /* as on the wire: length octet, name, ... */
	unsigned alpn_n;
	enum tls_verify verify;
};

struct tls {
	SSL *ssl;
	struct tls_context *context; /* counted */
	bool done;                   /* the handshake */
	char error[120];
};

/* Mozilla's intermediate set: forward secrecy and AEAD only (faults.md section 3). */
#define SUITES_TLS12                                                 \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* The first curve OpenSSL does not know would refuse the whole list, so the newest is tried apart.
 */
#define GROUPS_NEW "X25519MLKEM768:X25519:P-256:P-384"
#define GROUPS_OLD "X25519:P-256:P-384"

static void
last_error(char *out, size_t room)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;

	(void)snprintf(out, room, "%s", reason != NULL ? reason : "no reason given");
	ERR_clear_error();
}

static SSL_CTX *
new_ssl_ctx(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL)
		log_fatal("TLS: no context");
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION); /* RFC 8996 */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
				     SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_CTX_set_cipher_list(ctx, SUITES_TLS12) != 1)
		log_fatal("TLS: no cipher suites");
	if (SSL_CTX_set1_groups_list(ctx, GROUPS_NEW) != 1)
		(void)SSL_CTX_set1_groups_list(ctx, GROUPS_OLD);
	ERR_clear_error();
	return ctx;
}

static bool
use_chain(SSL_CTX *ctx, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	bool ok = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;

	X509_free(cert);
	while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		ok = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
	if (ok)
		ERR_clear_error(); /* the end of the chain is an error to OpenSSL */
	BIO_free(bio);
	return ok;
}

static bool
use_key(SSL_CTX *ctx, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	bool ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		  SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}

/* RFC 7301 3.2: no common protocol ends the handshake; a client without ALPN is served. */
static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
    unsigned in_n, void *arg)
{
	struct tls_context *c = arg;
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_n, c->alpn, c->alpn_n, in, in_n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static struct tls_context *
new_context(SSL_CTX *ssl)
{
	struct tls_context *c = xcalloc(1, sizeof(*c));

	atomic_store(&c->refs, 1);
	c->ssl = ssl;
	return c;
}

enum outcome
tls_context_server(struct str chain_pem, struct str key_pem, const char *const *alpn,
    struct tls_context **out, struct why *why)
{
	struct tls_context *c = new_context(new_ssl_ctx(TLS_server_method()));
	static const unsigned char session_id[] = "postroom";
	char reason[80];

	if (!use_chain(c->ssl, chain_pem)) {
		last_error(reason, sizeof(reason));
		tls_context_unref(&c);
		return fail(PERMFAIL, why, 0, "", "certificate: %s", reason);
	}
	if (!use_key(c->ssl, key_pem)) {
		last_error(reason, sizeof(reason));
		tls_context_unref(&c);
		return fail(PERMFAIL, why, 0, "", "private key: %s", reason);
	}
	for (; alpn != NULL && *alpn != NULL; alpn++) {
		size_t n = strlen(*alpn);
		assert(n < 256 && c->alpn_n + n + 1 <= sizeof(c->alpn));
		c->alpn[c->alpn_n++] = (unsigned char)n;
		memcpy(c->alpn + c->alpn_n, *alpn, n);
		c->alpn_n += (unsigned)n;
	}
	if (c->alpn_n > 0)
		SSL_CTX_set_alpn_select_cb(c->ssl, choose_alpn, c);
	(void)SSL_CTX_set_session_id_context(c->ssl, session_id, sizeof(session_id) - 1);
	/* Tickets resume sessions without our keeping any. */
	(void)SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_num_tickets(c->ssl, 1);
	(void)SSL_CTX_set_max_early_data(c->ssl, 0);
	*out = c;
	return DONE;
}

static bool
trust_pem(SSL_CTX *ctx, struct str pem)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	unsigned n = 0;
	X509 *cert;

	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	ERR_clear_error();
	BIO_free(bio);
	return n > 0;
}

enum outcome
tls_context_client(
    enum tls_verify verify, struct str ca_pem, struct tls_context **out, struct why *why)
{
	struct tls_context *c = new_context(new_ssl_ctx(TLS_client_method()));

	c->verify = verify;
	if (verify == TLS_NAME) {
		bool ok = ca_pem.n > 0 ? trust_pem(c->ssl, ca_pem)
				       : SSL_CTX_set_default_verify_paths(c->ssl) == 1;
		if (!ok) {
			tls_context_unref(&c);
			return fail(PERMFAIL, why, 0, "", "no certificate authority to trust");
		}
		SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
	} else {
		SSL_CTX_set_verify(c->ssl, SSL_VERIFY_NONE, NULL);
	}
	*out = c;
	return DONE;
}

struct tls_context *
tls_context_ref(struct tls_context *c)
{
	if (c != NULL)
		atomic_fetch_add(&c->refs, 1);
	return c;
}

void
tls_context_unref(struct tls_context **cp)
{
	struct tls_context *c = *cp;

	*cp = NULL;
	if (c == NULL || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	SSL_CTX_free(c->ssl);
	free(c);
}

/* --- one connection --- */

static void
set_peer_name(SSL *ssl, const char *name, enum tls_verify verify)
{
	if (SSL_set_tlsext_host_name(ssl, name) != 1)
		log_fatal("TLS: cannot set the server's name");
	if (verify != TLS_NAME)
		return;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_set1_host(ssl, name) != 1)
		log_fatal("TLS: cannot set the name to verify");
}

struct tls *
tls_new(struct tls_context *context, int fd, const char *server_name)
{
	struct tls *t = xcalloc(1, sizeof(*t));

	t->context = tls_context_ref(context);
	t->ssl = SSL_new(context->ssl);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1)
		log_fatal("TLS: no connection object");
	if (SSL_is_server(t->ssl)) {
		SSL_set_accept_state(t->ssl);
	} else {
		SSL_set_connect_state(t->ssl);
		if (server_name != NULL)
			set_peer_name(t->ssl, server_name, context->verify);
	}
	return t;
}

void
tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	if (t == NULL)
		return;
	ERR_clear_error();
	if (t->done && t->error[0] == '\0')
		(void)SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	ERR_clear_error();
	tls_context_unref(&t->context);
	free(t);
	*tp = NULL;
}

/* What OpenSSL's answer means; remembers the reason of a failure. */
static enum tls_result
judge(struct tls *t, int ret)
{
	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_NONE:
		return TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	case SSL_ERROR_SYSCALL:
		(void)snprintf(t->error, sizeof(t->error), "the connection broke");
		ERR_clear_error();
		return TLS_BROKEN;
	default:
		last_error(t->error, sizeof(t->error));
		return TLS_BROKEN;
	}
}

enum tls_result
tls_handshake(struct tls *t)
{
	enum tls_result r;

	ERR_clear_error();
	r = judge(t, SSL_do_handshake(t->ssl));
	t->done = t->done || r == TLS_DONE;
	return r;
}

enum tls_result
tls_read(struct tls *t, void *p, size_t n, size_t *got)
{
	ERR_clear_error();
	return judge(t, SSL_read_ex(t->ssl, p, n, got));
}

enum tls_result
tls_write(struct tls *t, const void *p, size_t n, size_t *put)
{
	ERR_clear_error();
	return judge(t, SSL_write_ex(t->ssl, p, n, put));
}

bool
tls_pending(const struct tls *t)
{
	return SSL_has_pending(t->ssl) == 1;
}

const char *
tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *
tls_cipher(const struct tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}

int
tls_bits(const struct tls *t)
{
	return SSL_get_cipher_bits(t->ssl, NULL);
}

const char *
tls_error(const struct tls *t)
{
	return t->error;
}

/* RFC 5929 4.1: the certificate under its own signature's hash, SHA-256 for MD5 and SHA-1. */
static bool
server_end_point(SSL *ssl, struct buf *out)
{
	X509 *cert = SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
	const EVP_MD *md = NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int nid = NID_undef;

	if (cert == NULL || OBJ_find_sigid_algs(X509_get_signature_nid(cert), &nid, NULL) != 1)
		return false;
	md = nid == NID_md5 || nid == NID_sha1 || nid == NID_undef ? EVP_sha256()
								   : EVP_get_digestbynid(nid);
	return md != NULL && X509_digest(cert, md, digest, &n) == 1 &&
	       buf_put(out, str_n(digest, n));
}

static bool
tls_unique(SSL *ssl, struct buf *out)
{
	unsigned char finished[EVP_MAX_MD_SIZE];
	/* The first Finished message: the client's, unless the session was resumed. */
	bool ours = (SSL_is_server(ssl) == 1) == (SSL_session_reused(ssl) == 1);
	size_t n = ours ? SSL_get_finished(ssl, finished, sizeof(finished))
			: SSL_get_peer_finished(ssl, finished, sizeof(finished));

	/* RFC 7627: without the extended master secret it binds nothing. */
	return n > 0 && SSL_version(ssl) == TLS1_2_VERSION && SSL_get_extms_support(ssl) == 1 &&
	       buf_put(out, str_n(finished, n));
}

bool
tls_channel_binding(const struct tls *t, const char *kind, struct buf *out)
{
	static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 2 */
	unsigned char data[32];

	if (strcmp(kind, "tls-unique") == 0)
		return tls_unique(t->ssl, out);
	if (strcmp(kind, "tls-server-end-point") == 0)
		return server_end_point(t->ssl, out);
	if (strcmp(kind, "tls-exporter") != 0)
		return false;
	if (SSL_version(t->ssl) < TLS1_3_VERSION && SSL_get_extms_support(t->ssl) != 1)
		return false;
	return SSL_export_keying_material(t->ssl, data, sizeof(data), label, sizeof(label) - 1,
		   (const unsigned char *)"", 0, 1) == 1 &&
	       buf_put(out, str_n(data, sizeof(data)));
}
