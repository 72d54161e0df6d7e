# check: alone timeout=600
"""The rigs for kills, power cuts and faulty system calls, short: docs/reliability.md has the long runs.

Each is also shown to bite: with a directory fsync that does nothing, or links that do nothing,
acknowledged mail has to be missed.
"""

import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


def rig(program, *args):
    """The figures a rig prints; fails with its output when it is not content."""
    done = subprocess.run([sys.executable, os.path.join(HERE, program), *args, "--json"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{program} {' '.join(args)}: status {done.returncode}\n{done.stdout[-2000:]}\n"
                             f"{done.stderr[-4000:]}")
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    print(program, *args, figures)
    return figures


class Kills(unittest.TestCase):
    def test_random_kills_under_load(self):
        f = rig("kills.py", "random", "--rounds", "2", "--seconds", "4")
        self.assertGreater(f["faults"], 20)
        self.assertGreater(f["acknowledged"], 100)

    def test_every_kind_of_call_of_every_daemon(self):
        f = rig("kills.py", "sweep", "--step", "6", "--most", "90")
        self.assertGreater(f["faults"], 25)

    def test_killed_after_the_call(self):
        f = rig("kills.py", "sweep", "--daemon", "deliver", "--after", "--step", "5", "--most", "90")
        self.assertGreater(f["faults"], 10)

    def test_it_bites(self):
        f = rig("kills.py", "random", "--rounds", "1", "--seconds", "2", "--without-link")
        self.assertGreater(f["lost"], 0)


class Errors(unittest.TestCase):
    def test_file_calls_of_a_delivery_fail(self):
        f = rig("kills.py", "errors", "--step", "3", "--most", "60")
        self.assertGreater(f["faults"], 60)
        self.assertEqual(f["permanent"], 0)


class PowerCuts(unittest.TestCase):
    def test_ext4(self):
        f = rig("powercut.py", "--rounds", "4")
        self.assertGreater(f["acknowledged"], 50)

    def test_xfs(self):
        f = rig("powercut.py", "--rounds", "2", "--fs", "xfs")
        self.assertGreater(f["acknowledged"], 20)

    def test_it_bites(self):
        f = rig("powercut.py", "--rounds", "6", "--without-dirsync")
        self.assertGreater(f["lost"], 0)


if __name__ == "__main__":
    unittest.main()
