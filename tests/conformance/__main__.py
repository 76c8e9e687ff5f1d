"""Run CPython's regression tests in VMs: `python -m tests.conformance [--jobs N] [--only NAME]`.

Exit status 0: every failure is explained in expected.toml, and every explained one fails.
1: something else happened; it is listed. 2: the run could not start.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .expected import Expected, ExpectedError
from .outcome import Outcome, judge
from .report import DOCUMENT, document, line, summary
from .runner import ROOT, RunError, Runner, find_sdk, module_list


def main(argv: list[str]) -> int:
    options = arguments(argv)
    try:
        expected = Expected()
        names = chosen(options.only)
        runner = Runner(find_sdk(options.sdk), options.timeout)
        outcomes: list[Outcome] = []
        with ThreadPoolExecutor(options.jobs) as pool:
            for name, answer in zip(names, pool.map(runner.run, names), strict=True):
                outcomes.append(judge(name, answer, expected))
                print(line(outcomes[-1], options.verbose), flush=True)
    except (ExpectedError, RunError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    print(summary(outcomes))
    if options.write_docs:
        DOCUMENT.write_text(document(outcomes, expected), encoding="utf-8")
        print(f"written: {DOCUMENT.relative_to(ROOT)}")
    return 0 if all(outcome.good for outcome in outcomes) else 1


def chosen(only: list[str] | None) -> list[str]:
    """The names of the test modules to run."""
    known = list(module_list())
    unknown = [name for name in only or [] if name not in known]
    if unknown:
        raise RunError(f"{', '.join(unknown)}: not in modules.toml")
    return only or known


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--sdk", type=Path, help="the SDK whose Lib is used (build/vm/sdk's)")
    parser.add_argument("--jobs", type=int, default=1, help="modules run at once (1)")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for a module (600)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these modules alone")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks of surprises")
    parser.add_argument("--write-docs", action="store_true", help="write docs/conformance.md")
    options = parser.parse_args(argv)
    if options.jobs < 1 or options.timeout < 1:
        parser.error("--jobs and --timeout are 1 or more")
    if options.write_docs and options.only:
        parser.error("--write-docs describes the whole run: leave --only out")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
