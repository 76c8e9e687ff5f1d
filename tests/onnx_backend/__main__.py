"""Run the ONNX standard's tests: `python -m tests.onnx_backend [--jobs N] [--only PATTERN]`.

Exit status 0: what does not pass is explained in expected.toml, and nothing else is. 1: something
else happened; it is listed. 2: the run could not start. Other engines have nothing to explain.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import onnx

from .cases import KINDS, load
from .engines import ENGINES
from .expected import Expected, ExpectedError
from .report import DOCUMENT, counts, document, summary, surprises
from .runner import PASSED, run_all

OURS = "polyvm"


def main(argv: list[str]) -> int:
    options = arguments(argv)
    try:
        expected = Expected()
    except ExpectedError as error:
        print(f"onnx_backend: {error}", file=sys.stderr)
        return 2
    cases = [case for case in load(options.kind) if fnmatchcase(case.name, options.only)]

    results = run_all(cases, options.engine, options.jobs, options.timeout)
    pairs = list(zip(cases, results, strict=True))
    if options.verbose:
        for case, result in pairs:
            if result.status != PASSED and not case.scope:
                print(f"{result.name}: {result.status}: {result.text}")
    print(summary(options.engine, pairs))
    if options.json:
        options.json.write_text(json.dumps(counts(pairs)), encoding="utf-8")
    if options.engine != OURS:
        return 0
    asked = [(case, result) for case, result in pairs if not case.scope]
    comparison = expected.compare(asked, partial=len(options.kind) < 5 or options.only != "*")
    if not comparison.good and not options.verbose:
        print(surprises(comparison))
    if options.write_docs:
        peer = beside(options.jobs)
        text = document(onnx.__version__, pairs, comparison, expected, peer)
        DOCUMENT.write_text(text, encoding="utf-8")
        print(f"written: {DOCUMENT.name}")
    return 0 if comparison.good else 1


def beside(jobs: int) -> tuple[str, Any] | None:
    """ONNX Runtime's name and counts, from the environment of the benchmark's peers."""
    from bench.peers import models
    from bench.peers.python import PeerError

    try:
        python = models.obtain()
    except PeerError as error:
        print(f"onnx_backend: without a peer: {error}", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "counts.json"
        command = [str(python.executable), "-m", __package__ or "", "--engine", "onnxruntime"]
        command += ["--jobs", str(jobs), "--json", str(written)]
        subprocess.run(command, check=True)
        return python.origin.split(",")[0], json.loads(written.read_text(encoding="utf-8"))


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.onnx_backend", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default=OURS, help=f"({OURS})")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (1)")
    parser.add_argument("--timeout", type=int, default=60, help="seconds for a test (60)")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="tests with such names")
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=KINDS, help="kinds of tests")
    parser.add_argument(
        "--verbose", action="store_true", help="say what of those asked does not pass"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the counts there")
    parser.add_argument("--write-docs", action="store_true", help=f"write {DOCUMENT.name}")
    options = parser.parse_args(argv)
    if options.jobs < 1 or options.timeout < 1:
        parser.error("--jobs and --timeout are 1 or more")
    if options.write_docs and (options.engine != OURS or options.only != "*"):
        parser.error("--write-docs describes a whole run of ours: leave the rest out")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
