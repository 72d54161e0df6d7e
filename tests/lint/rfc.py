#!/usr/bin/env python3
"""rfc.py - every section of an RFC that we cite exists.

Reads all `RFC n s.s` in code, tests and docs; docs/rfc/index.tsv says which RFCs we know (number,
title, status yes/partial/no, note), docs/rfc/sections/N.tsv which sections each has (number, title).

rfc.py TOP                  check; fails on an RFC or section that is not listed
rfc.py TOP --coverage FILE  write which section is cited where, code and tests apart
rfc.py TOP --sections DIR   make the section lists anew from the RFC texts in DIR (rfcN.txt)
"""
import collections
import os
import re
import sys

import tree

SUFFIXES = (".c", ".h", ".py", ".sql", ".t", ".md", ".conf", ".sh")
# A citation may run over a line of a comment.
JOIN = re.compile(r"\n[ \t]*(\*|//|#|--|>)?[ \t]*")
NUMBER = r"(?:[0-9]{1,2}(?:\.[0-9]{1,2})*|[A-Z](?:\.[0-9]{1,2})+|[A-Z](?=[,;:.)\]\"']))"
CITED = re.compile(r"\bRFC ([0-9]{3,5})(?: (" + NUMBER + r")(?![0-9A-Za-z-])"
                   r"((?:(?:, | and | to )(?:[0-9]{1,2}(?:\.[0-9]{1,2})+|[A-Z](?:\.[0-9]+)*"
                   r"(?=[,;:.)\]\"']))(?![0-9A-Za-z-]))*))?")
NEXT = re.compile(r"(?:, | and | to )([0-9A-Z.]+[0-9A-Z])")


def index(top):
    rows = {}
    with open(os.path.join(top, "docs/rfc/index.tsv"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                number, title, status, note = (line.rstrip("\n").split("\t") + ["", "", ""])[:4]
                rows[int(number)] = (title, status, note)
    return rows


def sections(top, number):
    """The section numbers of an RFC, None where there is no list."""
    path = os.path.join(top, "docs/rfc/sections/%d.tsv" % number)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        return {line.split("\t")[0] for line in f if line.strip()}


def citations(top):
    """(path, line, rfc, section or None) for each."""
    for path in tree.files(top):
        if not path.endswith(SUFFIXES) or path.startswith("docs/rfc/") or \
                path.startswith("tests/lint/"):
            continue
        with open(os.path.join(top, path), encoding="utf-8", errors="replace") as f:
            text = f.read()
        # Joining keeps count of lines by a mark that no citation can hold.
        flat = JOIN.sub(" ", text)
        starts = []
        shift = 0
        for m in JOIN.finditer(text):
            starts.append(m.start() - shift)
            shift += len(m.group()) - 1
        for m in CITED.finditer(flat):
            line = 1 + sum(1 for s in starts if s < m.start())
            if m.group(2) is None:
                yield path, line, int(m.group(1)), None
                continue
            yield path, line, int(m.group(1)), m.group(2)
            for more in NEXT.finditer(m.group(3) or ""):
                yield path, line, int(m.group(1)), more.group(1)


def check(top):
    known = index(top)
    lists = {}
    faults = []
    count = 0
    for path, line, number, section in citations(top):
        count += 1
        if number not in known:
            faults.append("%s:%d: RFC %d is not in docs/rfc/index.tsv" % (path, line, number))
            continue
        if number not in lists:
            lists[number] = sections(top, number)
        if section is not None and lists[number] is not None and section not in lists[number]:
            faults.append("%s:%d: RFC %d has no section %s" % (path, line, number, section))
    for fault in sorted(set(faults)):
        print(fault)
    print("%d citations of %d RFCs, %d faults" % (count, len(lists), len(set(faults))))
    return 1 if faults else 0


def is_test(path):
    return path.startswith("tests/") or "_test." in path or "_fuzz." in path


def coverage(top, to):
    known = index(top)
    found = collections.defaultdict(lambda: (set(), set()))
    for path, line, number, section in citations(top):
        found[(number, section or "")][is_test(path)].add("%s:%d" % (path, line))
    with open(to, "w", encoding="utf-8") as f:
        f.write("# What we cite, and where\n")
        last = None
        for (number, section), (code, tests) in sorted(
                found.items(), key=lambda x: (x[0][0], order(x[0][1]))):
            if number != last:
                title, status, _ = known.get(number, ("", "", ""))
                f.write("\n## RFC %d: %s (%s)\n\n| section | code | tests |\n|---|---|---|\n" %
                        (number, title, status))
                last = number
            f.write("| %s | %s | %s |\n" % (section or "-", ", ".join(sorted(code)),
                                            ", ".join(sorted(tests)) or "none"))
    return 0


def order(section):
    return [(0, int(x), "") if x.isdigit() else (1, 0, x) for x in section.split(".") if x]


HEADING = re.compile(r"^ {0,3}(?:Appendix |APPENDIX )?([0-9]{1,2}(?:\.[0-9]{1,2})*|[A-Z](?:\.[0-9]{1,2})*)"
                     r"[.:]?(?:[ \t]+|\. )(?:- )?([\"(A-Za-z<\\\[#$].{1,90})$")
CONTENTS = re.compile(r"^ {1,12}(?:Appendix )?([0-9]{1,2}(?:\.[0-9]{1,2})*|[A-Z](?:\.[0-9]{1,2})*)"
                      r"[.:]?[ \t]+([A-Za-z\"<\\(\[#$].*?)[ .]*\.[ .]+[0-9]+$")


def headings(text):
    """Section numbers and titles, from the headings and the table of contents."""
    found = {}
    for line in text.splitlines():
        line = line.rstrip()
        m = CONTENTS.match(line) or (HEADING.match(line) if not line.startswith("    ") else None)
        if m is None:
            continue
        number, title = m.group(1), re.sub(r"[ .]+$", "", m.group(2).strip())
        if number[0].isalpha() and not re.match(r" {0,12}(Appendix|APPENDIX)|" + re.escape(number) +
                                                r"\.| {1,12}[A-Z](\.[0-9]+)*\.", line):
            continue
        if number[0] in "SXY" and number != "S":
            continue  # enhanced status codes, not appendices
        found.setdefault(number, title)
    # A section stands for those above it.
    for number in list(found):
        while "." in number:
            number = number.rsplit(".", 1)[0]
            found.setdefault(number, "")
    return found


def make_sections(top, texts):
    to = os.path.join(top, "docs/rfc/sections")
    os.makedirs(to, exist_ok=True)
    for name in sorted(os.listdir(texts)):
        m = re.fullmatch(r"rfc([0-9]+)(?:\.converted)?\.txt", name)
        if m is None:
            continue
        with open(os.path.join(texts, name), encoding="utf-8-sig", errors="replace") as f:
            found = headings(f.read())
        with open(os.path.join(to, "%s.tsv" % int(m.group(1))), "w", encoding="utf-8") as f:
            for number in sorted(found, key=order):
                f.write("%s\t%s\n" % (number, found[number]))
    return 0


def main():
    top = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")
    if len(sys.argv) == 4 and sys.argv[2] == "--coverage":
        return coverage(top, sys.argv[3])
    if len(sys.argv) == 4 and sys.argv[2] == "--sections":
        return make_sections(top, sys.argv[3])
    return check(top)


if __name__ == "__main__":
    sys.exit(main())
