"""Put a run's tables into docs/benchmarks.md: `python -m bench.document [RESULTS.json]`."""

import argparse
import json
import sys
from pathlib import Path

from bench.contender import OUTPUT, ROOT
from bench.report import markdown, report_of

BEGIN = "<!-- results: written by `python -m bench.document`, do not edit -->"
END = "<!-- end of results -->"


def main(arguments: list[str] | None = None) -> int:
    """Replace what stands between the two marks. Exit status 2 when an input is not right."""
    parser = argparse.ArgumentParser(prog="python -m bench.document", description=__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=OUTPUT / "results.json")
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "benchmarks.md")
    options = parser.parse_args(arguments)
    try:
        results = json.loads(options.results.read_text(encoding="utf-8"))
        text = options.into.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"bench.document: {error}; `make bench` writes results", file=sys.stderr)
        return 2
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        print(f"bench.document: {options.into} lacks the marks {BEGIN} and {END}", file=sys.stderr)
        return 2
    tables = markdown(report_of(results))
    options.into.write_text(f"{head}{BEGIN}\n\n{tables}\n{END}{tail}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
