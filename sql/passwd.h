/*
 * passwd.h - stored passwords: every form found in account tables is
 * verified, strong ones are made.
 *
 * A stored password is {SCHEME}text, or a bare crypt(3) or Argon2 string
 * ("$6$...", "$argon2id$..."); anything else is judged by one scheme that
 * the administrator names, never by trying one after the other.  Schemes
 * may carry ".HEX" or ".B64" for the encoding of a digest.
 *
 *	PLAIN CLEAR CLEARTEXT
 *	CRYPT DES-CRYPT MD5-CRYPT MD5 BLF-CRYPT SHA256-CRYPT SHA512-CRYPT YESCRYPT
 *	ARGON2 ARGON2I ARGON2ID
 *	PLAIN-MD5 LDAP-MD5 SMD5 SHA SHA1 SSHA SHA224 SHA256 SSHA256 SHA384 SHA512 SSHA512
 *	PBKDF2 SCRAM-SHA-1 SCRAM-SHA-256
 *
 * A password holding NUL, an empty one and one over SECRET_MAX octets is
 * wrong without any hashing (RFC 4616 2; faults.md row 37).  Comparisons
 * take the same time wherever the difference is.  Any thread may call; the
 * calls compute for milliseconds to a second and use up to the memory that
 * the stored string asks for (1 GiB at most).
 */
#ifndef SQL_PASSWD_H
#define SQL_PASSWD_H

#include "base/buf.h"
#include "base/outcome.h"
#include "base/secret.h"

#define PASSWD_STORED_MAX 1024
#define PASSWD_DEFAULT    "ARGON2ID" /* what new passwords are hashed with */
#define PASSWD_UNPREFIXED "CRYPT"    /* what an unknown form is taken for by default */
#define SCRAM_ITERATIONS  10000

enum passwd_verdict {
	PASSWD_RIGHT,
	PASSWD_WRONG,
	PASSWD_UNUSABLE, /* the stored form is unknown or broken: nobody can log in with it */
};

enum passwd_verdict passwd_verify(
    struct str stored, const struct secret *password, const char *unprefixed);

/* "SHA512-CRYPT" and the like, for people; the scheme as it will be judged. */
void passwd_scheme(struct str stored, const char *unprefixed, char *out, size_t room);
/* A digest without salt or rounds, or no digest at all: cheap to guess from a stolen table. */
bool passwd_is_weak(struct str stored, const char *unprefixed);
/* Verifying it costs next to nothing, so its outcome need not be remembered. */
bool passwd_is_cheap(struct str stored, const char *unprefixed);

/*
 * Append {SCHEME}hash to out.  Schemes: ARGON2ID (19 MiB, 2 passes),
 * YESCRYPT, SHA512-CRYPT, SHA256-CRYPT, BLF-CRYPT, SSHA512, PLAIN.
 * PERMFAIL: no such scheme, or the password is empty, too long, or holds NUL.
 */
must_use enum outcome passwd_hash(
    const char *scheme, const struct secret *password, struct buf *out, struct why *why);

/* A password for people: `words` groups of four letters and digits that are hard to confuse. */
void passwd_generate(unsigned groups, char *out, size_t room);

/* --- SCRAM (RFC 5802, RFC 7677) --- */

enum scram_kind {
	SCRAM_SHA_1,
	SCRAM_SHA_256,
	SCRAM_KINDS,
};

const char *scram_name(enum scram_kind k); /* "SCRAM-SHA-256" */
size_t scram_octets(enum scram_kind k);    /* of its digest */

/*
 * Append "iterations:salt$stored-key:server-key", salt and keys in base64:
 * the AuthValue of RFC 5803, as libsasl2 wants it in authPassword.
 */
must_use bool scram_make(enum scram_kind k, const struct secret *password, struct str salt,
    unsigned iterations, struct buf *out);

/* The same from a stored {SCRAM-...} password; false when stored is of another scheme. */
must_use bool scram_of_stored(enum scram_kind k, struct str stored, struct buf *out);

/* SHA-256 of the password column: what a verifier in pr_scram was made for. */
void scram_made_for(struct str stored, unsigned char digest[32]);

#endif
