/*
 * service.h - deliver's requests (rpc/deliver_proto.h): the table for the
 * rpc server, whose arg is the struct deliver.
 */
#ifndef DELIVER_SERVICE_H
#define DELIVER_SERVICE_H

#include "rpc/rpc.h"

extern const struct rpc_handler deliver_service[];

#endif
