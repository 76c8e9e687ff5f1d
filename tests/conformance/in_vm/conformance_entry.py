"""Runs in a VM: imports test modules and runs what they define, with unittest."""

# ruff: noqa: BLE001, N802  whatever a test file raises is an answer; the names are unittest's

import importlib
import json
import linecache
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import _polyvm


class Located:
    """Gives the program's modules the `__file__` that the tests find their data by."""

    def __init__(self, importer: Any, files: dict[str, str]) -> None:
        self.importer = importer
        self.files = files

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        spec = self.importer.find_spec(name, path, target)
        if spec is not None and name in self.files:
            spec.origin = file = self.files[name]
            spec.has_location = True
            if name.startswith("test.") and Path(file).is_file():
                remember(file)
        return spec


def remember(file: str) -> None:
    """Let tracebacks show the lines of a test file: VMs look for no sources by themselves."""
    with Path(file).open(encoding="utf-8", errors="replace") as source:
        lines = source.readlines()
    linecache.cache[file] = (sum(map(len, lines)), None, lines, file)


sys.meta_path[-1] = Located(sys.meta_path[-1], json.loads(_polyvm.asset("files.json")))

import unittest  # noqa: E402  it comes with the program, and so from here on


class Recorder(unittest.TestResult):
    """Keeps what the host is told: an id, a kind and the last lines for each bad ending.

    prefix: cut off test ids. progress: the file that holds the name of the test now running.
    """

    def __init__(self, prefix: str, progress: str) -> None:
        super().__init__()
        self.prefix = prefix
        self.progress = progress
        self.details: dict[str, list[str]] = {}
        self.skips: list[list[str]] = []
        self.passed: list[str] = []

    def name(self, test: Any) -> str:
        text: str = test.id()
        what, found, where = text.partition(" (")
        if found:  # "setUpClass (test.test_x.Class)"
            text = f"{where.rstrip(')')}.{what}"
        return text.removeprefix(self.prefix)

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        with open(self.progress, "w", encoding="utf-8") as file:  # noqa: PTH123  tests patch Path
            file.write(self.name(test))

    def record(self, test: Any, kind: str, error: Any) -> None:
        try:
            lines = traceback.format_exception(*error)
        except BaseException as second:  # tests break the modules that this needs
            lines = [f"{error[0].__name__}: {error[1]}\n(no traceback: {second!r})"]
        text = "".join(lines)[-1500:].encode("utf-8", "backslashreplace").decode()
        # A test with several bad subtests counts once, with the first.
        self.details.setdefault(self.name(test), [kind, text])

    def addError(self, test: Any, error: Any) -> None:
        self.record(test, "error", error)

    def addFailure(self, test: Any, error: Any) -> None:
        self.record(test, "failure", error)

    def addSubTest(self, test: Any, _subtest: Any, error: Any) -> None:
        if error is not None:
            failed = issubclass(error[0], test.failureException)
            self.record(test, "failure" if failed else "error", error)

    def addSkip(self, test: Any, reason: str) -> None:
        self.skips.append([self.name(test), reason])

    def addSuccess(self, test: Any) -> None:
        self.passed.append(self.name(test))

    def addExpectedFailure(self, test: Any, _error: Any) -> None:
        self.passed.append(self.name(test))

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.details.setdefault(self.name(test), ["failure", "passed, expected to fail"])


def tests_of(module: ModuleType) -> unittest.TestSuite:
    """As unittest loads a module. Where its load_tests cannot be called, or looks for test
    files in a folder, the test cases alone."""
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


def run(payload: dict[str, Any]) -> dict[str, Any]:
    """payload: modules, prefix and progress as of Recorder, only (parts of ids, one of which
    a test must contain; none = every test).

    Returns run, failures, errors, skipped: counts; passed: ids; details: [id, "failure" or
    "error", last lines of the traceback]; skips: [id, reason].
    """
    sys.argv[:] = ["conformance"]
    suite = unittest.TestSuite()
    result = Recorder(payload["prefix"], payload["progress"])
    support: Any = importlib.import_module("test.support")
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
        "passed": result.passed,
        "failures": bad.count("failure"),
        "errors": bad.count("error"),
        "skipped": len(result.skips),
        "details": [[name, *detail] for name, detail in result.details.items()],
        "skips": result.skips,
    }


def flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flat(item)
        else:
            yield item
