#include "rpc/super_proto.h"

void
super_daemon_put(struct rpc_out *o, const struct super_daemon *d)
{
	rpc_put_str(o, d->name);
	rpc_put_str(o, d->state);
	rpc_put_u32(o, d->pid);
	rpc_put_u64(o, d->uptime_s);
	rpc_put_u32(o, d->restarts);
	rpc_put_u8(o, d->crash_loop);
	rpc_put_str(o, d->last_end);
}

void
super_daemon_get(struct rpc_in *in, struct super_daemon *d)
{
	d->name = rpc_get_str(in);
	d->state = rpc_get_str(in);
	d->pid = rpc_get_u32(in);
	d->uptime_s = rpc_get_u64(in);
	d->restarts = rpc_get_u32(in);
	d->crash_loop = rpc_get_u8(in) != 0;
	d->last_end = rpc_get_str(in);
}

void
super_listener_put(struct rpc_out *o, const struct super_listener *l)
{
	rpc_put_str(o, l->name);
	rpc_put_str(o, l->where);
	rpc_put_str(o, l->daemon);
}

void
super_listener_get(struct rpc_in *in, struct super_listener *l)
{
	l->name = rpc_get_str(in);
	l->where = rpc_get_str(in);
	l->daemon = rpc_get_str(in);
}
