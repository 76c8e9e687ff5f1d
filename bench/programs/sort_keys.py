"""Records sorted by several keys, searched and merged."""

from bisect import bisect_left
from functools import cmp_to_key
from heapq import merge, nlargest
from operator import itemgetter
from random import Random

N = 8000
CHECK = (40, [31, 22, 40])

Row = dict[str, int | str]


def rows(count: int) -> list[Row]:
    rng = Random(17)
    return [
        {
            "id": i,
            "group": rng.choice("abcde"),
            "age": rng.randrange(18, 80),
            "name": f"n{i * 7919 % count}",
        }
        for i in range(count)
    ]


def older(a: Row, b: Row) -> int:
    return int(a["age"]) - int(b["age"])


def run(n: int) -> list[int]:
    """[id of the oldest in the first group, rows below age 50, rows merged] for n rows."""
    data = rows(n)
    ordered = sorted(data, key=lambda row: (row["group"], -int(row["age"]), row["name"]))
    by_name = sorted(data, key=itemgetter("name"))
    by_age = sorted(data, key=cmp_to_key(older))
    again: list[Row] = sorted(by_name, key=lambda row: -int(row["age"]))
    again.sort(key=lambda row: str(row["group"]))
    if again != ordered:
        raise ValueError("stable sorts in turn differ from one sort by a tuple")
    ages = [int(row["age"]) for row in by_age]
    oldest = nlargest(3, data, key=lambda row: (row["age"], row["id"]))
    joined = list(merge(by_name[::2], by_name[1::2], key=lambda row: str(row["name"])))
    if joined != by_name or int(oldest[0]["age"]) != ages[-1]:
        raise ValueError("merge or nlargest disagrees with sort")
    return [int(ordered[0]["id"]), bisect_left(ages, 50), len(joined)]
