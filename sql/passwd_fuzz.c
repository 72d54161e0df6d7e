/*
 * passwd_fuzz.c - any stored text: no password opens it but by design.
 *
 * Texts that ask for many rounds are left out: they are slow, not wrong.
 */
#include "base/fuzz.h"
#include "sql/passwd.h"

static bool
is_slow(struct str s)
{
	unsigned digits = 0;

	if (str_find(s, STR("$2")) >= 0 || str_find(s, STR("$y$")) >= 0 ||
	    str_find(s, STR("$7$")) >= 0 || str_find(s, STR("$gy$")) >= 0 ||
	    str_find(s, STR("argon2")) >= 0 || str_find(s, STR("$5$")) >= 0 ||
	    str_find(s, STR("$6$")) >= 0 || str_find(s, STR("$sha1")) >= 0 ||
	    str_find(s, STR("$md5")) >= 0 || str_find(s, STR("$3$")) >= 0 ||
	    str_find(s, STR("_")) >= 0)
		return true;
	for (size_t i = 0; i < s.n; i++) {
		digits = ascii_digit(s.p[i]) ? digits + 1 : 0;
		if (digits > 3)
			return true;
	}
	return false;
}

FUZZ(data, n)
{
	struct str stored = str_n(data, n);
	struct secret s = { 0 };
	char name[32];
	struct buf out;

	if (n > 2048 || is_slow(stored) || !secret_set(&s, STR("\x01no such password\x02")))
		return;
	/* Only a text that holds this very password could be right with it. */
	if (passwd_verify(stored, &s, "CRYPT") == PASSWD_RIGHT)
		assert(str_find(stored, secret_reveal(&s)) >= 0);
	if (passwd_verify(stored, &s, "PLAIN-MD5") == PASSWD_RIGHT)
		assert(str_find(stored, secret_reveal(&s)) >= 0);
	passwd_scheme(stored, "CRYPT", name, sizeof(name));
	(void)passwd_is_weak(stored, "CRYPT");
	(void)passwd_is_cheap(stored, "CRYPT");
	buf_init(&out, 4096);
	(void)!scram_of_stored(SCRAM_SHA_256, stored, &out);
	buf_free(&out);
	secret_free(&s);
}
