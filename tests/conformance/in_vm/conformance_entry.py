"""Runs in a VM: imports test modules and runs what they define, with unittest."""

import importlib
import json
import linecache
import os
import sys
import traceback

import _polyvm


class Located:
    """Gives the program's modules the `__file__` that the tests find their data by."""

    def __init__(self, importer, files):
        self.importer = importer
        self.files = files

    def find_spec(self, name, path=None, target=None):
        spec = self.importer.find_spec(name, path, target)
        if spec is not None and name in self.files:
            spec.origin = file = self.files[name]
            spec.has_location = True
            if name.startswith("test.") and os.path.isfile(file):
                remember(file)
        return spec


def remember(file):
    """Let tracebacks show the lines of a test file: VMs look for no sources by themselves."""
    with open(file, encoding="utf-8", errors="replace") as source:
        lines = source.readlines()
    linecache.cache[file] = (sum(map(len, lines)), None, lines, file)


sys.meta_path[-1] = Located(sys.meta_path[-1], json.loads(_polyvm.asset("files.json")))

import unittest  # noqa: E402  it comes with the program, and so from here on


class Recorder(unittest.TestResult):
    """Keeps what the host is told: an id, a kind and the last lines for each bad ending."""

    def __init__(self, prefix, progress):
        super().__init__()
        self.prefix = prefix
        self.progress = progress
        self.details = {}
        self.skips = []
        self.passed = []

    def name(self, test):
        text = test.id()
        if isinstance(test, unittest.suite._ErrorHolder):  # "setUpClass (test.test_x.Class)"
            what, _, where = text.partition(" (")
            text = f"{where.rstrip(')')}.{what}"
        return text.removeprefix(self.prefix)

    def startTest(self, test):
        super().startTest(test)
        with open(self.progress, "w", encoding="utf-8") as file:
            file.write(self.name(test))

    def record(self, test, kind, error):
        try:
            lines = traceback.format_exception(*error)
        except BaseException as second:  # tests break the modules that this needs
            lines = [f"{error[0].__name__}: {error[1]}\n(no traceback: {second!r})"]
        # A test with several bad subtests counts once, with the first.
        text = "".join(lines)[-1500:].encode("utf-8", "backslashreplace").decode()
        self.details.setdefault(self.name(test), [kind, text])

    def addError(self, test, error):
        self.record(test, "error", error)

    def addFailure(self, test, error):
        self.record(test, "failure", error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            failed = issubclass(error[0], test.failureException)
            self.record(test, "failure" if failed else "error", error)

    def addSkip(self, test, reason):
        self.skips.append([self.name(test), reason])

    def addSuccess(self, test):
        self.passed.append(self.name(test))

    def addExpectedFailure(self, test, error):
        self.passed.append(self.name(test))

    def addUnexpectedSuccess(self, test):
        self.details.setdefault(self.name(test), ["failure", "passed, expected to fail"])


def tests_of(module):
    """As unittest loads a module. Where its load_tests wants doctests, which are source text
    and no VM can compile, the test cases alone."""
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromModule(module)
    if loader.errors or hasattr(module, "__path__"):
        cases = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, unittest.TestCase)
        ]
        suite = unittest.TestSuite(map(unittest.TestLoader().loadTestsFromTestCase, cases))
    return suite


def run(payload):
    """payload: modules, prefix (cut off test ids), progress (the file that holds the name of
    the test now running), only (parts of ids, one of which a test must contain; none = every
    test)."""
    sys.argv[:] = ["conformance"]
    suite = unittest.TestSuite()
    result = Recorder(payload["prefix"], payload["progress"])
    support = importlib.import_module("test.support")
    support.use_resources = {}  # none of the slow or huge tests
    for name in payload["modules"]:
        short = name.removeprefix(payload["prefix"])
        try:
            suite.addTest(tests_of(importlib.import_module(name)))
        except unittest.SkipTest as skip:
            result.skips.append([f"{short}.import", str(skip)])
        except BaseException:
            result.details[f"{short}.import"] = ["error", traceback.format_exc()[-1500:]]
    if payload["only"]:
        suite = unittest.TestSuite(
            test for test in flat(suite) if any(part in test.id() for part in payload["only"])
        )
    suite.run(result)
    bad = [kind for kind, _ in result.details.values()]
    return {
        "run": result.testsRun,
        "passed": result.passed,  # ids; the rest are counts
        "failures": bad.count("failure"),
        "errors": bad.count("error"),
        "skipped": len(result.skips),
        "details": [[name, *detail] for name, detail in result.details.items()],
        "skips": result.skips,
    }


def flat(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flat(item)
        else:
            yield item
