"""Regular expressions over the lines of a web server's log."""

import re
from random import Random

N = 4000
CHECK = (50, [50, 44, 1301449, 14])

LINE = re.compile(
    r"(?P<host>\d+\.\d+\.\d+\.\d+) - (?P<user>\S+) \[(?P<time>[^\]]+)\] "
    r'"(?P<method>GET|POST|PUT) (?P<path>[^ "?]+)(?:\?(?P<query>[^ "]*))? HTTP/1\.[01]" '
    r"(?P<status>\d{3}) (?P<size>\d+|-)"
)
PAIR = re.compile(r"([a-z]+)=([^&]*)")
NUMBERS = re.compile(r"\d+")


def lines(count: int) -> list[str]:
    rng = Random(5)
    made: list[str] = []
    for i in range(count):
        query = f"?item={rng.randrange(999)}&page={rng.randrange(9)}" if rng.random() < 0.5 else ""
        made.append(
            f"10.0.{rng.randrange(256)}.{rng.randrange(256)} - user{rng.randrange(50)} "
            f"[21/Nov/2026:10:{i // 60 % 60:02}:{i % 60:02} +0000] "
            f'"{rng.choice(("GET", "POST", "PUT"))} /shop/{rng.choice("abc")}{query} HTTP/1.1" '
            f"{rng.choice((200, 200, 304, 404))} {rng.randrange(50_000)}"
        )
    return made


def run(n: int) -> list[int]:
    """[lines matched, query pairs, bytes sent, lines not found] over n lines."""
    matched = pairs = size = missing = 0
    for line in lines(n):
        match = LINE.match(line)
        if match is None:
            continue
        matched += 1
        pairs += sum(1 for _ in PAIR.finditer(match["query"] or ""))
        size += int(match["size"])
        if match["status"] == "404":
            missing += 1
        masked = NUMBERS.sub("#", line)
        if masked.count("#") < 10:
            raise ValueError(f"numbers of the line were not masked: {line!r}")
    return [matched, pairs, size, missing]
