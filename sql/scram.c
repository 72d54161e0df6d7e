/*
 * scram.c - SCRAM verifiers: RFC 5802 3, stored as RFC 5803 2 does.
 *
 *	SaltedPassword = Hi(Normalize(password), salt, i)
 *	StoredKey = H(HMAC(SaltedPassword, "Client Key"))
 *	ServerKey = HMAC(SaltedPassword, "Server Key")
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/codec.h"
#include "sql/passwd.h"

static const struct {
	const char *name;
	const EVP_MD *(*md)(void);
	size_t octets;
} kinds[SCRAM_KINDS] = {
	[SCRAM_SHA_1] = { "SCRAM-SHA-1", EVP_sha1, 20 },
	[SCRAM_SHA_256] = { "SCRAM-SHA-256", EVP_sha256, 32 },
};

const char *
scram_name(enum scram_kind k)
{
	return kinds[k].name;
}

size_t
scram_octets(enum scram_kind k)
{
	return kinds[k].octets;
}

/* RFC 3454 B.1, commonly mapped to nothing. */
static bool
maps_to_nothing(ucs4_t c)
{
	return c == 0xAD || c == 0x34F || c == 0x1806 || (c >= 0x180B && c <= 0x180D) ||
	       (c >= 0x200B && c <= 0x200D) || c == 0x2060 || (c >= 0xFE00 && c <= 0xFE0F) ||
	       c == 0xFEFF;
}

/* RFC 3454 C.1.2, other spaces, which RFC 4013 2.1 maps to a space. */
static bool
is_other_space(ucs4_t c)
{
	return c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F ||
	       c == 0x205F || c == 0x3000;
}

/*
 * SASLprep (RFC 4013 2.1, 2.2) for a stored string: map, then NFKC.  What
 * is not UTF-8 stays as it is: some client sent it so and will again.
 */
static bool
normalize(struct str s, struct secret *out)
{
	uint8_t mapped[SECRET_MAX], *made;
	size_t n = 0, made_n = 0;
	bool ok;

	if (str_is_ascii(s) || !str_is_utf8(s))
		return secret_set(out, s);
	for (size_t i = 0; i < s.n;) {
		ucs4_t c;
		int took = u8_mbtouc(&c, (const uint8_t *)s.p + i, s.n - i);

		if (is_other_space(c))
			mapped[n++] = ' ';
		else if (!maps_to_nothing(c))
			for (int j = 0; j < took; j++)
				mapped[n++] = (uint8_t)s.p[i + (size_t)j];
		i += (size_t)took;
	}
	made = u8_normalize(UNINORM_NFKC, mapped, n, NULL, &made_n);
	ok = made != NULL && secret_set(out, str_n(made, made_n));
	wipe(mapped, sizeof(mapped));
	if (made != NULL)
		wipe(made, made_n);
	free(made);
	return ok;
}

bool
scram_make(enum scram_kind k, const struct secret *password, struct str salt, unsigned iterations,
    struct buf *out)
{
	unsigned char salted[EVP_MAX_MD_SIZE], client[EVP_MAX_MD_SIZE], server[EVP_MAX_MD_SIZE];
	unsigned char stored[EVP_MAX_MD_SIZE];
	const EVP_MD *md = kinds[k].md();
	int n = (int)kinds[k].octets;
	struct secret normal = { 0 };
	struct str pass;
	bool ok;

	if (!normalize(secret_reveal(password), &normal))
		return false;
	pass = secret_reveal(&normal);
	ok = PKCS5_PBKDF2_HMAC(pass.p, (int)pass.n, (const unsigned char *)salt.p, (int)salt.n,
		 (int)iterations, md, n, salted) == 1 &&
	     HMAC(md, salted, n, (const unsigned char *)"Client Key", 10, client, NULL) != NULL &&
	     HMAC(md, salted, n, (const unsigned char *)"Server Key", 10, server, NULL) != NULL &&
	     EVP_Digest(client, (size_t)n, stored, NULL, md, NULL) == 1 &&
	     buf_printf(out, "%u:", iterations) && base64_put(out, salt) && buf_putc(out, '$') &&
	     base64_put(out, str_n(stored, (size_t)n)) && buf_putc(out, ':') &&
	     base64_put(out, str_n(server, (size_t)n));
	wipe(salted, sizeof(salted));
	wipe(client, sizeof(client));
	secret_free(&normal);
	return ok;
}

bool
scram_of_stored(enum scram_kind k, struct str stored, struct buf *out)
{
	struct str name, text, iterations, salt, stored_key, server_key, rest;

	if (stored.n == 0 || stored.p[0] != '{' || !str_cut(str_from(stored, 1), '}', &name, &text))
		return false;
	if (!str_eq_nocase(name, str_of(kinds[k].name)))
		return false;
	if (!str_cut(text, ',', &iterations, &rest) || !str_cut(rest, ',', &salt, &rest) ||
	    !str_cut(rest, ',', &stored_key, &server_key))
		return false;
	return buf_put(out, iterations) && buf_putc(out, ':') && buf_put(out, salt) &&
	       buf_putc(out, '$') && buf_put(out, stored_key) && buf_putc(out, ':') &&
	       buf_put(out, server_key);
}

void
scram_made_for(struct str stored, unsigned char digest[32])
{
	if (EVP_Digest(stored.p, stored.n, digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
}
