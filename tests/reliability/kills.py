#!/usr/bin/env python3
"""Daemons are killed with SIGKILL, and nothing acknowledged is lost.

  kills.py random [--rounds N] [--seconds S]   a daemon by chance every 0.15 s, under load
  kills.py sweep [--daemon NAME ...] [--after] one delivery for each system call it makes,
                                               killed there (before it, or --after it)
  kills.py errors [--error NAME ...]           one delivery for each file call of deliver's,
                                               failing there with ENOSPC, EIO, EDQUOT, EMFILE,
                                               EINTR or a short write
  --without-link: proof that this bites; deliver's links claim success and do nothing

Needs root.  Exit status 0: nothing lost, nothing partial, at most one extra copy a kill,
and no error of ours was told to a client as its own (5xx).
"""
import argparse
import errno
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time

import load
from rig import Rig, Shim, progress

VICTIMS = ("smtpd", "deliver", "authd", "imapd", "login", "relay")
ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EMFILE", "EINTR", "SHORT")


class Tally:
    def __init__(self):
        self.t = {"deliveries": 0, "acknowledged": 0, "faults": 0, "refused": 0, "lost": 0, "extra": 0,
                  "broken": 0, "permanent": 0}
        self.acked = {}

    def count(self, rig):
        found, broken = load.census(rig.mail_root)
        lost, extra = load.account(self.acked, found)
        self.t["lost"], self.t["extra"], self.t["broken"] = len(lost), extra, len(broken)
        for ident, rcpt in lost:
            print(f"lost {ident} for {rcpt}", file=sys.stderr)
        for path in broken:
            print(f"broken {path}", file=sys.stderr)

    def good(self):
        t = self.t
        return not (t["lost"] or t["broken"] or t["permanent"]) and t["acknowledged"] and t["extra"] <= t["faults"]


def random_kills(rig, a, tally):
    rnd = random.Random(a.seed)
    rig.start()
    for number in range(1, a.rounds + 1):
        stop = threading.Event()
        senders = [load.Sender("127.0.0.1", rig.smtp_port, rig.users, a.seed * 7919 + number * 101 + i, stop,
                               per_message=2 if i == 0 else 1) for i in range(a.clients)]
        for s in senders:
            s.start()
        end = time.monotonic() + a.seconds
        while time.monotonic() < end:
            time.sleep(0.15 + rnd.random() * 0.1)
            alive = [(n, p) for n, pids in rig.daemons().items() for p in pids if n in VICTIMS]
            if alive:
                name, pid = rnd.choice(sorted(alive))
                os.kill(pid, signal.SIGKILL)
                tally.t["faults"] += 1
        if number % 5 == 0:
            rig.kill()
            rig.start()
        stop.set()
        for s in senders:
            s.join()
            tally.acked.update(s.acked)
            tally.t["deliveries"] += len(s.tried)
            tally.t["acknowledged"] += len(s.acked)
            tally.t["refused"] += s.refused
            tally.t["permanent"] += len(s.permanent)
        time.sleep(1)
        progress(f"round {number}/{a.rounds}: {tally.t['faults']} kills, {tally.t['acknowledged']} acknowledged")
    rig.drain()
    tally.count(rig)


def deliver_one(rig, ident, rcpts, tally, tries=1):
    """One transaction; the answer's first digit, or "" when the connection went."""
    tally.t["deliveries"] += 1
    data = load.message(ident, 3000)
    for attempt in range(tries):
        try:
            smtp = load.Smtp("127.0.0.1", rig.smtp_port, timeout=15)
            ok, line = smtp.send(rcpts, data)
            smtp.close()
        except load.Lost:
            line, ok = "", False
        if ok:
            tally.acked[ident] = rcpts
            tally.t["acknowledged"] += 1
        if ok or attempt + 1 == tries:
            if line.startswith("5"):
                tally.t["permanent"] += 1
                print(f"{ident}: {line}", file=sys.stderr)
            elif not ok:
                tally.t["refused"] += 1
            return line[:1]
        time.sleep(0.2)


def well_again(rig, ident, rcpts, tally):
    """After a fault the next try has to succeed within seconds."""
    for _ in range(40):
        if deliver_one(rig, ident, rcpts, tally) == "2":
            return
        time.sleep(0.1)
    raise SystemExit(f"not well again after {ident}")


def sweep_one(rig, label, rcpts, action, error, files_only, a, tally):
    """Fault at call 1, 2, 3... of a delivery until one gets through without meeting it."""
    n, quiet = a.first, 0
    while n <= a.most and quiet < 3:
        rig.shim.arm(n, action, error, files_only)
        deliver_one(rig, f"{label}-{n}", rcpts, tally)
        time.sleep(0.02)
        rig.shim.disarm()
        if rig.shim.hit:
            tally.t["faults"] += 1
            quiet = 0
            where = rig.shim.name(n)
            well_again(rig, f"{label}-{n}-again", rcpts, tally)
        else:
            quiet += 1
            where = "-"
        progress(f"{label}: call {n} {where}")
        n += a.step


def sweep(rig, a, tally):
    for daemon in a.daemon or VICTIMS[:4]:
        rig.with_shim(daemon)
        rig.start()
        for kind, rcpts in (("one", rig.users[:1]), ("two", rig.users[:2])):
            well_again(rig, f"{daemon}-{kind}-warm", rcpts, tally)
            sweep_one(rig, f"{daemon}-{kind}", rcpts, Shim.KILL_AFTER if a.after else Shim.KILL, 0, False, a, tally)
        rig.shim.disarm()
        rig.drain()
        rig.kill()
    rig.start()
    rig.drain()
    tally.count(rig)


def errors(rig, a, tally):
    rig.with_shim("deliver")
    rig.start()
    for name in a.error or ERRORS:
        for kind, rcpts in (("one", rig.users[:1]), ("two", rig.users[:2])):
            well_again(rig, f"{name}-{kind}-warm", rcpts, tally)
            action, number = (Shim.SHORT, 0) if name == "SHORT" else (Shim.FAIL, getattr(errno, name))
            sweep_one(rig, f"{name}-{kind}", rcpts, action, number, True, a, tally)
    rig.shim.disarm()
    rig.drain()
    tally.count(rig)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mode", choices=("random", "sweep", "errors"))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--clients", type=int, default=4)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--daemon", action="append")
    p.add_argument("--error", action="append", choices=ERRORS)
    p.add_argument("--after", action="store_true")
    p.add_argument("--first", type=int, default=1)
    p.add_argument("--step", type=int, default=1, help="every step-th call only")
    p.add_argument("--most", type=int, default=600)
    p.add_argument("--without-link", action="store_true")
    p.add_argument("--port-base", type=int, default=0, help="0: a free range")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    rig = Rig(tempfile.mkdtemp(prefix="postroom-kill-", dir="/var/tmp"), a.port_base)
    os.chmod(rig.state, 0o755)
    tally = Tally()
    try:
        rig.prepare()
        if a.without_link:
            rig.with_shim("deliver")
            rig.shim.lie(Shim.LIE_LINK)
        {"random": random_kills, "sweep": sweep, "errors": errors}[a.mode](rig, a, tally)
    finally:
        rig.finish()
    print(json.dumps(tally.t) if a.json else "\n" + "\n".join(f"{k:16} {v}" for k, v in tally.t.items()))
    if a.without_link:
        return 0 if tally.t["lost"] else 1
    return 0 if tally.good() else 1


if __name__ == "__main__":
    sys.exit(main())
