/*
 * tls.h - TLS over a non-blocking descriptor.  The only file that sees
 * OpenSSL's TLS is tls.c.
 *
 * TLS 1.2 and 1.3 with forward-secret AEAD suites, no renegotiation, no
 * compression, tickets, no early data.  Buffers are released between records
 * so that a parked session costs about 14 KiB.
 */
#ifndef RUN_TLS_H
#define RUN_TLS_H

#include "base/buf.h"
#include "base/outcome.h"

struct tls_context; /* certificate and settings; shared, counted, immutable */
struct tls;         /* one connection */

/*
 * A server's context from PEM text (chain and key).  alpn: names offered in
 * order of preference, NULL-terminated ("imap"), or NULL; a client that names
 * only others is refused (RFC 7301 3.2).  PERMFAIL with why->text for a bad
 * certificate or key: keep the old context.
 */
must_use enum outcome tls_context_server(struct str chain_pem, struct str key_pem,
    const char *const *alpn, struct tls_context **out, struct why *why);

enum tls_verify {
	TLS_OPPORTUNISTIC, /* encrypt, believe anybody (RFC 7435) */
	TLS_NAME,          /* chain to a CA and the name has to match (RFC 6125) */
};

/* A client's; ca_pem empty: the system's certificate store. */
must_use enum outcome tls_context_client(
    enum tls_verify verify, struct str ca_pem, struct tls_context **out, struct why *why);

struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context **c);

/* Does not take over fd.  server_name: SNI and the name to verify, client side only. */
struct tls *tls_new(struct tls_context *context, int fd, const char *server_name);
void tls_free(struct tls **t); /* sends close_notify if that needs no waiting */

enum tls_result {
	TLS_DONE,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_CLOSED, /* orderly end by the peer */
	TLS_BROKEN,
};

enum tls_result tls_handshake(struct tls *t);
enum tls_result tls_read(struct tls *t, void *p, size_t n, size_t *got);
enum tls_result tls_write(struct tls *t, const void *p, size_t n, size_t *put);
bool tls_pending(const struct tls *t); /* decrypted or buffered input that epoll will not report */

/* "TLSv1.3", "TLS_AES_256_GCM_SHA384", key bits: for Received and the log. */
const char *tls_version(const struct tls *t);
const char *tls_cipher(const struct tls *t);
int tls_bits(const struct tls *t);
/* Why the handshake failed, in OpenSSL's words; "" when it did not. */
const char *tls_error(const struct tls *t);

/*
 * Channel binding data: "tls-exporter" on TLS 1.3 (RFC 9266), "tls-unique"
 * on 1.2 with extended master secret (RFC 5929).  Server side also
 * "tls-server-end-point" (RFC 5929 4).  False where the kind is not to be had.
 */
must_use bool tls_channel_binding(const struct tls *t, const char *kind, struct buf *out);

#endif
