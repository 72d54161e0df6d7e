#include "deliver/local.h"

#include <inttypes.h>

#include "base/log.h"
#include "deliver/resolve.h"
#include "store/folder.h"

#define LOCAL_ARENA (64 * 1024)

struct str
local_copy_id(struct arena *arena, uint64_t id, uint32_t target, bool several)
{
	return str_of(several ? arena_printf(arena, "%016" PRIx64 "-%" PRIu32, id, target)
			      : arena_printf(arena, "%016" PRIx64, id));
}

/*
 * The quota refusal as we mean it: a full mailbox is a passing state (its
 * owner deletes something), so the sender keeps the message or it stays queued.
 */
static enum outcome
over_quota(struct why *why)
{
	return fail(TEMPFAIL, why, 452, "4.2.2", "The mailbox is full");
}

static enum outcome
into_folder(struct folder *f, struct message *m, const struct local_delivery *l, struct deadline by,
    struct delivered *out, struct why *why)
{
	struct delivery what = {
		.fd = m->file.fd,
		.id = l->id,
		.arrived = l->arrived_s,
		.internaldate = l->arrived_s,
		.size = m->size,
		.vsize = m->vsize,
		.packed = buf_str(&m->packed),
	};
	enum outcome o;
	bool found;

	if (l->retry) {
		o = folder_has_delivery(f, l->id, by, &found, why);
		if (o != DONE)
			return o;
		if (found) {
			out->existed = true;
			return DONE;
		}
	}
	o = message_sync(m, why);
	if (o != DONE)
		return o;
	return folder_deliver(f, &what, by, out, why);
}

static enum outcome
into_home(struct deliver *d, struct message *m, const struct local_delivery *l,
    const struct mailbox *box, struct deadline by, struct delivered *out, struct why *why)
{
	struct quota_hold hold = { 0 };
	struct folder *folder = NULL;
	struct home *home = NULL;
	enum outcome o;

	o = store_home(d->store, box->home, true, &home, why);
	if (o == DONE) {
		o = home_reserve(home, &box->quota, m->size, 1, by, &hold, why);
		if (o == PERMFAIL)
			o = over_quota(why);
	}
	/* The owner's Sieve script runs here and chooses the folder; until then it is the inbox. */
	if (o == DONE)
		o = folder_open(home, STR("INBOX"), true, by, &folder, why);
	if (o == DONE)
		o = into_folder(folder, m, l, by, out, why);
	folder_release(&folder);
	quota_release(&hold);
	home_release(&home);
	/* Whatever the store refuses for good may be repaired by its administrator. */
	return o == PERMFAIL ? fail(TEMPFAIL, why, 451, "4.3.0", "The mailbox cannot be used") : o;
}

enum outcome
local_deliver(struct deliver *d, struct message *m, const struct local_delivery *l,
    struct deadline by, struct why *why)
{
	struct arena *arena = arena_new(LOCAL_ARENA);
	struct delivered out = { 0 };
	struct mailbox box;
	int64_t start_us = clock_us();
	enum outcome o;

	o = resolve_mailbox(
	    d, l->mailbox, deadline_min(by, deadline_in(DELIVER_LOOKUP_MS)), arena, &box, why);
	if (o == DONE)
		o = message_parse(m, why);
	if (o == DONE)
		o = into_home(d, m, l, &box, by, &out, why);
	arena_free(&arena);
	if (o == DONE) {
		COUNT(d, delivered);
		log_event(LOG_INFO, "local.delivered", kv_id("t", m->id), kv_str("to", l->mailbox),
		    kv_str("from", l->from), kv_uint("size", m->size), kv_uint("uid", out.uid),
		    kv_uint("existed", out.existed), kv_int("us", clock_us() - start_us), KV_END);
	} else {
		log_event(LOG_INFO, "local.failed", kv_id("t", m->id), kv_str("to", l->mailbox),
		    kv_cstr("o", outcome_name(o)), kv_int("code", why->code),
		    kv_cstr("status", why->enhanced), kv_cstr("text", why->text), KV_END);
	}
	return o;
}

enum outcome
local_quota(
    struct deliver *d, struct str mailbox, uint64_t size, struct deadline by, struct why *why)
{
	struct arena *arena = arena_new(LOCAL_ARENA);
	struct quota_hold hold = { 0 };
	struct home *home = NULL;
	struct mailbox box;
	enum outcome o;

	o = resolve_mailbox(d, mailbox, by, arena, &box, why);
	if (o == DONE && (box.quota.octets > 0 || box.quota.messages > 0)) {
		/* A home that is not there yet has room. */
		if (store_home(d->store, box.home, false, &home, NULL) == DONE) {
			o = home_reserve(home, &box.quota, size, 1, by, &hold, why);
			if (o == PERMFAIL)
				o = over_quota(why);
		}
	}
	quota_release(&hold);
	home_release(&home);
	arena_free(&arena);
	return o;
}
