"""Lanes, limits and the interrupt ladder: what they cost, and what they hold."""

from statistics import median
from typing import Any

from bench.contender import Contender
from bench.rows import Row, Table, at_most, duration
from bench.settings import Setup

TITLE = "Lanes, limits, tasks that do not end"

TIMEOUT_NS = 100_000_000
STUCK = {
    "pure-Python loop": "def run(x):\n    while True: pass\n",
    "swallows every exception": (
        "def run(x):\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass\n"
    ),
    "loop at import": "while True: pass\ndef run(x): pass\n",
    "time.sleep": "import time\ndef run(x): time.sleep(1000)\n",
    "a lock never released": (
        "import threading\ndef run(x):\n    lock = threading.Lock()\n"
        "    lock.acquire(); lock.acquire()\n"
    ),
    "huge regex": "import re\ndef run(x): re.match('(a*)*b', 'a' * 40)\n",
    "sum(range(10**12))": "def run(x): return sum(range(10**12))\n",
    "big-int power": "def run(x): return (3 ** 10**8).bit_length()\n",
    "list of an endless iterator": (
        "import collections, itertools\n"
        "def run(x): collections.deque(itertools.count(), maxlen=0)\n"
    ),
    "a matrix product": (
        "from polyvm import np\n"
        "many = np.broadcast_to(np.ones(1), (10**13,))\n"
        "def run(x): return float(many[None, :] @ many[:, None])\n"
    ),
    "a C call that does not return": (
        "import decimal\ndef run(x): return len(str(decimal.Decimal(1 << 10**8)))\n"
    ),
}
WORK = {"a no-op": 0, "1 ms of work": 50_000}
SOON_NS, REPLACED_NS, CORE_P99_NS = 50_000_000, 200_000_000, 2_000_000
OVERHEAD = 1.02


def measure(setup: Setup) -> dict[str, Any]:
    """Each comparison within one process, turn about."""
    rounds = setup.rounds(3, 15)
    overhead: dict[str, list[float]] = {}
    with Contender.vm("vm-limits", setup.cpus[-1:]) as contender:
        for kind, count in (("noop", 40_000), ("light", 8_000)):
            for turn in range(rounds):
                setup.progress(f"limits, {kind}: round {turn + 1} of {rounds}")
                told = contender.ask("limits", kind=kind, count=count)
                overhead.setdefault(kind, []).append(told["limited"] / told["free"])
    core: dict[str, dict[str, dict[str, list[float]]]] = {}
    with Contender.vm("vm-lanes", setup.cpus) as contender:
        for turn in range(setup.rounds(1, 3)):
            for name, work in WORK.items():
                for preempt in (True, False):
                    setup.progress(f"core lane, {name}, preemption {preempt}: turn {turn + 1}")
                    told = contender.ask(
                        "saturated", preempt=preempt, count=setup.rounds(300, 2000), work=work
                    )
                    mine = core.setdefault(name, {}).setdefault(
                        "with preemption" if preempt else "without", {}
                    )
                    for key, value in told.items():
                        mine.setdefault(key, []).append(value)
    stuck = {}
    for name, source in STUCK.items():
        setup.progress(f"stuck: {name}")
        with Contender.vm("vm-stuck", setup.cpus) as contender:  # what is stuck ends with it
            stuck[name] = contender.ask("stuck", source=source, timeout_ns=TIMEOUT_NS)
    return {"overhead": overhead, "core": core, "stuck": stuck}


def rows(data: dict[str, Any]) -> list[Row]:
    made = []
    for kind, ratios in data["overhead"].items():
        ratio = median(ratios)
        made.append(
            at_most(
                f"deadline, time-out, memory and concurrency limits on {kind} tasks",
                "the same task without",
                f"<= {OVERHEAD:g}x",
                OVERHEAD,
                value=ratio,
                reached=f"{ratio:.3f}x",
            )
        )
    p99 = median(data["core"]["a no-op"]["with preemption"]["p99"])
    made.append(
        at_most(
            "core lane while the low lane saturates all cores, p99",
            "absolute",
            f"<= {duration(CORE_P99_NS)}",
            CORE_P99_NS,
            value=p99,
            reached=duration(p99),
        )
    )
    stopped = [told["late_ns"] for told in data["stuck"].values() if not told["replaced"]]
    replaced = [told["late_ns"] for told in data["stuck"].values() if told["replaced"]]
    made.append(
        at_most(
            f"{len(stopped)} kinds of stuck task: stopped after their time-out",
            "absolute",
            f"<= {duration(SOON_NS)}",
            SOON_NS,
            value=max(stopped),
            reached=f"{duration(max(stopped))} at most",
        )
    )
    if replaced:
        made.append(
            at_most(
                f"{len(replaced)} that cannot be stopped: thread replaced after the time-out",
                "absolute",
                f"<= {duration(REPLACED_NS)}",
                REPLACED_NS,
                value=max(replaced),
                reached=f"{duration(max(replaced))} at most",
            )
        )
    return made


def tables(data: dict[str, Any]) -> list[Table]:
    core = [
        [f"{name}, {how}", *(duration(median(told[key])) for key in ("p50", "p99", "p999"))]
        for name, ways in data["core"].items()
        for how, told in ways.items()
    ]
    stuck = [
        [
            name,
            told["outcome"],
            "given up, replaced" if told["replaced"] else "stopped",
            duration(max(0, told["late_ns"])),
            duration(max(0, told["served_ns"])),
        ]
        for name, told in data["stuck"].items()
    ]
    return [
        Table(
            "Core invocations while the low lane saturates all cores",
            ["core task", "p50", "p99", "p99.9"],
            core,
            "From acceptance to the end, as the executor tells it.",
        ),
        Table(
            f"Tasks that never end, time-out {duration(TIMEOUT_NS)}",
            ["task", "outcome", "its thread", "ended after", "next task served after"],
            stuck,
            "Times count from the time-out.",
        ),
    ]
