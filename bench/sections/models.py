"""Models: ours beside ONNX Runtime, OpenVINO, MNN and LiteRT, one model after the other."""

import contextlib
import dataclasses
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.contender import OUTPUT, Contender
from bench.models.catalogue import CATALOGUE, Model
from bench.models.runtimes import RUNTIMES, SETTINGS
from bench.rows import Row, Table, at_least, duration
from bench.settings import Setup
from bench.stats import geometric_mean
from tasks.wheels import UnobtainableError

TITLE = "Models"
OURS, ORACLE = "polyvm", "onnxruntime"
NAMES = {
    OURS: "PolyVM",
    ORACLE: "ONNX Runtime",
    "openvino": "OpenVINO",
    "mnn": "MNN",
    "litert": "LiteRT",
}
QUICK = ("squeezenet1_1", "shufflenet_v2_x1_0", "din", "magika", "silero_vad")
EXACT_GOAL, MEAN_GOAL, FAST_GOAL, VMS_GOAL = 1.0, 1.1, 1.0, 0.95
IN_VMS = ("resnet18", "mobilenet_v2", "squeezenet1_1")
"""Models that tasks in VMs call: of images, with much and with little arithmetic for a weight."""
TOLERANCE = 1e-3
"""Greatest difference from the oracle that passes as float32, of the output's greatest value."""
BUDGET_SECONDS = 330
"""After so long no further round is begun, in full mode; what was measured is told."""


def modes(cores: int) -> dict[str, dict[str, Any]]:
    """How models are run, by name."""
    found: dict[str, dict[str, Any]] = {"exact": {}}
    if cores > 1:
        found["exact, 2 threads"] = {"threads": 2}
        found["exact, 2 callers"] = {"callers": 2}
    return found | {"fast": {"precision": "fast"}}


def measure(setup: Setup) -> dict[str, Any]:
    """A process for each runtime; rounds go through them turn about."""
    started = time.monotonic()
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        contenders = {OURS: _start(OURS, Path(sys.executable))}
        if setup.models is not None:
            peers = [name for name in RUNTIMES if name != OURS]
            contenders |= {name: _start(name, setup.models.executable) for name in peers}
        for contender in contenders.values():
            stack.enter_context(contender)
        wanted = QUICK if setup.quick else [n for n, m in CATALOGUE.items() if m.timed]
        for name in wanted:
            setup.progress(f"models: making {name}")
            try:
                CATALOGUE[name].path()
            except UnobtainableError as error:
                missing[name] = str(error)
                continue
            late = time.monotonic() - started > BUDGET_SECONDS
            if late:
                missing[name] = f"no time left after {BUDGET_SECONDS} s"
                continue
            found[name] = _one(setup, CATALOGUE[name], contenders)
    return {
        "vms": {model: _in_vms(setup, model) for model in IN_VMS},
        "versions": setup.models.origin if setup.models is not None else "",
        "settings": {name: SETTINGS[name] for name in contenders},
        "models": found,
        "missing": missing,
        "different": [
            f"{name} ({mode})"
            for name, modes_of in found.items()
            for mode, cells in modes_of.items()
            if mode != "fast" and cells.get(OURS, {}).get("difference", 0) > TOLERANCE
        ],
    }


def _in_vms(setup: Setup, model: str) -> dict[str, list[float]]:
    """Tasks a second that call one model, by the number of VMs."""
    most = len(setup.cpus)
    rates: dict[str, list[float]] = {}
    python = [sys.executable]
    path = str(CATALOGUE[model].path())
    with Contender("model-vms", python, "bench.contenders.model_vms", setup.cpus) as contender:
        contender.ask("open", model=path, workers=sorted({1, most}))
        for turn in range(setup.rounds(3, 7)):
            for many in sorted({1, most}, reverse=bool(turn % 2)):
                setup.progress(f"models: {model} in {many} VMs, round {turn + 1}")
                count = setup.rounds(20, 60) * many
                told = contender.ask("tasks", workers=many, count=count)
                rates.setdefault(str(many), []).append(count / told["ns"] * 1e9)
    return rates


def _start(runtime: str, python: Path) -> Contender:
    return Contender(f"models {runtime}", [str(python)], "bench.contenders.models")


def _one(setup: Setup, model: Model, contenders: dict[str, Contender]) -> dict[str, Any]:
    """By mode and runtime: calls a second round by round, or why it cannot be run so."""
    inputs = OUTPUT / "models" / f"{model.name}.npz"
    inputs.parent.mkdir(parents=True, exist_ok=True)
    np.savez(inputs, **model.example())
    found: dict[str, Any] = {}
    truth: dict[str, Any] | None = None
    for mode, how in modes(len(setup.cpus)).items():
        setup.progress(f"models: {model.name}, {mode}")
        cores = how.get("threads", 1) * how.get("callers", 1)
        cells: dict[str, Any] = {}
        order = [ORACLE, *(name for name in contenders if name != ORACLE)]
        for name in (name for name in order if name in contenders):
            outputs = OUTPUT / "models" / f"{name}.npz"
            told = contenders[name].ask(
                "open",
                runtime=name,
                model=str(model.path()),
                inputs=str(inputs),
                outputs=str(outputs),
                wanted=how,
                cpus=setup.cpus[-cores:],
            )
            cells[name] = told
            if "cannot" not in told:
                with np.load(outputs) as file:
                    made = {key: file[key] for key in file.files}
                if truth is None and name == ORACLE:
                    truth = made
                if truth is not None:
                    told["difference"] = _difference(made, truth)
                told["per_second"] = []
        running = [name for name, told in cells.items() if "per_second" in told]
        for turn in range(setup.rounds(3, 5)):
            for name in running if turn % 2 else reversed(running):
                told = contenders[name].ask("measure", seconds=0.05 if setup.quick else 0.15)
                cells[name]["per_second"].append(told["per_second"])
        for contender in contenders.values():
            contender.ask("close")
        found[mode] = cells
    return found


def _difference(made: dict[str, Any], truth: dict[str, Any]) -> float:
    """The greatest difference of any output, as a share of the output's greatest value."""
    worst = 0.0
    for name, wanted in truth.items():
        got = made.get(name)
        if got is None or got.size != wanted.size:
            return 1e9
        scale = float(np.abs(wanted).max()) or 1.0
        apart = np.abs(got.reshape(wanted.shape).astype(np.float64) - wanted)
        worst = max(worst, float(apart.max()) / scale)
        if not np.isfinite(apart).all():
            return 1e9
    return worst


def _ratio(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """How often as fast, round by round."""
    pairs = zip(ours["per_second"], theirs["per_second"], strict=True)
    return median([a / b for a, b in pairs])


def _best_peer(cells: dict[str, Any]) -> str | None:
    """The fastest peer whose results are right."""
    fit = {
        name: median(told["per_second"])
        for name, told in cells.items()
        if name != OURS and "per_second" in told and told.get("difference", 0) <= TOLERANCE
    }
    return max(fit, key=fit.__getitem__, default=None)


def against_best(data: dict[str, Any]) -> dict[str, tuple[str, float]]:
    """The best peer, and how often as fast we are, by model; float32 on one thread."""
    found = {}
    for name, by_mode in data["models"].items():
        cells = by_mode["exact"]
        best = _best_peer(cells)
        if best is not None and "per_second" in cells.get(OURS, {}):
            found[name] = best, _ratio(cells[OURS], cells[best])
    return found


def rows(data: dict[str, Any]) -> list[Row]:
    each = against_best(data)
    ratios = [ratio for _, ratio in each.values()]
    made = [
        at_least(f"{name}, float32, one thread", f"{NAMES[best]}, the best", EXACT_GOAL, ratio)
        for name, (best, ratio) in each.items()
    ]
    if ratios:
        what = f"{len(ratios)} models, float32, one thread, geometric mean"
        made.append(at_least(what, "the best peer on each", MEAN_GOAL, geometric_mean(ratios)))
    fast = [
        _ratio(cells[OURS], cells["openvino"])
        for cells in (by_mode["fast"] for by_mode in data["models"].values())
        if "per_second" in cells.get(OURS, {}) and "per_second" in cells.get("openvino", {})
    ]
    if fast:
        what = f"{len(fast)} models, bfloat16 arithmetic, geometric mean"
        made.append(at_least(what, "OpenVINO, bf16", FAST_GOAL, geometric_mean(fast)))
    for model, rates in data["vms"].items():
        most = max(rates, key=int)
        if most != "1":
            what = f"tasks that call {model}, {most} VMs on {most} cores"
            made.append(at_least(what, "one VM", VMS_GOAL * int(most), _gain(rates)))
    return made


def _gain(rates: dict[str, list[float]]) -> float:
    """How often as many tasks a second in all VMs as in one, round by round."""
    pairs = zip(rates[max(rates, key=int)], rates["1"], strict=True)
    return median([many / one for many, one in pairs])


def tables(data: dict[str, Any]) -> list[Table]:
    made: list[Table] = []
    names = {mode for by_mode in data["models"].values() for mode in by_mode}
    for mode in (mode for mode in modes(2) if mode in names):
        every = {name: by_mode[mode] for name, by_mode in data["models"].items()}
        runtimes = [
            runtime
            for runtime in data["settings"]
            if any("per_second" in cells.get(runtime, {}) for cells in every.values())
        ]
        lines = []
        for name, cells in every.items():
            best = _best_peer(cells) if mode != "fast" else "openvino"
            ours, theirs = cells.get(OURS, {}), cells.get(best or "", {})
            both = "per_second" in ours and "per_second" in theirs
            line = [name, *(_cell(cells.get(runtime), mode) for runtime in runtimes)]
            lines.append([*line, f"{_ratio(ours, theirs):.2f}" if both else ""])
        heads = ["model", *(NAMES[runtime] for runtime in runtimes)]
        against = "OpenVINO" if mode == "fast" else "the best"
        made.append(Table(f"Models, {mode}", [*heads, f"against {against}"], lines, _note(mode)))
    if made:
        told = [f"{NAMES[name]}: {text}" for name, text in data["settings"].items()]
        note = f"{made[0].note} {_furthest(data)}Settings: {'; '.join(told)}. "
        note += f"Peers: {data['versions']}."
        made[0] = dataclasses.replace(made[0], note=f"{note} {_cannot(data)}".rstrip())
    lines = [
        [model, *(f"{median(found):,.0f}" for found in rates.values()), f"{_gain(rates):.2f}"]
        for model, rates in data["vms"].items()
    ]
    counts = [f"{many} VM{'s' if many != '1' else ''}" for many in next(iter(data["vms"].values()))]
    made.append(Table("Tasks a second that call one model", ["model", *counts, "gain"], lines))
    return made


def _furthest(data: dict[str, Any]) -> str:
    """Where our float32 results differ most from the oracle's."""
    differences = {
        name: cells[OURS]["difference"]
        for name, by_mode in data["models"].items()
        for cells in (by_mode["exact"],)
        if "difference" in cells.get(OURS, {})
    }
    if not differences:
        return ""
    worst = max(differences, key=differences.__getitem__)
    return f"PolyVM's differ most for {worst}, by {differences[worst]:.1e}. "


def _cannot(data: dict[str, Any]) -> str:
    """What cannot be run as float32, and why, in sentences."""
    said: dict[tuple[str, str], list[str]] = {}
    for name, by_mode in data["models"].items():
        for runtime, told in by_mode["exact"].items():
            if "cannot" in told:
                said.setdefault((NAMES[runtime], told["cannot"]), []).append(name)
    sentences = [
        f"{runtime} cannot run {'any' if len(names) == len(data['models']) else ', '.join(names)}: "
        f"{text}."
        for (runtime, text), names in said.items()
    ]
    sentences += [f"Not measured: {name}, {why}." for name, why in data["missing"].items()]
    return " ".join(sentences)


def _cell(told: dict[str, Any] | None, mode: str) -> str:
    if told is None:
        return ""
    if "cannot" in told:
        return "cannot"
    callers = 2 if "callers" in mode else 1
    text = duration(callers * 1e9 / median(told["per_second"]))
    difference = told.get("difference", 0.0)
    if difference > TOLERANCE:
        return f"{text}, off by {difference:.0e}" if difference < 1e9 else f"{text}, wrong"
    return text


def _note(mode: str) -> str:
    if mode == "fast":
        return (
            "Time of a call, one thread. Less precise results are off by the share of the output's "
            "greatest value that is told."
        )
    many = ", while another caller does the same" if "callers" in mode else ""
    return (
        f"Time of a call{many}; medians of rounds turn about. Where nothing is said, results "
        f"differ from ONNX Runtime's by less than {TOLERANCE:g} of an output's greatest value."
    )
