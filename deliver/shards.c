#include "deliver/shards.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/imap_proto.h"

struct shard {
	_Atomic(struct rpc_client *) client; /* NULL: no such shard */
	atomic_bool behind;                  /* something was not told */
	char name[16];
};

struct shards {
	struct shard shard[SHARDS_MAX];
};

struct shards *
shards_new(void)
{
	return xcalloc(1, sizeof(struct shards));
}

void
shards_free(struct shards **sp)
{
	struct shards *s = *sp;

	if (s == NULL)
		return;
	for (size_t i = 0; i < SHARDS_MAX; i++) {
		struct rpc_client *c = atomic_load(&s->shard[i].client);

		if (c != NULL)
			rpc_client_free(&c);
	}
	free(s);
	*sp = NULL;
}

void
shards_attach(struct shards *s, unsigned shard, int fd)
{
	struct shard *h;
	struct rpc_client *c;

	assert(shard < SHARDS_MAX);
	h = &s->shard[shard];
	c = atomic_load(&h->client);
	if (c == NULL) {
		(void)snprintf(h->name, sizeof(h->name), "imapd-%u", shard);
		c = rpc_client_new(h->name);
		atomic_store(&h->client, c);
	}
	rpc_client_attach(c, fd);
}

static void
tell_all(struct shards *s, const struct rpc_out *o, bool only_behind)
{
	for (size_t i = 0; i < SHARDS_MAX; i++) {
		struct shard *h = &s->shard[i];
		struct rpc_client *c = atomic_load_explicit(&h->client, memory_order_acquire);

		if (c == NULL || (only_behind && !atomic_exchange(&h->behind, false)))
			continue;
		if (rpc_notify(c, IMAPD_CHANGED, o) != DONE)
			atomic_store(&h->behind, true);
	}
}

void
shards_tell(struct shards *s, struct str home, struct str folder)
{
	struct rpc_out o;

	rpc_out_init(&o);
	changed_put(&o, home, folder);
	tell_all(s, &o, false);
	rpc_out_free(&o);
}

void
shards_catch_up(struct shards *s)
{
	/* An empty home: look at everything. */
	struct rpc_out o;

	rpc_out_init(&o);
	changed_put(&o, STR(""), STR(""));
	tell_all(s, &o, true);
	rpc_out_free(&o);
}
