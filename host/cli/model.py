"""``polyvm model plan|check|convert|quantize|prune FILE``."""

from __future__ import annotations

import argparse
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polyvm
from polyvm.engine import libraries
from polyvm.host.errors import ExitCode, MissingError, ModelError
from polyvm.host.modeling import compare, convert, files, prune, quantize, samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.modeling.samples import Sample
    from polyvm.models import Model

T = TypeVar("T")
PRECISIONS = ("exact", "fast", "small")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    plan = _step(steps, "plan", "tell what runs, with predicted and measured times")
    plan.add_argument("--precision", choices=PRECISIONS, default="exact")
    plan.add_argument("--threads", type=int, default=1, help="that a run may use (1)")
    plan.add_argument("--rounds", type=int, default=10, help="runs to measure; 0: none (10)")
    plan.add_argument("--backends", help="names of those that may be used, by commas")
    _step(steps, "check", "run it in each precision, and tell times and how far results are apart")
    rewriting = (
        ("convert", "fold constants and fuse; store weights in 16 bits"),
        ("quantize", "store weights in 8 bits"),
        ("prune", "set the smallest weights to 0"),
    )
    for name, summary in rewriting:
        step = _step(steps, name, summary)
        step.add_argument("-o", "--output", metavar="FILE", type=Path, required=True)
        if name == "convert":
            step.add_argument("--weights", choices=("float16", "bfloat16"))
        elif name == "quantize":
            step.add_argument(
                "--calibrate", action="store_true", help="inputs too, by the samples' ranges"
            )
        else:
            step.add_argument("--fraction", type=_fraction, default=0.5, help="that goes (0.5)")
            step.add_argument("--channels", action="store_true", help="whole output channels")


def _step(steps: Any, name: str, summary: str) -> argparse.ArgumentParser:
    step: argparse.ArgumentParser = steps.add_parser(
        name, help=summary, description=f"{summary.capitalize()}."
    )
    step.add_argument("file", metavar="FILE", type=Path, help="a model in ONNX")
    step.add_argument("--samples", metavar="FILE", type=Path, help="inputs: an .npz or a .jsonl")
    step.add_argument(
        "--shape",
        metavar="INPUT=1,2,3",
        type=_shape,
        action="append",
        default=[],
        help="of an input, for drawn samples; open sizes are 1 otherwise",
    )
    return step


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    match = re.fullmatch(r"(.+)=(\d+(?:,\d+)*)?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not INPUT=1,2,3")
    return match[1], tuple(int(size) for size in (match[2] or "").split(",") if size)


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a fraction is from 0 to 1")
    return value


def run(options: argparse.Namespace) -> ExitCode:
    """Do the step."""
    libraries.load_for_vms()
    if not options.file.is_file():
        raise MissingError(f"{options.file}: there is no such file")
    model = _load(options.file)
    tried = _samples(options, model)
    if options.step == "plan":
        wanted = {"precision": options.precision, "threads": options.threads}
        planned = _load(options.file, **wanted, backends=options.backends)
        rounds = options.rounds
        action = planned.profile if rounds > 0 else planned.plan
        more = {"rounds": rounds} if rounds > 0 else {}
        print(_guarded(lambda: action(**tried[0], **more)), end="")
        return ExitCode.OK
    if options.step == "check":
        return _check(options.file, model, tried)
    return _rewrite(options, model, tried)


def _load(source: Path | bytes, **options: Any) -> Model:
    loaded = source if isinstance(source, bytes) else str(source)
    try:
        return polyvm.model(loaded, **options)
    except (ValueError, TypeError, RuntimeError, NotImplementedError, MemoryError) as error:
        name = "the new model" if isinstance(source, bytes) else source
        raise ModelError(f"{name}: {error}") from None


def _guarded(action: Callable[[], T]) -> T:
    """What the engine says of a model is one sentence for the user."""
    try:
        return action()
    except (ValueError, TypeError, RuntimeError, NotImplementedError, MemoryError) as error:
        raise ModelError(str(error)) from None


def _samples(options: argparse.Namespace, model: Model) -> list[Sample]:
    if options.samples is not None:
        return samples.load(options.samples, model)
    return _guarded(lambda: samples.draw(model, dict(options.shape)))


def _check(path: Path, exact: Model, tried: list[Sample]) -> ExitCode:
    for kind, ports in (("input", exact.inputs), ("output", exact.outputs)):
        for name, dtype, shape in ports:
            sizes = "of any shape" if shape is None else str(list(shape))
            print(f"{kind:9} {name}: {dtype} {sizes}")
    expected = _guarded(lambda: compare.outputs(exact, tried))
    print(f"samples   {len(tried)}")
    print(f"{'':9} {'ms':>9}  {'largest difference':>18}  {'of the largest':>14}  same choice")
    for precision in PRECISIONS:
        model = _load(path, precision=precision)
        got = _guarded(partial(compare.outputs, model, tried))
        _row(precision, model, tried, compare.difference(expected, got))
    return ExitCode.OK


def _row(name: str, model: Model, tried: list[Sample], apart: compare.Difference) -> None:
    time = compare.milliseconds(model, tried[0])
    same = "-" if apart.same_choice is None else f"{apart.same_choice:.1%}"
    print(f"{name:9} {time:9.3f}  {apart.absolute:18.3g}  {apart.relative:14.3g}  {same}")


def _rewrite(options: argparse.Namespace, model: Model, tried: list[Sample]) -> ExitCode:
    expected = _guarded(lambda: compare.outputs(model, tried))
    proto = files.read(options.file)
    if options.step == "convert":
        for name, count in convert.simplify(proto).items():
            print(f"{name:22} {count}")
        if options.weights is not None:
            print(f"{'weights in 16 bits':22} {convert.halve(proto, options.weights)}")
    elif options.step == "quantize":
        calibrated = tried if options.calibrate else None
        count = _guarded(lambda: quantize.quantize(proto, calibrated))
        print(f"{'weights in 8 bits':22} {count}")
    else:
        zeros, total = prune.prune(proto, options.fraction, channels=options.channels)
        print(f"{'weights that are 0':22} {zeros:,} of {total:,}")
    content = files.encode(proto)
    changed = _load(content)
    got = _guarded(lambda: compare.outputs(changed, tried))
    before = options.file.stat().st_size
    print(f"{'bytes':22} {before:,} -> {len(content):,} ({len(content) / before:.1%})")
    print(f"{'':9} {'ms':>9}  {'largest difference':>18}  {'of the largest':>14}  same choice")
    _row("before", model, tried, compare.difference(expected, expected))
    _row("after", changed, tried, compare.difference(expected, got))
    files.write(content, options.output)
    return ExitCode.OK
