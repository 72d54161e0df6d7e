"""Run the unittest cases of one file and write one JSON line per case as it ends.

    testfile.py FILE RESULTS

Used by check.py, so that a file that hangs or crashes still shows what it had proved before.
A case that is only skipped says why; a failing sub-test fails its case once.
"""

import importlib.util
import json
import os
import sys
import time
import traceback
import unittest


def name_of(test):
    return unittest.TestCase.id(test)  # a test may have an attribute of that name


class Result(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out
        self.began = 0.0
        self.verdict = None

    def write(self, name, verdict, detail=""):
        line = {"name": name, "verdict": verdict, "detail": detail,
                "seconds": round(time.monotonic() - self.began, 3)}
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()
        print(f"{verdict}: {name} ({line['seconds']} s)", flush=True)
        if detail and verdict != "passed":
            print(detail, flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()
        self.verdict = ("passed", "")
        print(f"--- {name_of(test)}", flush=True)

    def note(self, verdict, detail):
        if self.verdict is not None and self.verdict[0] == "failed":
            detail = self.verdict[1] + "\n" + detail
        self.verdict = (verdict, detail)

    def addError(self, test, err):
        super().addError(test, err)
        text = "".join(traceback.format_exception(*err))
        if isinstance(test, unittest.TestCase):
            self.note("failed", text)
        else:  # setUpClass, setUpModule
            self.began = time.monotonic()
            self.write(str(test), "failed", text)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note("failed", "".join(traceback.format_exception(*err)))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            text = "".join(traceback.format_exception(*err))
            self.note("failed", f"{subname_of(test)} {subtest._subDescription()}\n{text}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase) and self.verdict is not None:
            self.note("skipped", reason)
        else:
            self.began = time.monotonic()
            self.write(str(test), "skipped", reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note("failed", "this was marked as expected to fail, and passed")

    def stopTest(self, test):
        super().stopTest(test)
        self.write(name_of(test), *self.verdict)
        self.verdict = None


def main():
    path, results = sys.argv[1:]
    folder = os.path.dirname(os.path.abspath(path))
    tests = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests")
    sys.path[:0] = [folder, tests]
    sys.argv = [path]
    with open(results, "a", encoding="utf-8") as out:
        result = Result(out)
        result.began = time.monotonic()
        name = os.path.splitext(os.path.basename(path))[0]
        try:
            spec = importlib.util.spec_from_file_location(name, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            suite = unittest.defaultTestLoader.loadTestsFromModule(module)
        except unittest.SkipTest as skip:
            result.write(name, "skipped", str(skip))
            return 0
        except Exception:
            result.write(name, "failed", traceback.format_exc())
            return 1
        suite.run(result)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
