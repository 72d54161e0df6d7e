/*
 * body.c - fields of requests and answers.
 */
#include <stdlib.h>

#include "rpc/rpc.h"

void
rpc_out_init(struct rpc_out *o)
{
	*o = (struct rpc_out){ 0 };
	buf_init(&o->body, RPC_BODY_MAX);
}

void
rpc_out_free(struct rpc_out *o)
{
	buf_free(&o->body);
	o->fd_count = 0;
}

void
rpc_out_close_fds(struct rpc_out *o)
{
	for (size_t i = 0; i < o->fd_count; i++)
		fd_close(&o->fds[i]);
	o->fd_count = 0;
}

static void
put_le(struct rpc_out *o, uint64_t v, size_t n)
{
	char *to = buf_room(&o->body, n);

	if (to == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(v >> (8 * i) & 0xff);
	buf_claim(&o->body, n);
}

void
rpc_put_u8(struct rpc_out *o, uint8_t v)
{
	put_le(o, v, 1);
}

void
rpc_put_u32(struct rpc_out *o, uint32_t v)
{
	put_le(o, v, 4);
}

void
rpc_put_u64(struct rpc_out *o, uint64_t v)
{
	put_le(o, v, 8);
}

void
rpc_put_str(struct rpc_out *o, struct str s)
{
	rpc_put_u32(o, (uint32_t)MIN(s.n, (size_t)RPC_BODY_MAX));
	(void)buf_put(&o->body, s);
}

void
rpc_put_fd(struct rpc_out *o, int fd)
{
	assert(o->fd_count < RPC_FDS_MAX && fd >= 0);
	o->fds[o->fd_count++] = fd;
}

static uint64_t
get_le(struct rpc_in *in, size_t n)
{
	uint64_t v = 0;

	if (in->bad || (size_t)(in->end - in->p) < n) {
		in->bad = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)(unsigned char)in->p[i] << (8 * i);
	in->p += n;
	return v;
}

uint8_t
rpc_get_u8(struct rpc_in *in)
{
	return (uint8_t)get_le(in, 1);
}

uint32_t
rpc_get_u32(struct rpc_in *in)
{
	return (uint32_t)get_le(in, 4);
}

uint64_t
rpc_get_u64(struct rpc_in *in)
{
	return get_le(in, 8);
}

struct str
rpc_get_str(struct rpc_in *in)
{
	uint32_t n = rpc_get_u32(in);
	struct str s;

	if (in->bad || (size_t)(in->end - in->p) < n) {
		in->bad = true;
		return STR("");
	}
	s = str_n(in->p, n);
	in->p += n;
	return s;
}

int
rpc_get_fd(struct rpc_in *in)
{
	int fd;

	if (in->fd_next >= in->fd_count) {
		in->bad = true;
		return -1;
	}
	fd = in->fds[in->fd_next];
	in->fds[in->fd_next++] = -1;
	return fd;
}

bool
rpc_in_done(const struct rpc_in *in)
{
	return !in->bad && in->p == in->end;
}

void
rpc_in_free(struct rpc_in *in)
{
	for (size_t i = in->fd_next; i < in->fd_count; i++)
		fd_close(&in->fds[i]);
	free(in->block);
	*in = (struct rpc_in){ 0 };
}
