/*
 * Whatever a disk gives back: an envelope file is read, set aside, or cut at
 * a torn record.  Twice: the octets as they are, and as the payloads of
 * records whose checksums are right, so that the fuzzer gets behind them.
 */
#include <string.h>

#include "base/fuzz.h"
#include "base/hash.h"
#include "deliver/envfile.h"

#define ROOM      65536
#define HEAD_N    16
#define RECORD_N  16
#define PIECE_MAX 4096

static void
put_le(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t
id_of(const uint8_t *p)
{
	uint64_t id = 0;

	for (int i = 0; i < 8; i++)
		id |= (uint64_t)p[i] << (8 * i);
	return id;
}

static void
look(const uint8_t *p, size_t n)
{
	struct arena *arena = arena_new(ENVFILE_ARENA);
	struct env env;

	if (n >= HEAD_N &&
	    envfile_read(str_n(p, n), id_of(p + 8), arena, &env) != ENVFILE_DAMAGED) {
		assert(env.end <= n);
		assert(env_pending(&env) <= env.target_count);
	}
	arena_free(&arena);
}

/* Type, two octets of length, payload; again and again. */
static size_t
dress(const uint8_t *data, size_t n, uint8_t out[static ROOM])
{
	static const uint8_t id[8] = { 1 };
	size_t at = HEAD_N;

	memcpy(out, "PRQUEUE1", 8);
	memcpy(out + 8, id, 8);
	for (uint16_t number = 0; n >= 3 && at + RECORD_N + PIECE_MAX <= ROOM; number++) {
		size_t length = MIN((size_t)(data[1] | data[2] << 8) % PIECE_MAX, n - 3);
		uint8_t *r = out + at;

		put_le(r, length, 4);
		put_le(r + 4, data[0] % 5, 2);
		put_le(r + 6, number, 2);
		put_le(r + 8, crc32c(crc32c(0, id, 8), r, 8), 4);
		put_le(r + 12, crc32c(crc32c(0, id, 8), data + 3, length), 4);
		memcpy(r + RECORD_N, data + 3, length);
		at += RECORD_N + length;
		data += 3 + length;
		n -= 3 + length;
	}
	return at;
}

FUZZ(data, n)
{
	static uint8_t dressed[ROOM];

	look(data, n);
	look(dressed, dress(data, n, dressed));
}
