/*
 * shards.h - telling imapd's shards which folder changed, so that people in
 * IDLE see new mail at once.
 *
 * Never waits.  What a full or broken wire did not take becomes one notice
 * "look at everything", sent when there is room again: no wake-up is lost.
 */
#ifndef DELIVER_SHARDS_H
#define DELIVER_SHARDS_H

#include "base/str.h"

#define SHARDS_MAX 33 /* the supervisor counts up to 32, from 0 or from 1 */

struct shards;

struct shards *shards_new(void);
void shards_free(struct shards **s);
/* The wire "imapd-N"; fd becomes the shard's.  Before the first tell or on the main thread. */
void shards_attach(struct shards *s, unsigned shard, int fd);
/* Any thread. */
void shards_tell(struct shards *s, struct str home, struct str folder);
/* Every second, by one thread: what was not told before. */
void shards_catch_up(struct shards *s);

#endif
