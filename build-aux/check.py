"""The body of ./check: build, run every test, count.

usage: ./check [-j N] [--keep] [--list] [PART...]

parts, all of them when none is named:
  lint        formatting of every C file, and the rules in tests/lint
  release     the hardened gcc build without a warning, and all of its meson tests
  hardened    what the linker and compiler left in the installed programs
  sanitized   a clang build with ASan and UBSan, and the unit tests and corpus replays under it
  platform    every tests/*/test_*.py against an instance of its own, started by ./run
  unit        short for: the unit tests of the release build alone
  NAME        a folder of tests (clients), or a file (clients/test_swaks.py, test_swaks, swaks)

options:
  -j N        parallel jobs (default: the processors there are)
  --keep      leave the instance's state in place, and say where it is
  --list      show the parts and test files, run nothing

A test file is Python's unittest.  It may say, in a comment of its first 20 lines:
  # check: alone           no other test file runs meanwhile (timing, kills)
  # check: timeout=600     seconds for the whole file (default 300)
  # check: no-instance     needs no running instance, or starts its own
It finds the instance by $POSTROOM_ENV (see tests/lib/env.py), the release build by
$POSTROOM_BUILD.  Whole outputs are kept in build/logs/.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
LOGS = os.path.join(BUILD, "logs")
PARTS = ["lint", "release", "hardened", "sanitized", "platform"]
TAIL_LINES = 40
DEFAULT_TIMEOUT = 300
SERVICES = [25, 587, 465, 143, 993, 110, 995, 4190]
STARTED = time.monotonic()


class Tally:
    """What passed, failed and was skipped; and the printing of it."""

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.failures = []
        self.lock = threading.Lock()

    def add(self, verdict, name, detail=""):
        with self.lock:
            self.counts[verdict] += 1
            if verdict == "failed":
                self.failures.append(name)
        if verdict == "failed":
            say(f"FAILED {name}")
            for line in tail(detail):
                say(f"    | {line}")
        elif verdict == "skipped" and detail:
            say(f"skipped {name}: {detail.strip().splitlines()[-1]}")

    def last_line(self):
        return "{passed} passed, {failed} failed, {skipped} skipped".format(**self.counts)


tally = Tally()
printing = threading.Lock()


def say(text):
    with printing:
        print(f"[{time.monotonic() - STARTED:6.1f}] {text}", flush=True)


def tail(text, lines=TAIL_LINES):
    """The last lines, or of a build that failed those that say why."""
    text = text.rstrip().splitlines()
    if any(line.startswith("FAILED: ") for line in text):
        text = [line for line in text if re.search(r"\b(error|undefined reference)\b|^FAILED: ", line)
                and not line.startswith("ccache ")]
    return [line[:300] for line in text[-lines:]]


def run_logged(name, command, timeout, env=None, cwd=TOP):
    """Run one command with its output in a log.  (status, log text); status is None after a time-out."""
    path = os.path.join(LOGS, name.replace("/", "-") + ".log")
    with open(path, "wb") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=subprocess.STDOUT, cwd=cwd, start_new_session=True,
                                 env={**os.environ, **(env or {})})
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            status = None
        except BaseException:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait()
            raise
    with open(path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    if status is None:
        text += f"\nno end after {timeout} s: killed\n"
    return status, text


def step(name, command, timeout, env=None):
    """A step that must succeed: counts as one test."""
    began = time.monotonic()
    status, text = run_logged(name, command, timeout, env)
    took = time.monotonic() - began
    if status == 0:
        say(f"{name}: done ({took:.1f} s)")
        tally.add("passed", name)
        return True
    tally.add("failed", name, text)
    return False


# ---------------------------------------------------------------- building

def configure_and_build(name, jobs, compiler, options):
    """Set the folder up (again, if it was made by another compiler or broken) and build in it."""
    folder = os.path.join(BUILD, name)
    cc = f"ccache {compiler}" if shutil.which("ccache") else compiler
    env = {"CC": cc, "CCACHE_BASEDIR": TOP}
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        shutil.rmtree(folder, ignore_errors=True)
        if not step(f"{name}: meson setup", ["meson", "setup", folder, TOP, *options], 300, env):
            return None
    say(f"{name}: compiling")
    if not step(f"{name}: build", ["ninja", "-C", folder, "-j", str(jobs), "-k", "20"], 1500, env):
        return None
    return folder


def build_release(jobs):
    return configure_and_build("release", jobs, "gcc", ["--buildtype=debugoptimized", "-Dwerror=true"])


def build_sanitized(jobs):
    return configure_and_build(
        "sanitized", jobs, "clang",
        ["-Dbuildtype=debugoptimized", "-Doptimization=1", "-Dwerror=true",
         "-Db_sanitize=address,undefined", "-Db_lundef=false",
         # The store is killed at each numbered point here; the release build has none of them.
         "-Dcrashpoints=true"])


def unit_tests(name, folder, jobs, timeout, suites=None):
    """Each meson test of these suites (None: of all) counts as one test."""
    listing = subprocess.run(["meson", "introspect", "--tests", folder], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, check=False)
    known = {suite.split(":")[-1] for test in json.loads(listing.stdout or "[]") for suite in test["suite"]}
    suites = [suite for suite in suites or known if suite in known]
    if not suites:
        return
    result_file = os.path.join(folder, "meson-logs", "testlog.json")
    if os.path.exists(result_file):
        os.unlink(result_file)
    command = ["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(jobs),
               "--print-errorlogs", "--timeout-multiplier", "3"]
    for suite in suites:
        command += ["--suite", suite]
    env = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
           "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
    began = time.monotonic()
    status, text = run_logged(f"{name}-tests", command, timeout, env)
    verdicts = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "IGNORED": "skipped"}
    seen = failed = 0
    if os.path.exists(result_file):
        with open(result_file, encoding="utf-8") as lines:
            for line in lines:
                one = json.loads(line)
                verdict = verdicts.get(one["result"], "failed")
                seen += 1
                failed += verdict == "failed"
                tally.add(verdict, f"{name}: {one['name']}",
                          (one.get("stdout") or "") + (one.get("stderr") or ""))
    if seen == 0 or (status != 0 and failed == 0):
        tally.add("failed", f"{name}: unit tests", text)
    say(f"{name}: {seen} unit tests and corpus replays, {failed} failed ({time.monotonic() - began:.1f} s)")


# ---------------------------------------------------------------- hardened

def programs_installed(folder):
    plan = subprocess.run(["meson", "introspect", "--installed", folder], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=True)
    found = []
    for built in json.loads(plan.stdout):
        if os.path.isfile(built):
            with open(built, "rb") as f:
                if f.read(4) == b"\x7fELF":
                    found.append(built)
    return sorted(found)


def landing_pads(program):
    """How many endbr64 instructions a program has."""
    with open(program, "rb") as f:
        return f.read().count(b"\xf3\x0f\x1e\xfa")


def hardened(folder):
    """What checksec looks at, read from the programs themselves."""
    programs = programs_installed(folder)
    if not programs:
        tally.add("skipped", "hardened", "no program is installed yet")
        return
    fortified = set()
    for program in programs:
        name = "hardened: " + os.path.basename(program)

        def readelf(*flags):
            return subprocess.run(["readelf", "-W", *flags, program], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=True).stdout

        header, segments, dynamic = readelf("-h"), readelf("-l"), readelf("-d")
        symbols = readelf("--dyn-syms")
        missing = []
        if not re.search(r"Type:\s+DYN", header):
            missing.append("PIE")
        if "GNU_RELRO" not in segments:
            missing.append("RELRO")
        if not re.search(r"BIND_NOW|FLAGS.*\bNOW\b", dynamic):
            missing.append("BIND_NOW (full RELRO)")
        stack = re.search(r"GNU_STACK.*", segments)
        if stack is None or re.search(r"\bRWE\b", stack.group()):
            missing.append("a stack that cannot be executed")
        if re.search(r"LOAD.*\bRWE\b", segments):
            missing.append("W^X segments")
        if "__stack_chk_fail" not in symbols:
            missing.append("stack protector")
        if re.search(r"RPATH|RUNPATH", dynamic):
            missing.append("no RPATH")
        # The program's own note says IBT only where libc's start files have it, and Debian 12's do
        # not; what is ours to do is the landing pad at each function.
        if "x86_64" in os.uname().machine and landing_pads(program) < 100:
            missing.append("landing pads for indirect branches (-fcf-protection)")
        if re.search(r" \w+_chk@", symbols):
            fortified.add(program)
        if missing:
            tally.add("failed", name, "it lacks: " + ", ".join(missing))
        else:
            tally.add("passed", name)
    if fortified:
        tally.add("passed", "hardened: fortified calls")
    else:
        tally.add("failed", "hardened: fortified calls", "no program calls a *_chk function")
    say(f"hardened: {len(programs)} programs looked at, {len(fortified)} with fortified calls")


# ---------------------------------------------------------------- lint

def sources(*endings):
    """Files of the project, by git where there is one."""
    listing = subprocess.run(["git", "-c", f"safe.directory={TOP}", "-C", TOP, "ls-files", "-co",
                              "--exclude-standard"], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, check=False)
    if listing.returncode == 0 and listing.stdout:
        names = listing.stdout.splitlines()
    else:
        names = [os.path.relpath(os.path.join(base, f), TOP)
                 for base, _dirs, files in os.walk(TOP) for f in files
                 if not os.path.relpath(base, TOP).startswith(("build", "var", ".git"))]
    return sorted(n for n in names if n.endswith(endings) and os.path.isfile(os.path.join(TOP, n)))


def lint(jobs):
    files = sources(".c", ".h")
    if shutil.which("clang-format"):
        step(f"lint: clang-format of {len(files)} files",
             ["clang-format", "--dry-run", "--Werror", "--style=file", *files], 300)
    else:
        tally.add("skipped", "lint: clang-format", "clang-format is not installed")
    for script in ["run", "check", ".ci/run", *sources(".sh")]:
        step(f"lint: syntax of {script}", ["bash", "-n", os.path.join(TOP, script)], 30)
    for script in sorted(glob.glob(os.path.join(TOP, "tests", "lint", "*.py"))):
        name = os.path.basename(script)
        if not name.startswith("test_") and "__main__" in open(script, encoding="utf-8").read():
            status, text = run_logged(f"lint-{name}", [sys.executable, "-B", script], 120)
            if status == 77:
                tally.add("skipped", f"lint: {name}", text)
            else:
                tally.add("passed" if status == 0 else "failed", f"lint: {name}", text)
    run_files([f for f in test_files() if f.folder == "lint"], None, None, jobs)


# ---------------------------------------------------------------- whole-platform tests

class TestFile:
    def __init__(self, path):
        self.path = path
        self.name = os.path.relpath(path, os.path.join(TOP, "tests"))
        self.folder = os.path.dirname(self.name)
        with open(path, encoding="utf-8") as f:
            said = re.findall(r"^#\s*check:\s*(.+)$", "".join(f.readlines()[:20]), re.M)
        words = " ".join(said).replace(",", " ").split()
        self.alone = "alone" in words
        self.no_instance = "no-instance" in words or self.folder == "lint"
        self.timeout = next((int(w[8:]) for w in words if w.startswith("timeout=")), DEFAULT_TIMEOUT)

    def is_called(self, name):
        stem = os.path.splitext(os.path.basename(self.name))[0]
        return name.removeprefix("tests/").rstrip("/") in (
            self.folder, self.name, stem, stem.removeprefix("test_"), os.path.basename(self.name))


def test_files():
    tests = os.path.join(TOP, "tests")
    return [TestFile(p) for p in sorted(glob.glob(os.path.join(tests, "*", "test_*.py")))]


def run_file(test, env_file, build):
    results = os.path.join(LOGS, test.name.replace("/", "-") + ".results")
    if os.path.exists(results):
        os.unlink(results)
    env = {"PYTHONPATH": os.path.join(TOP, "tests"), "POSTROOM_TOP": TOP, "PYTHONUNBUFFERED": "1"}
    if env_file:
        env["POSTROOM_ENV"] = env_file
    if build:
        env["POSTROOM_BUILD"] = build
    began = time.monotonic()
    status, text = run_logged(
        test.name, [sys.executable, "-B", os.path.join(TOP, "build-aux", "testfile.py"), test.path,
                    results], test.timeout, env)
    seen = {"passed": 0, "failed": 0, "skipped": 0}
    if os.path.exists(results):
        with open(results, encoding="utf-8") as lines:
            for line in lines:
                one = json.loads(line)
                seen[one["verdict"]] += 1
                tally.add(one["verdict"], f"{test.name}: {one['name'].split('.', 1)[-1]}", one["detail"])
    if status is None or (status != 0 and seen["failed"] == 0):
        seen["failed"] += 1
        tally.add("failed", test.name, text)
    say(f"{test.name}: " + ", ".join(f"{n} {v}" for v, n in seen.items() if n) +
        f" ({time.monotonic() - began:.1f} s)")


def run_files(tests, env_file, build, jobs):
    with concurrent.futures.ThreadPoolExecutor(max(1, jobs)) as pool:
        for done in [pool.submit(run_file, t, env_file, build) for t in tests if not t.alone]:
            done.result()
    for test in tests:
        if test.alone:
            run_file(test, env_file, build)


def free_port_base():
    """A base for which every port of an instance is free; below the kernel's own range."""
    for base in range(11000, 28000, 500):
        taken = False
        for service in SERVICES:
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", base + service))
                except OSError:
                    taken = True
                    break
        if not taken:
            return base
    raise RuntimeError("no free range of ports")


class Instance:
    """A whole Postroom of this build, in a folder of its own, by ./run."""

    def __init__(self, build):
        self.build = build
        self.state = tempfile.mkdtemp(prefix="postroom-check-", dir="/var/tmp")
        os.chmod(self.state, 0o755)
        self.env = {"POSTROOM_STATE": self.state, "POSTROOM_PORT_BASE": str(free_port_base()),
                    "POSTROOM_BUILD": build}
        self.env_file = os.path.join(self.state, "env")

    def start(self):
        return step("instance: start", [os.path.join(TOP, "run"), "--background"], 300, self.env)

    def stop(self):
        step("instance: stop", [os.path.join(TOP, "run"), "--stop"], 120, self.env)

    def remove(self, keep):
        if keep:
            say(f"the instance's state stays in {self.state}")
            return
        logs = os.path.join(self.state, "log")
        if os.path.isdir(logs):
            shutil.copytree(logs, os.path.join(LOGS, "instance"), dirs_exist_ok=True)
        shutil.rmtree(self.state, ignore_errors=True)


def platform(tests, build, jobs, keep):
    if not tests:
        return
    if os.geteuid() != 0:
        tally.add("skipped", "platform", "the whole-platform tests need root")
        return
    needing = [t for t in tests if not t.no_instance]
    instance = None
    if needing:
        instance = Instance(build)
        say(f"starting an instance in {instance.state}")
        if not instance.start():
            for test in needing:
                tally.add("skipped", test.name, "the instance did not start")
            tests = [t for t in tests if t.no_instance]
    try:
        run_files(tests, instance.env_file if instance else None, build, jobs)
    finally:
        if instance is not None:
            instance.stop()
            instance.remove(keep)


# ---------------------------------------------------------------- main

def parse(argv):
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("parts", nargs="*")
    args = parser.parse_args(argv)
    if args.help:
        print(__doc__.strip())
        sys.exit(0)
    return args


def choose(names):
    """Parts and test files for these names; (parts, files, unknown)."""
    files = test_files()
    by_default = [f for f in files if f.folder != "lint"]
    if not names:
        return set(PARTS), by_default, []
    parts, chosen, unknown = set(), [], []
    for name in names:
        called = [f for f in files if f.is_called(name)]
        if name in PARTS or name == "unit":
            parts.add(name)
            if name == "platform":
                chosen += by_default
        elif called:
            chosen += called
            parts.add("platform")
        else:
            unknown.append(name)
    return parts, list(dict.fromkeys(chosen)), unknown


def check(args, parts, files):
    if "lint" in parts:
        lint(args.j)
    release = None
    if parts & {"release", "unit", "hardened", "platform"}:
        release = build_release(args.j)
    if release and parts & {"release", "unit"}:
        unit_tests("release", release, args.j, 1200, ["unit"] if "release" not in parts else None)
    if release and "hardened" in parts:
        hardened(release)
    if "sanitized" in parts:
        sanitized = build_sanitized(args.j)
        if sanitized:
            unit_tests("sanitized", sanitized, args.j, 900, ["unit", "fuzz"])
    if "platform" in parts and files:
        if release:
            platform(files, release, args.j, args.keep)
        else:
            for test in files:
                tally.add("skipped", test.name, "the release build failed")


def main():
    args = parse(sys.argv[1:])
    parts, files, unknown = choose(args.parts)
    if unknown:
        print(f"check: no part or test is called {', '.join(unknown)}; see ./check --list")
        return 2
    if args.list:
        print("parts: " + " ".join(PARTS) + " unit")
        for test in test_files():
            print(f"{test.name}  ({'alone, ' if test.alone else ''}{test.timeout} s at most)")
        return 0
    shutil.rmtree(LOGS, ignore_errors=True)
    os.makedirs(LOGS, exist_ok=True)
    try:
        check(args, parts, files)
    except KeyboardInterrupt:
        tally.add("failed", "interrupted")
    if tally.failures:
        say("failed: " + "; ".join(tally.failures))
    say(f"whole outputs are in {os.path.relpath(LOGS)}")
    print(tally.last_line(), flush=True)
    return 1 if tally.counts["failed"] else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
