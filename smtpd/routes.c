#include "smtpd/routes.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

struct place {
	int64_t until_ms;
	struct str address; /* ours */
	enum outcome outcome;
	struct why why;
	struct smtp_route route; /* targets ours, with their addresses behind them */
};

struct routes {
	pthread_mutex_t lock;
	struct place places[ROUTES_PLACES];
};

struct routes *
routes_new(void)
{
	struct routes *r = xcalloc(1, sizeof(*r));

	(void)pthread_mutex_init(&r->lock, NULL);
	return r;
}

static void
empty(struct place *p)
{
	free((void *)(uintptr_t)p->address.p);
	free((void *)(uintptr_t)p->route.targets);
	*p = (struct place){ 0 };
}

void
routes_free(struct routes **rp)
{
	struct routes *r = *rp;

	if (r == NULL)
		return;
	for (size_t i = 0; i < ROUTES_PLACES; i++)
		empty(&r->places[i]);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
	*rp = NULL;
}

static struct place *
place_of(struct routes *r, struct str address)
{
	return &r->places[hash_str(address) % ROUTES_PLACES];
}

bool
routes_get(struct routes *r, struct str address, struct arena *arena, enum outcome *o,
    struct smtp_route *out, struct why *why)
{
	struct place *p = place_of(r, address);
	bool hit;

	(void)pthread_mutex_lock(&r->lock);
	hit = p->until_ms > clock_ms() && str_eq(p->address, address);
	if (hit) {
		struct deliver_target *t =
		    arena_array(arena, p->route.target_count + 1, sizeof(*t));

		*o = p->outcome;
		*why = p->why;
		*out = p->route;
		out->targets = t;
		for (size_t i = 0; i < out->target_count; i++) { /* at most ROUTES_TARGETS */
			t[i].kind = p->route.targets[i].kind;
			t[i].address = arena_str(arena, p->route.targets[i].address);
		}
	}
	(void)pthread_mutex_unlock(&r->lock);
	return hit;
}

/* One block: the targets, then their addresses. */
static const struct deliver_target *
copy_targets(const struct smtp_route *route)
{
	size_t n = route->target_count * sizeof(struct deliver_target);
	struct deliver_target *t;
	char *text;

	for (size_t i = 0; i < route->target_count; i++)
		n += route->targets[i].address.n;
	t = xmalloc(n);
	text = (char *)(t + route->target_count);
	for (size_t i = 0; i < route->target_count; i++) {
		struct str a = route->targets[i].address;

		memcpy(text, a.p, a.n);
		t[i].kind = route->targets[i].kind;
		t[i].address = str_n(text, a.n);
		text += a.n;
	}
	return t;
}

void
routes_put(struct routes *r, struct str address, enum outcome o, const struct smtp_route *route,
    const struct why *why)
{
	struct place *p = place_of(r, address);

	if (o == TEMPFAIL || o == GONE || (o == DONE && route->target_count > ROUTES_TARGETS))
		return;
	(void)pthread_mutex_lock(&r->lock);
	empty(p);
	p->until_ms = clock_ms() + ROUTES_MS;
	p->address = str_n(str_dup(address), address.n);
	p->outcome = o;
	if (o == DONE) {
		p->route = *route;
		p->route.targets = copy_targets(route);
	} else {
		p->why = *why;
	}
	(void)pthread_mutex_unlock(&r->lock);
}
