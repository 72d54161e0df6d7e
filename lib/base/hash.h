/*
 * hash.h - SipHash-2-4 for tables whose keys strangers choose, CRC-32C for
 * records on disk.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

struct hash_key {
	uint64_t k0, k1;
};

/* A key drawn at process start; the same for the life of the process. */
const struct hash_key *hash_process_key(void);

uint64_t siphash(const struct hash_key *key, const void *p, size_t n);

/* With the process key. */
uint64_t hash_str(struct str s);

/*
 * FNV-1a, 64 bit: where every process must come to the same number (which
 * shard serves a user), never as the key of a table a stranger can fill.
 */
uint64_t hash_stable(struct str s);

/* CRC-32C (Castagnoli); start with 0, feed pieces in order. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#endif
