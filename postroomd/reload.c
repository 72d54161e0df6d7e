/*
 * reload.c - new settings without dropping a session: read, check, bind what
 * is new, and only then change anything.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "postroomd/super.h"

/* What is built into the running processes. */
static const enum conf_index fixed[] = {
	CONF_INDEX_run_dir,
	CONF_INDEX_mail_dir,
	CONF_INDEX_queue_dir,
	CONF_INDEX_mail_user,
	CONF_INDEX_socket_group,
	CONF_INDEX_imap_shards,
};

static bool
only_reloadable(const struct conf *old, const struct conf *new, struct buf *errors)
{
	bool good = true;

	for (size_t i = 0; i < COUNT_OF(fixed); i++)
		if (strcmp(conf_written(old, fixed[i]), conf_written(new, fixed[i])) != 0) {
			buf_printf(errors, "%s:%u: %s: a change needs a restart\n", conf_file(new),
			    conf_line(new, fixed[i]), conf_options[fixed[i]].name);
			good = false;
		}
	return good;
}

static bool
holds(const struct listeners *l, const struct listener *x)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i].name, x->name) == 0 &&
		    strcmp(l->items[i].where, x->where) == 0)
			return true;
	return false;
}

/* Those of `all` that `before` does not have; descriptors are borrowed. */
static struct listeners
newcomers(const struct listeners *all, const struct listeners *before)
{
	struct listeners l = { xcalloc(all->n + 1, sizeof(*l.items)), 0 };

	for (size_t i = 0; i < all->n; i++)
		if (!holds(before, &all->items[i]))
			l.items[l.n++] = all->items[i];
	return l;
}

enum outcome
super_reload(struct super *s, struct buf *errors)
{
	struct conf *conf = NULL;
	struct material material;
	struct listeners all, added;

	if (conf_read(s->conf_path, &conf, errors) != DONE)
		return PERMFAIL;
	if (!only_reloadable(s->conf, conf, errors) ||
	    material_read(conf, &material, errors) != DONE) {
		conf_unref(&conf);
		return PERMFAIL;
	}
	if (listeners_make(conf, &s->listeners, &all, errors) != DONE) {
		material_free(&material);
		conf_unref(&conf);
		return PERMFAIL;
	}
	added = newcomers(&all, &s->listeners);
	listeners_end(&s->listeners); /* what is left there is wanted no more */
	s->listeners = all;
	material_free(&s->material);
	s->material = material;
	conf_unref(&s->conf);
	s->conf = conf;
	s->reload_complaint[0] = '\0';
	for (size_t i = 0; i < s->child_count; i++)
		child_reload(s, &s->children[i], &added);
	free(added.items);
	log_event(LOG_INFO, "reload", kv_cstr("file", s->conf_path), KV_END);
	return DONE;
}
