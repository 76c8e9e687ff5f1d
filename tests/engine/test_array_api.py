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

CHECKOUT = os.environ.get("POLYVM_ARRAY_API_TESTS", "")


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
    assert failed == []
    assert sum(t["outcome"] == "passed" for t in tests) >= 1357  # array-api-strict's own number
