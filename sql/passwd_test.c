/* passwd_test.c - every stored form that tables hold; what is made is verified; RFC vectors. */
#include "base/test.h"

#include <stdio.h>

#include "sql/passwd.h"

static enum passwd_verdict
ask(const char *stored, struct str password, const char *unprefixed)
{
	struct secret s = { 0 };
	enum passwd_verdict v;

	assert_true(secret_set(&s, password));
	v = passwd_verify(str_of(stored), &s, unprefixed);
	secret_free(&s);
	return v;
}

/* Made by Python's hashlib and crypt, and by doveadm pw. */
static const struct {
	const char *stored;
} forms[] = {
	{ "{PLAIN}secret" },
	{ "{CLEARTEXT}secret" },
	{ "{plain}secret" },
	{ "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=" },
	{ "{SHA.hex}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4" },
	{ "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=" },
	{ "{SHA256.HEX}2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B" },
	{ "{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==" },
	{ "{SSHA256}oBmrdHcA6OZEkkCLeXh71YAerbvhXz1qqwjrPsXmEtNzYWx0c2FsdA==" },
	{ "{SSHA512}aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+"
	  "E5usqoAixeTPihKqZmkWal4mUfp63tqvCAkFV1LKTDFH6XNhbHRzYWx0" },
	{ "{SSHA512.hex}"
	  "682bbb25173e90bb2e12616cd734d8f8088fec34869e38c6f9d1f6f03a7e139bacaa8022c5e4cf8a12aa6669"
	  "166a5e2651fa7adedaaf0809055752ca4c3147e973616c7473616c74" },
	{ "{SHA512}"
	  "vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/"
	  "isg==" },
	{ "{SMD5}VAfQ6nCkaw9o3u+x706wnXNhbHRzYWx0" },
	{ "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69" },
	{ "{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==" },
	{ "{PBKDF2}$1$abcdefgh$5000$4d1f485e75d13fbf46ec6f88ea5cd2faebfe3e0a" },
	{ "{CRYPT}abNANd1rDfiNc" },
	{ "{MD5-CRYPT}$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1" },
	{ "{SHA256-CRYPT}$5$rounds=1000$abcdefgh$XIppta5rT8zJUu4vAOKQXrwq9uY4Ijlz6VjyOmkx5i4" },
	{ "{SHA512-CRYPT}$6$rounds=1000$abcdefgh$"
	  "nhYjN017qxiYztzyUpZtPnUQcnLy62KsunSLHNeLahp2EHPlAKmFFlrjEwSXGo2kgY5hR2."
	  "peKEg2VGUqIJJu1" },
	{ "{BLF-CRYPT}$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" },
	{ "{YESCRYPT}$y$j75$abcdefgh$uMUXG79B2cFpoAYyDccUnsaH/aGTyBYMlnQidzyag01" },
	{ "{SCRAM-SHA-1}4096,c2FsdHNhbHQ=,RgEqzzKLKVeLA7GvEwcwrTiMvYA=,BGJ3kaHb4Tscas0mjhXJHF+aw/"
	  "s=" },
	{ "{SCRAM-SHA-256}4096,c2FsdHNhbHQ=,v9cxy4WCDtc8UMxTg6KXCtlxIku1bUKTGuWEXFC1L54=,"
	  "rwGpSn6lR97mSEImO0RA7JCZ4WnpCnnKddTt3G/t6II=" },
	{ "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$Hsgpy3gOIxkx4ZF+LcIIJA$"
	  "1hA4NRgDAQKwwCHMN0h97g7yGSdEvJNv7HQVvzR96co" },
	{ "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$Mxw4RNm07u7wsQFlmGM7PQ$Iklw/JKGEt/"
	  "il+IojZ6kwbxxhYj4fIW9cgotkgk4LI4" },
	{ "{SCRAM-SHA-256}4096,6M6n1IyQaIYgP7e+kizFCA==,"
	  "CWcK6ndAOHc4YI7sKwupPyWNJ1tPYA1Av2NjPkFuJgQ=,"
	  "s0Pk8YGNnX29faQAxCT3b4WJWbQDSQTpVOeGrPcBkjo=" },
	{ "{PBKDF2}$1$fJzxtk51eKt1Ybcs$5000$7577d7adf379be015b2988e2a6bb1eccd3a0a563" },
};

static void
all_forms(void **state)
{
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		if (ask(forms[i].stored, STR("secret"), "PLAIN") != PASSWD_RIGHT)
			fail_msg("%s: the right password is refused", forms[i].stored);
		if (ask(forms[i].stored, STR("secreT"), "PLAIN") != PASSWD_WRONG)
			fail_msg("%s: a wrong password is not wrong", forms[i].stored);
		if (ask(forms[i].stored, STR("secre"), "PLAIN") != PASSWD_WRONG)
			fail_msg("%s: a prefix is not wrong", forms[i].stored);
	}
}

static void
bare_forms(void **state)
{
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		const char *bare = strchr(forms[i].stored, '}') + 1;

		/* Every bare $...$ is known but Dovecot's PBKDF2, which looks like MD5-CRYPT. */
		if (bare[0] != '$' || strstr(forms[i].stored, "PBKDF2") != NULL)
			continue;
		if (ask(bare, STR("secret"), "PLAIN") != PASSWD_RIGHT)
			fail_msg("%s: the right password is refused", bare);
	}
	assert_int_equal(ask("abNANd1rDfiNc", STR("secret"), "CRYPT"), PASSWD_RIGHT);
	assert_int_equal(ask("abNANd1rDfiNc", STR("abNANd1rDfiNc"), "CRYPT"), PASSWD_WRONG);
	assert_int_equal(
	    ask("5ebe2294ecd0e0f08eab7690d2a6ee69", STR("secret"), "PLAIN-MD5"), PASSWD_RIGHT);
	assert_int_equal(ask("secret", STR("secret"), "PLAIN"), PASSWD_RIGHT);
	/* The default judges alone: no second try as plain text. */
	assert_int_not_equal(ask("secret", STR("secret"), "CRYPT"), PASSWD_RIGHT);
}

static void
nobody_gets_in_by(void **state)
{
	static const struct {
		const char *name, *stored;
		struct str password;
	} rows[] = {
		{ "an empty column", "", STR("x") },
		{ "an empty column and password", "", STR("") },
		{ "an empty plain password", "{PLAIN}", STR("") },
		{ "crypt's failure mark", "*0", STR("x") },
		{ "crypt's other failure mark", "{CRYPT}*1", STR("x") },
		{ "a locked account", "!", STR("!") },
		{ "an unknown scheme", "{ROT13}frperg", STR("secret") },
		{ "an unknown encoding", "{SHA.ROT13}x", STR("secret") },
		{ "a cut digest", "{SHA256}K7gNU3sdo+OL0wNh", STR("secret") },
		{ "a digest of nothing", "{SSHA}", STR("secret") },
		{ "a NUL behind the password", "{PLAIN}secret", STR("secret\0x") },
		{ "a NUL for crypt", "{CRYPT}abNANd1rDfiNc", STR("secret\0x") },
		{ "a huge argon2", "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
		    STR("x") },
		{ "an argon2 without size", "{ARGON2ID}$argon2id$", STR("x") },
		{ "pbkdf2 without end", "{PBKDF2}$1$salt$5000$", STR("x") },
		{ "pbkdf2 of 2^32 rounds", "{PBKDF2}$1$salt$4294967296$00", STR("x") },
		{ "scram without keys", "{SCRAM-SHA-256}4096,c2FsdHNhbHQ=", STR("x") },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (ask(rows[i].stored, rows[i].password, "CRYPT") == PASSWD_RIGHT)
			fail_msg("logged in by %s", rows[i].name);
}

static void
what_is_made_is_verified(void **state)
{
	static const char *const made[] = { "ARGON2ID", "YESCRYPT", "SHA512-CRYPT", "SHA256-CRYPT",
		"BLF-CRYPT", "SSHA512", "PLAIN" };
	struct secret s = { 0 };
	struct buf out, other;

	assert_true(secret_set(&s, STR("corr\xc3\xa9"
				       "ct horse")));
	for (size_t i = 0; i < COUNT_OF(made); i++) {
		buf_init(&out, 512);
		buf_init(&other, 512);
		assert_int_equal(passwd_hash(made[i], &s, &out, NULL), DONE);
		assert_int_equal(passwd_hash(made[i], &s, &other, NULL), DONE);
		if (strcmp(made[i], "PLAIN") != 0)
			assert_false(str_eq(buf_str(&out), buf_str(&other)));
		if (passwd_verify(buf_str(&out), &s, "CRYPT") != PASSWD_RIGHT)
			fail_msg("%s", buf_cstr(&out));
		buf_free(&out);
		buf_free(&other);
	}
	buf_init(&out, 512);
	assert_int_equal(passwd_hash("MD5-CRYPT", &s, &out, NULL), PERMFAIL);
	assert_int_equal(out.n, 0);
	buf_free(&out);
	secret_free(&s);
}

static void
generated_passwords(void **state)
{
	char a[32], b[32];

	passwd_generate(4, a, sizeof(a));
	passwd_generate(4, b, sizeof(b));
	assert_int_equal(strlen(a), 19);
	assert_true(a[4] == '-' && a[9] == '-' && a[14] == '-');
	assert_string_not_equal(a, b);
	passwd_generate(4, a, 6);
	assert_int_equal(strlen(a), 5);
}

static void
judgements(void **state)
{
	char name[32];

	passwd_scheme(STR("$6$abc$def"), "PLAIN", name, sizeof(name));
	assert_string_equal(name, "CRYPT");
	assert_true(passwd_is_weak(STR("{PLAIN}x"), "CRYPT"));
	assert_true(passwd_is_weak(STR("$1$abc$def"), "CRYPT"));
	assert_false(passwd_is_weak(STR("$6$abc$def"), "CRYPT"));
	assert_true(passwd_is_cheap(STR("{SSHA}x"), "CRYPT"));
	assert_false(passwd_is_cheap(STR("$6$abc$def"), "CRYPT"));
}

/* The keys of RFC 5802 5 and RFC 7677 3: user "user", password "pencil". */
static void
scram_vectors(void **state)
{
	static const struct {
		enum scram_kind kind;
		struct str salt;
		const char *want;
	} rows[] = {
		{ SCRAM_SHA_1, STR("\x41\x25\xc2\x47\xe4\x3a\xb1\xe9\x3c\x6d\xff\x76"),
		    "4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
		    "D+CSWLOshSulAsxiupA+qs2/fTE=" },
		{ SCRAM_SHA_256,
		    STR("\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"),
		    "4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=" },
	};
	struct secret s = { 0 };

	assert_true(secret_set(&s, STR("pencil")));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;

		buf_init(&out, 512);
		assert_true(scram_make(rows[i].kind, &s, rows[i].salt, 4096, &out));
		assert_string_equal(buf_cstr(&out), rows[i].want);
		buf_free(&out);
	}
	secret_free(&s);
}

/* RFC 4013 3: a soft hyphen goes, a compatibility character becomes its plain one. */
static void
scram_normalizes(void **state)
{
	static const struct {
		struct str a, b;
	} rows[] = {
		{ STR("I\xc2\xadX"), STR("IX") },
		{ STR("\xe2\x85\xa8"), STR("IX") },
		{ STR("a\xc2\xa0\x62"), STR("a b") },
		{ STR("e\xcc\x81"), STR("\xc3\xa9") },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct secret a = { 0 }, b = { 0 };
		struct buf x, y;

		buf_init(&x, 512);
		buf_init(&y, 512);
		assert_true(secret_set(&a, rows[i].a) && secret_set(&b, rows[i].b));
		assert_true(scram_make(SCRAM_SHA_256, &a, STR("salt"), 1, &x));
		assert_true(scram_make(SCRAM_SHA_256, &b, STR("salt"), 1, &y));
		if (!str_eq(buf_str(&x), buf_str(&y)))
			fail_msg("row %zu", i);
		secret_free(&a);
		secret_free(&b);
		buf_free(&x);
		buf_free(&y);
	}
}

static void
scram_from_the_column(void **state)
{
	struct buf out;

	buf_init(&out, 512);
	assert_true(scram_of_stored(SCRAM_SHA_1, STR("{SCRAM-SHA-1}4096,c2E=,eA==,eQ=="), &out));
	assert_string_equal(buf_cstr(&out), "4096:c2E=$eA==:eQ==");
	assert_false(scram_of_stored(SCRAM_SHA_256, STR("{SCRAM-SHA-1}4096,c2E=,eA==,eQ=="), &out));
	assert_false(scram_of_stored(SCRAM_SHA_1, STR("secret"), &out));
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms),
		cmocka_unit_test(bare_forms),
		cmocka_unit_test(nobody_gets_in_by),
		cmocka_unit_test(what_is_made_is_verified),
		cmocka_unit_test(generated_passwords),
		cmocka_unit_test(judgements),
		cmocka_unit_test(scram_vectors),
		cmocka_unit_test(scram_normalizes),
		cmocka_unit_test(scram_from_the_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
