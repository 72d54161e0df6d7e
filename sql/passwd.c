/*
 * passwd.c - verifies and makes stored passwords.
 *
 * One table row per scheme: which function verifies it and with what
 * digest.  crypt(3) is libxcrypt's crypt_ra, whose failure is a result that
 * begins with '*' (crypt(3), and CVE class "accepts *0"); a stored "*" can
 * therefore never match.
 */
#include "sql/passwd.h"

#include <argon2.h>
#include <crypt.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/scan.h"

#define ARGON_MEMORY_KIB   (19 * 1024)
#define ARGON_PASSES       2
#define ARGON_MEMORY_LIMIT (1024 * 1024) /* KiB that a stored string may ask for */
#define ROUNDS_MAX         10000000      /* of PBKDF2, that a stored string may ask for */
#define SCHEME_MAX         20

enum encoding {
	ENC_DEFAULT,
	ENC_HEX,
	ENC_B64
};

struct form {
	const struct scheme *scheme;
	enum encoding encoding;
	struct str text; /* behind the prefix */
};

struct scheme {
	const char *name;
	enum passwd_verdict (*verify)(const struct form *f, const struct secret *password);
	const char *digest; /* EVP's name where one is used */
	bool salted;
	bool cheap;
	enum encoding usual;
};

static bool
same(struct str a, struct str b)
{
	return a.n == b.n && mem_eq_secret(a.p, b.p, a.n);
}

static enum passwd_verdict
verify_plain(const struct form *f, const struct secret *password)
{
	return same(f->text, secret_reveal(password)) ? PASSWD_RIGHT : PASSWD_WRONG;
}

/* A NUL-terminated copy of the password for the calls that want C text; wiped by its user. */
static void
phrase_of(const struct secret *password, char phrase[SECRET_MAX + 1])
{
	struct str s = secret_reveal(password);

	memcpy(phrase, s.p, s.n);
	phrase[s.n] = '\0';
}

static enum passwd_verdict
verify_crypt(const struct form *f, const struct secret *password)
{
	char phrase[SECRET_MAX + 1], setting[PASSWD_STORED_MAX + 1];
	enum passwd_verdict v = PASSWD_UNUSABLE;
	void *data = NULL;
	char *made;
	int size = 0;

	if (f->text.n == 0 || f->text.n > PASSWD_STORED_MAX || f->text.p[0] == '*')
		return PASSWD_UNUSABLE;
	phrase_of(password, phrase);
	memcpy(setting, f->text.p, f->text.n);
	setting[f->text.n] = '\0';
	made = crypt_ra(phrase, setting, &data, &size);
	if (made != NULL && made[0] != '*')
		v = same(str_of(made), f->text) ? PASSWD_RIGHT : PASSWD_WRONG;
	wipe(phrase, sizeof(phrase));
	if (data != NULL)
		wipe(data, (size_t)size);
	free(data);
	return v;
}

/* "m=65536" out of "$argon2id$v=19$m=65536,t=3,p=1$..."; the library would allocate anything. */
static bool
argon_is_bounded(struct str s)
{
	ptrdiff_t at = str_find(s, STR("$m="));
	struct scan in;
	uint32_t kib;

	if (at < 0)
		return false;
	in = scan_of(str_from(s, (size_t)at + 3));
	return scan_u32(&in, &kib) && kib <= ARGON_MEMORY_LIMIT;
}

static enum passwd_verdict
verify_argon(const struct form *f, const struct secret *password)
{
	struct str s = secret_reveal(password);
	char encoded[PASSWD_STORED_MAX + 1];
	argon2_type type;
	int got;

	if (f->text.n > PASSWD_STORED_MAX || !argon_is_bounded(f->text))
		return PASSWD_UNUSABLE;
	if (str_starts(f->text, STR("$argon2id$")))
		type = Argon2_id;
	else if (str_starts(f->text, STR("$argon2i$")))
		type = Argon2_i;
	else
		return PASSWD_UNUSABLE;
	memcpy(encoded, f->text.p, f->text.n);
	encoded[f->text.n] = '\0';
	got = argon2_verify(encoded, s.p, s.n, type);
	if (got == ARGON2_OK)
		return PASSWD_RIGHT;
	return got == ARGON2_VERIFY_MISMATCH ? PASSWD_WRONG : PASSWD_UNUSABLE;
}

/* Digest, perhaps with salt behind it, in base64 or hexadecimal. */
static enum passwd_verdict
verify_digest(const struct form *f, const struct secret *password)
{
	const EVP_MD *md = EVP_get_digestbyname(f->scheme->digest);
	size_t n = md != NULL ? (size_t)EVP_MD_get_size(md) : 0;
	enum encoding e = f->encoding != ENC_DEFAULT ? f->encoding : f->scheme->usual;
	unsigned char raw[PASSWD_STORED_MAX], made[EVP_MAX_MD_SIZE];
	struct str text = f->text, pass = secret_reveal(password);
	size_t raw_n = 0;
	EVP_MD_CTX *ctx;
	struct buf out;
	bool ok;

	if (md == NULL || text.n > PASSWD_STORED_MAX)
		return PASSWD_UNUSABLE;
	/* Unsalted digests are told apart by their length when no suffix says: 2n digits are hex.
	 */
	if (f->encoding == ENC_DEFAULT && !f->scheme->salted && text.n == 2 * n)
		e = ENC_HEX;
	if (e == ENC_HEX) {
		raw_n = text.n / 2;
		if (text.n % 2 != 0 || !hex_take(raw, raw_n, text))
			return PASSWD_UNUSABLE;
	} else {
		buf_init(&out, sizeof(raw));
		ok = base64_take(&out, text);
		raw_n = out.n;
		if (ok)
			memcpy(raw, out.p, raw_n);
		buf_free(&out);
		if (!ok)
			return PASSWD_UNUSABLE;
	}
	if (raw_n < n || (raw_n > n && !f->scheme->salted))
		return PASSWD_UNUSABLE;
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 &&
	     EVP_DigestUpdate(ctx, pass.p, pass.n) == 1 &&
	     EVP_DigestUpdate(ctx, raw + n, raw_n - n) == 1 &&
	     EVP_DigestFinal_ex(ctx, made, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return PASSWD_UNUSABLE;
	return mem_eq_secret(raw, made, n) ? PASSWD_RIGHT : PASSWD_WRONG;
}

/* Dovecot's: $1$salt$rounds$hexdigest, SHA-1, 20 octets, the salt as it stands. */
static enum passwd_verdict
verify_pbkdf2(const struct form *f, const struct secret *password)
{
	struct str pass = secret_reveal(password), salt, rest, digits;
	unsigned char want[20], made[20];
	uint32_t rounds;

	if (!str_starts(f->text, STR("$1$")) || !str_cut(str_from(f->text, 3), '$', &salt, &rest) ||
	    !str_cut(rest, '$', &digits, &rest) || !str_u32(digits, &rounds) || rounds == 0 ||
	    rounds > ROUNDS_MAX || rest.n != 2 * sizeof(want) ||
	    !hex_take(want, sizeof(want), rest))
		return PASSWD_UNUSABLE;
	if (PKCS5_PBKDF2_HMAC(pass.p, (int)pass.n, (const unsigned char *)salt.p, (int)salt.n,
		(int)rounds, EVP_sha1(), sizeof(made), made) != 1)
		return PASSWD_UNUSABLE;
	return mem_eq_secret(want, made, sizeof(made)) ? PASSWD_RIGHT : PASSWD_WRONG;
}

/* Dovecot's {SCRAM-...}: iterations,salt,stored-key,server-key. */
static enum passwd_verdict
verify_scram(const struct form *f, const struct secret *password)
{
	enum scram_kind k =
	    str_eq(str_of(f->scheme->name), STR("SCRAM-SHA-1")) ? SCRAM_SHA_1 : SCRAM_SHA_256;
	struct str iterations, rest, salt64, keys;
	enum passwd_verdict v = PASSWD_UNUSABLE;
	struct buf salt, made;
	uint32_t n;

	if (!str_cut(f->text, ',', &iterations, &rest) || !str_u32(iterations, &n) || n == 0 ||
	    n > ROUNDS_MAX || !str_cut(rest, ',', &salt64, &keys))
		return PASSWD_UNUSABLE;
	buf_init(&salt, 256);
	buf_init(&made, PASSWD_STORED_MAX);
	if (base64_take(&salt, salt64) && scram_make(k, password, buf_str(&salt), n, &made)) {
		struct str got = buf_str(&made);
		char *colon;

		/* Ours reads stored:server, Dovecot's stored,server. */
		got = str_from(got, (size_t)str_chr(got, '$') + 1);
		colon = memchr(got.p, ':', got.n);
		*colon = ',';
		v = same(got, keys) ? PASSWD_RIGHT : PASSWD_WRONG;
	}
	buf_free(&salt);
	buf_free(&made);
	return v;
}

static const struct scheme schemes[] = {
	{ "PLAIN", verify_plain, NULL, false, true, ENC_DEFAULT },
	{ "CLEAR", verify_plain, NULL, false, true, ENC_DEFAULT },
	{ "CLEARTEXT", verify_plain, NULL, false, true, ENC_DEFAULT },
	{ "CRYPT", verify_crypt, NULL, true, false, ENC_DEFAULT },
	{ "DES-CRYPT", verify_crypt, NULL, true, false, ENC_DEFAULT },
	{ "MD5-CRYPT", verify_crypt, NULL, true, false, ENC_DEFAULT },
	{ "MD5", verify_crypt, NULL, true, false, ENC_DEFAULT },
	{ "BLF-CRYPT", verify_crypt, NULL, true, false, ENC_DEFAULT },
	{ "SHA256-CRYPT", verify_crypt, NULL, true, false, ENC_DEFAULT },
	{ "SHA512-CRYPT", verify_crypt, NULL, true, false, ENC_DEFAULT },
	{ "YESCRYPT", verify_crypt, NULL, true, false, ENC_DEFAULT },
	{ "ARGON2", verify_argon, NULL, true, false, ENC_DEFAULT },
	{ "ARGON2I", verify_argon, NULL, true, false, ENC_DEFAULT },
	{ "ARGON2ID", verify_argon, NULL, true, false, ENC_DEFAULT },
	{ "PLAIN-MD5", verify_digest, "MD5", false, true, ENC_HEX },
	{ "LDAP-MD5", verify_digest, "MD5", false, true, ENC_B64 },
	{ "SMD5", verify_digest, "MD5", true, true, ENC_B64 },
	{ "SHA", verify_digest, "SHA1", false, true, ENC_B64 },
	{ "SHA1", verify_digest, "SHA1", false, true, ENC_B64 },
	{ "SSHA", verify_digest, "SHA1", true, true, ENC_B64 },
	{ "SHA224", verify_digest, "SHA224", false, true, ENC_B64 },
	{ "SHA256", verify_digest, "SHA256", false, true, ENC_B64 },
	{ "SSHA256", verify_digest, "SHA256", true, true, ENC_B64 },
	{ "SHA384", verify_digest, "SHA384", false, true, ENC_B64 },
	{ "SHA512", verify_digest, "SHA512", false, true, ENC_B64 },
	{ "SSHA512", verify_digest, "SHA512", true, true, ENC_B64 },
	{ "PBKDF2", verify_pbkdf2, NULL, true, false, ENC_DEFAULT },
	{ "SCRAM-SHA-1", verify_scram, "SHA1", true, false, ENC_DEFAULT },
	{ "SCRAM-SHA-256", verify_scram, "SHA256", true, false, ENC_DEFAULT },
};

static const struct scheme *
scheme_named(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(schemes); i++)
		if (str_eq_nocase(name, str_of(schemes[i].name)))
			return &schemes[i];
	return NULL;
}

/* SCHEME[.HEX|.B64|.BASE64] */
static bool
form_named(struct str name, struct form *f)
{
	struct str suffix;

	f->encoding = ENC_DEFAULT;
	if (str_cut(name, '.', &name, &suffix)) {
		if (str_eq_nocase(suffix, STR("HEX")))
			f->encoding = ENC_HEX;
		else if (str_eq_nocase(suffix, STR("B64")) || str_eq_nocase(suffix, STR("BASE64")))
			f->encoding = ENC_B64;
		else
			return false;
	}
	f->scheme = scheme_named(name);
	return f->scheme != NULL;
}

/* How crypt(3) strings begin; "$2" stands for all of bcrypt's letters. */
static bool
is_bare_crypt(struct str s)
{
	static const char *const marks[] = { "$1$", "$2", "$5$", "$6$", "$7$", "$y$", "$gy$",
		"$sha1$", "$md5", "$3$", "_" };

	for (size_t i = 0; i < COUNT_OF(marks); i++)
		if (str_starts(s, str_of(marks[i])))
			return true;
	return false;
}

static bool
form_of(struct str stored, const char *unprefixed, struct form *f)
{
	ptrdiff_t close;

	stored = str_trim(stored);
	f->text = stored;
	if (stored.n == 0)
		return false;
	if (stored.p[0] == '{' && (close = str_chr(stored, '}')) > 0 && close <= SCHEME_MAX) {
		f->text = str_from(stored, (size_t)close + 1);
		return form_named(str_n(stored.p + 1, (size_t)close - 1), f);
	}
	if (str_starts(stored, STR("$argon2")))
		return form_named(STR("ARGON2"), f);
	if (is_bare_crypt(stored))
		return form_named(STR("CRYPT"), f);
	return form_named(str_of(unprefixed), f);
}

static bool
is_acceptable(const struct secret *password)
{
	struct str s = secret_reveal(password);

	return s.n > 0 && s.n <= SECRET_MAX && memchr(s.p, '\0', s.n) == NULL;
}

enum passwd_verdict
passwd_verify(struct str stored, const struct secret *password, const char *unprefixed)
{
	struct form f;

	if (!is_acceptable(password))
		return PASSWD_WRONG;
	if (!form_of(stored, unprefixed, &f) || f.text.n == 0)
		return PASSWD_UNUSABLE;
	return f.scheme->verify(&f, password);
}

void
passwd_scheme(struct str stored, const char *unprefixed, char *out, size_t room)
{
	struct form f;

	(void)snprintf(
	    out, room, "%s", form_of(stored, unprefixed, &f) ? f.scheme->name : "unusable");
}

bool
passwd_is_weak(struct str stored, const char *unprefixed)
{
	struct form f;

	if (!form_of(stored, unprefixed, &f))
		return false;
	return f.scheme->cheap || str_starts(f.text, STR("$1$")) ||
	       (f.scheme->verify == verify_crypt && f.text.n == 13);
}

bool
passwd_is_cheap(struct str stored, const char *unprefixed)
{
	struct form f;

	return !form_of(stored, unprefixed, &f) || f.scheme->cheap;
}

/* --- making --- */

static bool
make_crypt(const char *prefix, unsigned long cost, const struct secret *password, struct buf *out)
{
	char phrase[SECRET_MAX + 1], salt[32];
	char *setting, *made;
	void *data = NULL;
	int size = 0;
	bool ok;

	random_octets(salt, sizeof(salt));
	setting = crypt_gensalt_ra(prefix, cost, salt, sizeof(salt));
	if (setting == NULL)
		return false;
	phrase_of(password, phrase);
	made = crypt_ra(phrase, setting, &data, &size);
	ok = made != NULL && made[0] != '*' && buf_puts(out, made);
	wipe(phrase, sizeof(phrase));
	if (data != NULL)
		wipe(data, (size_t)size);
	free(data);
	free(setting);
	return ok;
}

static bool
make_argon(const struct secret *password, struct buf *out)
{
	struct str s = secret_reveal(password);
	char encoded[256];
	char salt[16];

	random_octets(salt, sizeof(salt));
	return argon2id_hash_encoded(ARGON_PASSES, ARGON_MEMORY_KIB, 1, s.p, s.n, salt,
		   sizeof(salt), 32, encoded, sizeof(encoded)) == ARGON2_OK &&
	       buf_puts(out, encoded);
}

static bool
make_ssha512(const struct secret *password, struct buf *out)
{
	struct str s = secret_reveal(password);
	unsigned char raw[64 + 16];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	random_octets(raw + 64, 16);
	ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1 &&
	     EVP_DigestUpdate(ctx, s.p, s.n) == 1 && EVP_DigestUpdate(ctx, raw + 64, 16) == 1 &&
	     EVP_DigestFinal_ex(ctx, raw, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok && base64_put(out, str_n(raw, sizeof(raw)));
}

enum outcome
passwd_hash(const char *scheme, const struct secret *password, struct buf *out, struct why *why)
{
	static const struct {
		const char *name, *prefix;
		unsigned long cost;
	} crypts[] = {
		{ "YESCRYPT", "$y$", 0 },
		{ "SHA512-CRYPT", "$6$", 0 },
		{ "SHA256-CRYPT", "$5$", 0 },
		{ "BLF-CRYPT", "$2y$", 10 },
	};
	size_t before = out->n;
	bool ok = false;

	if (!is_acceptable(password))
		return fail(PERMFAIL, why, 0, "",
		    "A password has 1 to %d octets and no NUL among them", SECRET_MAX);
	ok = buf_printf(out, "{%s}", scheme);
	if (strcmp(scheme, "ARGON2ID") == 0)
		ok = ok && make_argon(password, out);
	else if (strcmp(scheme, "SSHA512") == 0)
		ok = ok && make_ssha512(password, out);
	else if (strcmp(scheme, "PLAIN") == 0)
		ok = ok && buf_put(out, secret_reveal(password));
	else {
		size_t i;

		for (i = 0; i < COUNT_OF(crypts) && strcmp(crypts[i].name, scheme) != 0; i++)
			;
		if (i == COUNT_OF(crypts)) {
			out->n = before;
			return fail(
			    PERMFAIL, why, 0, "", "No hashes are made with scheme %.20s", scheme);
		}
		ok = ok && make_crypt(crypts[i].prefix, crypts[i].cost, password, out);
	}
	if (!ok) {
		out->n = before;
		return fail(TEMPFAIL, why, 0, "", "The password could not be hashed");
	}
	return DONE;
}

void
passwd_generate(unsigned groups, char *out, size_t room)
{
	/* 32 signs, so five bits each without bias; no 0 O 1 l I. */
	static const char signs[] = "abcdefghjkmnpqrstuvwxyz23456789A";
	size_t n = 0;

	for (unsigned g = 0; g < groups; g++) {
		for (unsigned i = 0; i < 4 + (g > 0); i++) {
			unsigned char r;

			if (n + 1 >= room)
				break;
			random_octets(&r, 1);
			out[n++] = i == 0 && g > 0 ? '-' : signs[r % 32];
		}
	}
	out[n] = '\0';
}
