"""The public conformance suite of the Array API standard, over polyvm.np.

Its code is not ours to keep: POLYVM_ARRAY_API_TESTS names a checkout of data-apis/array-api-tests
with its submodule, whose requirements are installed. Without one this is skipped, and
test_np_against_numpy.py says what it can.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KNOWN = Path(__file__).parent / "array_api_failures.txt"
CHECKOUT = os.environ.get("POLYVM_ARRAY_API_TESTS", "")


def known() -> list[str]:
    """The beginnings of the tests' names that fail for a reason, which stands above them."""
    lines = KNOWN.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_known_failure_has_a_reason_above_it() -> None:
    reason = False
    for line in KNOWN.read_text(encoding="utf-8").splitlines():
        reason = line.startswith("#") or (reason and line != "")
        assert reason or line == "", line
    assert known()


@pytest.mark.skipif(not CHECKOUT, reason="POLYVM_ARRAY_API_TESTS names no checkout of the suite")
def test_the_public_suite(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pytest", "array_api_tests", "--max-examples=2", "-q"]
    command += ["-p", "no:cacheprovider", "--json-report", f"--json-report-file={report}"]
    environment = {**os.environ, "ARRAY_API_TESTS_MODULE": "polyvm.np"}
    subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, check=False)
    tests = json.loads(report.read_text(encoding="utf-8"))["tests"]
    assert len(tests) > 1000
    failed = [t["nodeid"].split("::", 1)[1] for t in tests if t["outcome"] in ("failed", "error")]
    assert [name for name in failed if not name.startswith(tuple(known()))] == []
    assert sum(t["outcome"] == "passed" for t in tests) >= 1357  # array-api-strict's own number
