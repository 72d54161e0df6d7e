#!/usr/bin/env python3
"""includes.py - who includes whom, and does each header compile alone?

The rule of docs/overview.md as a table: a folder may include itself and what stands in its row,
nothing else.  Usage: includes.py TOP [COMPILER ARGUMENT...]; without a compiler only the rule is
checked.
"""
import concurrent.futures
import os
import re
import subprocess
import sys

import tree

LIBS = {"base", "mail", "conf", "run", "rpc", "store"}
ALLOWED = {
    "lib/base": set(),
    "lib/mail": {"base"},
    "lib/conf": {"base"},
    "lib/run": {"base", "conf"},
    "lib/rpc": {"base", "run"},
    "lib/store": {"base", "mail", "run"},
    "sql": {"base", "run"},
    "authd": LIBS | {"sql"},
    "admin-cli": LIBS | {"sql"},
    "smtpd": LIBS,
    "deliver": LIBS,
    "deliver/relay": LIBS,
    "imapd": LIBS,
    "imapd/login": LIBS,
    "filterd": LIBS,
    "postroomd": LIBS,
}
# System headers with one owner: path prefix of those who may.
OWNED = [
    (re.compile(r"<openssl/ssl\.h>"), ("lib/run/tls",), "only lib/run/tls sees OpenSSL's TLS"),
    (re.compile(r"<(mysql|mariadb)[^>]*>"), ("sql/",), "only sql/ sees mysql.h"),
]
INCLUDE = re.compile(r'^\s*#\s*include\s+("([^"]+)"|<[^>]+>)', re.M)


def unit_of(path):
    """The row of the table a file belongs to: the deepest folder that has one."""
    folder = os.path.dirname(path)
    while folder and folder not in ALLOWED:
        folder = os.path.dirname(folder)
    return folder or None


def own_name(unit):
    return unit[4:] if unit.startswith("lib/") else unit


def target_of(name):
    """Which unit an include means: "mail/date.h" is lib/mail, "imapd/login/x.h" imapd/login."""
    folder = os.path.dirname(name)
    while folder and folder not in LIBS and folder not in ALLOWED:
        folder = os.path.dirname(folder)
    return folder or None


def check_rule(top, paths):
    faults = []
    for path in paths:
        unit = unit_of(path)
        if unit is None or not path.endswith((".c", ".h")):
            continue
        with open(os.path.join(top, path), encoding="utf-8", errors="replace") as f:
            text = f.read()
        for m in INCLUDE.finditer(text):
            where = "%s:%d" % (path, text.count("\n", 0, m.start()) + 1)
            for pattern, owners, reason in OWNED:
                if pattern.match(m.group(1)) and not path.startswith(owners):
                    faults.append("%s: %s: %s" % (where, m.group(1), reason))
            name = m.group(2)
            if name is None or "/" not in name:
                if name is not None and not os.path.exists(
                        os.path.join(top, os.path.dirname(path), name)):
                    continue  # made at build time
                if name is not None:
                    faults.append('%s: "%s": name the folder, as in "%s/%s"' %
                                  (where, name, own_name(unit), name))
                continue
            target = target_of(name)
            if target is None:
                faults.append('%s: "%s" is in no folder that may be included' % (where, name))
            elif target != own_name(unit) and target not in ALLOWED[unit]:
                faults.append('%s: %s may not include "%s"' % (where, unit, name))
    return faults


def library_flags():
    flags = []
    for package in ("libmariadb",):
        out = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, check=False)
        if out.returncode == 0:
            flags += out.stdout.decode().split()
    return flags


def check_alone(top, paths, compiler):
    """Each header by itself, twice, so that a missing guard shows too."""
    headers = [p for p in paths if p.endswith(".h") and unit_of(p) is not None]
    base = compiler + ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Werror", "-fsyntax-only",
                       "-I", top, "-I", os.path.join(top, "lib"), "-x", "c"] + library_flags()

    def one(path):
        name = path[4:] if path.startswith("lib/") else path
        source = '#include "%s"\n#include "%s"\n' % (name, name)
        out = subprocess.run(base + ["-"], input=source.encode(), capture_output=True, check=False)
        return None if out.returncode == 0 else "%s does not compile alone:\n%s" % (
            path, out.stderr.decode(errors="replace").strip())

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [fault for fault in pool.map(one, headers) if fault is not None], len(headers)


def main():
    top = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")
    paths = tree.files(top)
    faults = check_rule(top, paths)
    alone = 0
    if len(sys.argv) > 2:
        more, alone = check_alone(top, paths, sys.argv[2:])
        faults += more
    for fault in faults:
        print(fault)
    print("%d files, %d headers compiled alone, %d faults" % (
        sum(1 for p in paths if p.endswith((".c", ".h"))), alone, len(faults)))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
