/*
 * notify.h - what systemd is told (sd_notify(3), the protocol by hand: one
 * datagram of NAME=VALUE lines to $NOTIFY_SOCKET).  Nothing without it.
 */
#ifndef POSTROOMD_NOTIFY_H
#define POSTROOMD_NOTIFY_H

#include "base/base.h"

/* Remembers $NOTIFY_SOCKET and takes it out of the environment. */
void notify_begin(void);
void notify(const char *format, ...) printf_like(1, 2);

#endif
