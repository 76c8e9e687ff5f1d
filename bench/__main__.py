"""`python -m bench`: measure, print the tables, write results.json and the chart."""

import argparse
import importlib.util
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import machine
from bench.chart import draw
from bench.contender import OUTPUT, ContenderError
from bench.peers.python import Python
from bench.report import report_of, show
from bench.sections import SECTIONS
from bench.settings import MODERN, Setup, prepare

BUSY = 0.10
"""Share of the CPUs that others may use before the run says that it is not alone."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0; 1 when results differ or a contender fails; 2 on a wrong command."""
    options = _parse(arguments)
    console = Console(stderr=False, width=None if sys.stdout.isatty() else 160)
    if options.show is not None:
        results = json.loads(options.show.read_text(encoding="utf-8"))
        show(report_of(results), console)
        return 0
    if importlib.util.find_spec("polyvm.vm") is None:
        print("bench: the package polyvm is not installed here; run `make build`", file=sys.stderr)
        return 2
    target: Path = options.json
    try:
        results = run(options, console)
    except ContenderError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    show(report_of(results), console)
    written = [target, *draw(results, target.parent)]
    if len(written) == 1:
        console.print("no chart: it needs matplotlib (`pip install polyvm[bench]`)")
    console.print(f"written: {', '.join(_shown(path) for path in written)}")
    different = {
        name: data["different"]
        for name, data in results["sections"].items()
        if data.get("different")
    }
    for name, which in different.items():
        print(f"bench: contenders' results differ in {name}: {which}", file=sys.stderr)
    return 1 if different else 0


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure the sections wanted; the document that results.json holds."""
    started = time.monotonic()
    load = machine.load_average()
    busy: dict[str, float] = {}
    with console.status("starting") as status:

        def progress(text: str) -> None:
            if console.is_terminal:
                status.update(text)

        setup = prepare(
            quick=options.quick,
            cpus=machine.cpus(),
            stock=options.stock,
            modern=options.modern,
            ray_python=options.ray,
            progress=progress,
        )
        for name, reason in setup.missing.items():
            console.print(f"[yellow]without {name}:[/] {reason}")
        sections: dict[str, Any] = {}
        for name in options.only:
            busy[name] = machine.busy_share()
            if busy[name] > BUSY:
                console.print(
                    f"[yellow]others use {busy[name]:.0%} of the CPUs: "
                    f"numbers of '{name}' will be noisy[/]"
                )
            console.print(f"measuring {name} ...", highlight=False)
            sections[name] = SECTIONS[name].measure(setup)
    return {
        "schema": 1,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "mode": "quick" if options.quick else "full",
        "seconds": time.monotonic() - started,
        "machine": machine.describe(),
        "noise": {"load_average": load, "busy": busy},
        "contenders": _contenders(setup),
        "sections": sections,
    }


def _contenders(setup: Setup) -> dict[str, str]:
    def told(python: Python | None, name: str) -> str:
        if python is None:
            return f"not measured: {setup.missing.get(name, 'not looked for')}"
        return f"{python.release}, {python.compiler}, {python.origin}"

    stock = f"stock CPython {setup.release}"
    return {
        "VM": f"{setup.release}, build {setup.build}",
        "stock": told(setup.stock, stock),
        "sdk": told(setup.sdk, "the SDK's own Python"),
        "host": told(setup.host, "the host's Python"),
        "Ray": told(setup.ray, "Ray"),
        "models": told(setup.models, "the models' peers"),
        "streams": told(setup.streams, "Bytewax and Pathway"),
        MODERN: told(setup.modern, f"stock CPython {MODERN}"),
    }


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure PolyVM against stock CPython, side by side. See docs/benchmarks.md.",
    )
    parser.add_argument("--quick", action="store_true", help="short rounds, for a first look")
    parser.add_argument(
        "--only",
        type=_sections,
        default=list(SECTIONS),
        metavar="A,B",
        help=f"sections to run, of {', '.join(SECTIONS)}",
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=OUTPUT / "results.json",
        metavar="PATH",
        help="where results go, the chart beside them (default: build/bench/results.json)",
    )
    parser.add_argument("--stock", metavar="PYTHON", help="stock CPython of the VM's release")
    parser.add_argument(
        "--modern", metavar="PYTHON", help=f"stock CPython {MODERN}, for interpreters"
    )
    parser.add_argument("--ray", metavar="PYTHON", help="a Python that has Ray installed")
    parser.add_argument(
        "--show",
        type=Path,
        metavar="PATH",
        help="print an earlier run's tables, measure nothing",
    )
    return parser.parse_args(arguments)


def _sections(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in SECTIONS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"no section is called {', '.join(unknown) or repr(text)}; "
            f"there are {', '.join(SECTIONS)}"
        )
    return names


if __name__ == "__main__":
    raise SystemExit(main())
