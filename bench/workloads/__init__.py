"""What executors and pools are fed with: three classes of task, and one that does nothing.

Each module has ``payload(i)``, the i-th input (the same at every call), and ``run(payload)``,
the task. A host submits payloads and gets results; a VM runs the very same module.

``light``   10 to 20 µs: score one record with a small linear model
``middle``  some 1 ms: turn one text into features and compare it with prototypes
``heavy``   30 to 50 ms: cut a user's click stream into sessions, rank with trees, match texts
``noop``    nothing, to see what the way there and back costs
"""

from typing import Any

from bench.workloads import heavy, light, middle, noop

CLASSES = {"light": light, "middle": middle, "heavy": heavy, "noop": noop}

MIX = (("heavy", 1), ("middle", 20), ("light", 200))
"""One round of the mixed load, in this order, so that a batch never ends on a heavy task."""


def runs_of(kind: str, count: int) -> list[tuple[str, list[Any]]]:
    """A batch in the order of submission, as runs of one class with their payloads.

    `count` tasks of a class, or `count` rounds of the mix when kind is "mixed".
    """
    shares = MIX if kind == "mixed" else ((kind, count),)
    rounds = count if kind == "mixed" else 1
    return [
        (one, [CLASSES[one].payload(turn * share + i) for i in range(share)])
        for turn in range(rounds)
        for one, share in shares
    ]
