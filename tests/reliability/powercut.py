#!/usr/bin/env python3
"""The power fails under load, again and again, and nothing acknowledged is lost.

Queue and mail store are two loop-mounted images.  In each round clients send mail, both
file systems are shut down by ioctl within a few milliseconds of each other (nothing more
reaches the image, what was not synced is gone), everything is killed, the images are
mounted again, Postroom starts, the queue drains, and every message that got its 250 has
to be there, whole.  --without-dirsync is the proof that this bites: deliver runs with a
directory fsync that does nothing, and messages must be lost.

  powercut.py [--rounds N] [--fs ext4|xfs] [--options OPTS] [--without-dirsync] [--json]

Needs root.  Exit status 0: nothing lost, nothing partial, copies at most 0.5 %.
"""
import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time

import load
from rig import Rig, Shim, progress


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--fs", choices=("ext4", "xfs"), default="ext4")
    p.add_argument("--options", default="", help="mount options")
    p.add_argument("--clients", type=int, default=4)
    p.add_argument("--seconds", type=float, default=0, help="of load in a round; 0: 0.5 to 1.5, by chance")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--port-base", type=int, default=0, help="0: a free range")
    p.add_argument("--without-dirsync", action="store_true")
    p.add_argument("--keep", metavar="FOLDER", help="after a loss copy logs, queue and mail here and stop")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    rnd = random.Random(a.seed)
    rig = Rig(tempfile.mkdtemp(prefix="postroom-cut-", dir="/var/tmp"), a.port_base)
    os.chmod(rig.state, 0o755)
    total = {"rounds": 0, "acknowledged": 0, "lost": 0, "extra": 0, "broken": 0, "fs": a.fs,
             "permanent": 0, "undrained": 0, "start_s": []}
    acked = {}
    try:
        rig.with_images(a.fs, 400, a.options)
        rig.prepare()
        if a.without_dirsync:
            rig.with_shim("deliver")
            rig.shim.lie(Shim.LIE_DIRECTORY_FSYNC)
        for number in range(1, a.rounds + 1):
            if number % 10 == 1 and number > 1:
                rig.wipe()
                acked.clear()
            rig.start()
            stop = threading.Event()
            senders = [load.Sender("127.0.0.1", rig.smtp_port, rig.users, a.seed * 1000003 + number * 101 + i, stop,
                                   per_message=2 if i == 0 else 1) for i in range(a.clients)]
            for s in senders:
                s.start()
            time.sleep(a.seconds or 0.5 + rnd.random())
            rig.cut(rnd)
            rig.kill()
            stop.set()
            for s in senders:
                s.join()
            rig.remount()
            total["start_s"].append(round(rig.start(), 3))
            total["undrained"] += not rig.drain()
            for s in senders:
                acked.update(s.acked)
                total["acknowledged"] += len(s.acked)
                total["permanent"] += len(s.permanent)
            found, broken = load.census(rig.mail_root)
            lost, extra = load.account(acked, found)
            total["rounds"] = number
            total["lost"] += len(lost)
            total["broken"] += len(broken)
            total["extra_now"] = extra
            if number % 10 == 0 or number == a.rounds:
                total["extra"] += extra
            for ident, rcpt in lost:
                acked.pop(ident, None)
                said = next((x.answers[ident] for x in senders if ident in x.answers), "in an earlier round")
                print(f"\nround {number}: lost {ident} for {rcpt}; answer: {said}", file=sys.stderr)
            for path in broken:
                print(f"\nround {number}: broken {path}", file=sys.stderr)
            progress(f"round {number}/{a.rounds}: {total['acknowledged']} acknowledged, {total['lost']} lost, "
                     f"{total['extra'] + (extra if number % 10 else 0)} extra, {total['broken']} broken")
            rig.kill()
            if a.keep and lost:
                for name in ("log", "mail", "queue"):
                    shutil.copytree(os.path.join(rig.state, name), os.path.join(a.keep, name))
                break
    finally:
        rig.finish()
    total.pop("extra_now", None)
    starts = sorted(total.pop("start_s"))
    total["start_median_s"] = starts[len(starts) // 2] if starts else None
    total["start_max_s"] = starts[-1] if starts else None
    print(json.dumps(total) if a.json else "\n" + "\n".join(f"{k:16} {v}" for k, v in total.items()))
    if a.without_dirsync:
        return 0 if total["lost"] else 1
    good = not (total["lost"] or total["broken"] or total["permanent"] or total["undrained"])
    return 0 if good and total["acknowledged"] and total["extra"] <= 0.005 * total["acknowledged"] + 1 else 1


if __name__ == "__main__":
    sys.exit(main())
