#include "base/test.h"

#include <stdlib.h>

#include "deliver/envfile.h"

#define ID 0x1122334455667788u

static const struct deliver_target two[] = {
	{ DELIVER_TO_MAILBOX, STR("ann@example.test") },
	{ DELIVER_TO_REMOTE, STR("ann@far.example") },
};
static const struct deliver_target one[] = { { DELIVER_TO_REMOTE, STR("x@y.example") } };
static const struct deliver_recipient recipients[] = {
	{ STR("ann@example.test"), STR("rfc822;Ann+40example.test"),
	    DELIVER_NOTIFY_FAILURE | DELIVER_NOTIFY_DELAY, two, 2 },
	{ STR("x@y.example"), STR(""), 0, one, 1 },
};
static const struct deliver_envelope envelope = {
	.id = ID,
	.client_ip = STR("192.0.2.1"),
	.protocol = STR("ESMTPSA"),
	.auth_user = STR("bob@example.test"),
	.from = STR("bob@example.test"),
	.envid = STR("QQ314159"),
	.ret = DELIVER_RET_HDRS,
	.flags = DELIVER_EIGHTBIT,
	.size = 4711,
	.recipients = recipients,
	.recipient_count = 2,
};

static void
must_eq(struct str got, const char *want)
{
	if (!str_eq(got, str_of(want)))
		fail_msg("got \"" STR_FMT "\", want \"%s\"", STR_ARG(got), want);
}

/* A file with an envelope, two results and a schedule; ends[i]: where record i ends. */
static void
make(struct buf *b, struct env *env, struct arena *arena, uint64_t ends[4])
{
	buf_init(b, ENVFILE_MAX);
	assert_true(envfile_begin(&envelope, 1000, 42, ENV_REPORT, b));
	assert_int_equal(envfile_read(buf_str(b), ID, arena, env), ENVFILE_GOOD);
	ends[0] = env->end;
	assert_int_equal(env->end, b->n);
	env->targets[0].state = DELIVER_RCPT_DELIVERED;
	env->targets[0].status = STR("2.0.0");
	assert_true(envfile_put_result(env, 0, b));
	ends[1] = env->end;
	env->targets[2].tries = 3;
	env->targets[2].status = STR("4.7.1");
	env->targets[2].reply = STR("451 4.7.1 Greylisted");
	env->targets[2].mta = STR("mx.y.example");
	assert_true(envfile_put_result(env, 2, b));
	ends[2] = env->end;
	env->scheduled_s = 2000;
	env->age_s = 900;
	env->delay_s = 300;
	env->tries = 3;
	env->warned = true;
	assert_true(envfile_put_schedule(env, b));
	ends[3] = env->end;
	assert_int_equal(env->end, b->n);
}

static void
test_round_trip(void **state)
{
	struct arena *arena = arena_new(ENVFILE_ARENA);
	struct env env, got;
	uint64_t ends[4];
	struct buf b;

	make(&b, &env, arena, ends);
	assert_int_equal(envfile_read(buf_str(&b), ID, arena, &got), ENVFILE_GOOD);
	assert_int_equal(got.arrived_s, 1000);
	assert_int_equal(got.skip, 42);
	assert_int_equal(got.flags, ENV_REPORT);
	assert_int_equal(got.target_count, 3);
	assert_int_equal(env_pending(&got), 2);
	must_eq(got.e.from, "bob@example.test");
	must_eq(got.e.envid, "QQ314159");
	must_eq(got.targets[0].target, "ann@example.test");
	must_eq(got.targets[1].target, "ann@far.example");
	must_eq(got.targets[1].orcpt, "rfc822;Ann+40example.test");
	assert_int_equal(got.targets[0].state, DELIVER_RCPT_DELIVERED);
	must_eq(got.targets[2].reply, "451 4.7.1 Greylisted");
	assert_int_equal(got.targets[2].tries, 3);
	assert_int_equal(got.age_s, 900);
	assert_true(got.warned);
	/* Under another name it is not ours. */
	assert_int_equal(envfile_read(buf_str(&b), ID + 1, arena, &got), ENVFILE_DAMAGED);
	buf_free(&b);
	arena_free(&arena);
}

/* Cut at each octet: damaged within the envelope, else what the whole records say. */
static void
test_cut(void **state)
{
	struct arena *arena = arena_new(ENVFILE_ARENA);
	struct env env, got;
	uint64_t ends[4];
	struct buf b;

	make(&b, &env, arena, ends);
	for (size_t n = 0; n < b.n; n++) {
		char *copy =
		    malloc(n + 1); /* exactly as long, so that the sanitizer sees over-reads */
		enum envfile_state s;
		size_t whole = 0;

		memcpy(copy, b.p, n);
		arena_reset(arena);
		s = envfile_read(str_n(copy, n), ID, arena, &got);
		while (whole < 4 && ends[whole] <= n)
			whole++;
		if (whole == 0)
			assert_int_equal(s, ENVFILE_DAMAGED);
		else {
			assert_int_equal(s, ends[whole - 1] == n ? ENVFILE_GOOD : ENVFILE_TORN);
			assert_int_equal(got.records, whole);
			assert_int_equal(got.end, ends[whole - 1]);
		}
		free(copy);
	}
	buf_free(&b);
	arena_free(&arena);
}

/* A flipped bit anywhere is damage, never another meaning. */
static void
test_flip(void **state)
{
	struct arena *arena = arena_new(ENVFILE_ARENA);
	struct env env, got;
	uint64_t ends[4];
	struct buf b;

	make(&b, &env, arena, ends);
	for (size_t bit = 0; bit < b.n * 8; bit++) {
		b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << (bit % 8)));
		arena_reset(arena);
		if (envfile_read(buf_str(&b), ID, arena, &got) != ENVFILE_DAMAGED)
			fail_msg("bit %zu of octet %zu was not noticed", bit % 8, bit / 8);
		b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << (bit % 8)));
	}
	buf_free(&b);
	arena_free(&arena);
}

/* A block of zeros behind the last record is what some file systems leave after a cut. */
static void
test_zeros(void **state)
{
	static const char zeros[4096];
	struct arena *arena = arena_new(ENVFILE_ARENA);
	struct env env, got;
	uint64_t ends[4];
	struct buf b;

	make(&b, &env, arena, ends);
	buf_put(&b, str_n(zeros, sizeof(zeros)));
	assert_int_equal(envfile_read(buf_str(&b), ID, arena, &got), ENVFILE_TORN);
	assert_int_equal(got.records, 4);
	assert_int_equal(got.end, ends[3]);
	buf_free(&b);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_flip),
		cmocka_unit_test(test_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
