"""One picture of a run: programs, throughput, round trips, memory, arrays, models, flows."""

from pathlib import Path
from statistics import median
from typing import Any

from bench.sections import arrays, freshness, models
from bench.sections.programs import ratios

OURS = "#1b7f4d"
OTHERS = ("#8a8f98", "#4f7cac", "#c0843d", "#9b5d8f", "#b5b9bf", "#6b7280")


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write chart.png and chart.svg into `folder`; nothing when matplotlib is not there."""
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    except ImportError:
        return []
    sections = results["sections"]
    panels = [
        (name, draw_panel)
        for name, draw_panel in (
            ("programs", _programs),
            ("scaling", _scaling),
            ("dispatch", _dispatch),
            ("memory", _memory),
            ("arrays", _arrays),
            ("models", _models),
            ("flows", _flows),
            ("freshness", _freshness),
        )
        if name in sections and _can_be_drawn(name, sections[name])
    ]
    if not panels:
        return []
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(7 * across, 5.2 * down), squeeze=False, layout="constrained"
    )
    places = list(axes.flat)
    for (name, draw_panel), place in zip(panels, places, strict=False):
        draw_panel(place, sections[name])
        place.spines[["top", "right"]].set_visible(False)
    for place in places[len(panels) :]:
        place.remove()
    machine = results["machine"]
    figure.suptitle(
        f"PolyVM ({results['contenders']['VM']}) on {machine['cpu']}, {machine['cores']} cores",
        fontsize=11,
    )
    written = []
    for suffix in ("png", "svg"):
        path = folder / f"chart.{suffix}"
        figure.savefig(path, dpi=130)
        written.append(path)
    plt.close(figure)
    return written


def _can_be_drawn(name: str, data: dict[str, Any]) -> bool:
    if name == "programs":
        return _has_reference(data)
    return name != "models" or bool(models.against_best(data))


def _has_reference(data: dict[str, Any]) -> bool:
    return all("stock" in times or "sdk" in times for times in data["times_ns"].values())


def _programs(axes: Any, data: dict[str, Any]) -> None:
    times = data["times_ns"]
    reference = "stock" if all("stock" in t for t in times.values()) else "sdk"
    names = [name for name in times if not name.startswith("class ")]
    speed = sorted((median(ratios(times[name], reference)), name) for name in names)
    values = [value for value, _ in speed]
    axes.barh(
        [name for _, name in speed],
        [value - 1 for value in values],
        left=1,
        color=[OURS if value >= 1 else "#c0504d" for value in values],
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title(f"Speed of one VM, {reference} CPython = 1")


def _scaling(axes: Any, data: dict[str, Any]) -> None:
    workers = data["workers"]
    others = iter(OTHERS)
    for name, rates in data["per_second"]["mixed"].items():
        ours = name == "vm"
        axes.plot(
            workers,
            [median(rates[str(count)]) for count in workers],
            marker="o",
            linewidth=2.4 if ours else 1.3,
            color=OURS if ours else next(others),
            label="PolyVM" if ours else name,
        )
    axes.set_xticks(workers)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("workers")
    axes.set_title("Mixed tasks a second")
    axes.legend(frameon=False, fontsize=8)


def _dispatch(axes: Any, data: dict[str, Any]) -> None:
    found = {name: told for name, told in data["found"].items() if "p50" in told}
    trips = [median(told["p50"]) / 1000 for told in found.values()]
    bars = axes.barh(
        ["PolyVM" if name == "vm" else name for name in found],
        trips,
        color=[OURS if name == "vm" else OTHERS[0] for name in found],
    )
    axes.bar_label(
        bars,
        [
            f" {trip:.3g} µs, {median(told['per_second']):,.0f}/s"
            for trip, told in zip(trips, found.values(), strict=True)
        ],
        fontsize=8,
    )
    axes.set_xscale("log")
    axes.set_xlim(left=1, right=max(trips) * 30)
    axes.invert_yaxis()
    axes.set_title("No-op: round trip in µs, invocations a second")


def _memory(axes: Any, data: dict[str, Any]) -> None:
    for (label, curve), color in zip(
        (
            (f"{data['cycles']:,} resets of one VM", data["reset"]),
            (f"{data['count']:,} tasks loaded, then run", data["many"]),
        ),
        (OURS, OTHERS[1]),
        strict=True,
    ):
        last = curve["at"][-1]
        axes.plot(
            [at / last for at in curve["at"]],
            [held / 1e6 for held in curve["bytes"]],
            color=color,
            label=label,
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("share of the run")
    axes.set_title("Resident memory, MB")
    axes.legend(frameon=False, fontsize=8)


def _arrays(axes: Any, data: dict[str, Any]) -> None:
    speed = sorted((value, name) for name, value in arrays.by_operation(data).items())
    values = [value for value, _ in speed]
    axes.barh(
        [name for _, name in speed],
        [value - 1 for value in values],
        left=1,
        color=[OURS if value >= 1 else "#c0504d" for value in values],
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.tick_params(axis="y", labelsize=5)
    axes.set_title("Speed of arrays, all sizes, NumPy on one thread = 1")


def _models(axes: Any, data: dict[str, Any]) -> None:
    speed = sorted((value, name) for name, (_, value) in models.against_best(data).items())
    values = [value for value, _ in speed]
    axes.barh(
        [name for _, name in speed],
        [value - 1 for value in values],
        left=1,
        color=[OURS if value >= 1 else "#c0504d" for value in values],
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title("Speed of models, float32, one thread, the best peer = 1")


def _flows(axes: Any, data: dict[str, Any]) -> None:
    queries = data["nexmark"]["queries"]
    threads = sorted({n for told in queries.values() for n in told["per_second"]})
    places = range(len(queries))
    width = 0.8 / len(threads)
    for at, (number, color) in enumerate(zip(threads, (OURS, OTHERS[1]), strict=False)):
        rates = [median(told["per_second"][number]) / 1e6 for told in queries.values()]
        shifted = [place + (at - (len(threads) - 1) / 2) * width for place in places]
        label = f"{number} thread{'s' * (number != '1')}"
        axes.bar(shifted, rates, width, color=color, label=label)
    axes.set_xticks(list(places), list(queries))
    axes.set_title("Nexmark, million events a second")
    axes.legend(frameon=False, fontsize=8)


def _freshness(axes: Any, data: dict[str, Any]) -> None:
    for kind, color in zip(freshness.KINDS, (OTHERS[1], OURS), strict=True):
        shares = data["kinds"][kind]["shares"]
        for name, style in (("p50", "-"), ("p99", "--")):
            late = [median([told[name] for told in rounds]) / 1e6 for rounds in shares.values()]
            loads = [100 * float(share) for share in shares]
            axes.plot(loads, late, style, marker="o", color=color, label=f"{kind}, {name}")
    axes.axhline(freshness.FEATURE_GOAL_NS / 1e6, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_xlabel("load, % of the greatest rate")
    axes.set_title("From an event to its trigger's task, to its feature, ms")
    axes.legend(frameon=False, fontsize=8)
