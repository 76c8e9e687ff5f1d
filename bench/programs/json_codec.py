"""JSON text of nested records, out and in again."""

import json
from random import Random

N = 1100
CHECK = (3, [472, 3, "A2"])


def records(count: int) -> list[dict[str, object]]:
    rng = Random(11)
    return [
        {
            "id": i,
            "user": f"A{i}",
            "score": rng.randrange(100_000) / 1000,
            "tags": [rng.choice("abcdefgh") * 3 for _ in range(4)],
            "place": {"lat": rng.randrange(90), "lon": -rng.randrange(180), "name": 'Köln "Süd"'},
            "active": rng.random() < 0.5,
            "note": None,
        }
        for i in range(count)
    ]


def run(n: int) -> list[object]:
    """[characters, records read back, last user] for n records, five times."""
    data = records(n)
    for _ in range(5):
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        back = json.loads(text)
    if back != data:
        raise ValueError("JSON did not give back what it was given")
    pretty = json.dumps(back[: n // 4 + 1], indent=1)
    return [len(text), len(json.loads(pretty)) + n - n // 4 - 1, back[-1]["user"]]
