"""Sorting, searching, graphs, recursion."""

from __future__ import annotations

import bisect
import collections
import functools
import heapq
import itertools
import operator
import sys
from typing import TYPE_CHECKING

from habits.material import EVENTS, WORDS
from habits.registry import habit

if TYPE_CHECKING:
    from collections.abc import Iterator


@habit
def ranking() -> object:
    """Sorting by several keys, heaps, bisection, top n."""
    ranked = sorted(EVENTS, key=lambda event: (-event["price"], event["user"]))
    by_two = sorted(EVENTS, key=operator.itemgetter("event", "time"), reverse=True)
    heap: list[tuple[float, int]] = []
    for n, event in enumerate(EVENTS):
        heapq.heappush(heap, (event["price"], n))
        if len(heap) > 20:
            heapq.heappop(heap)
    bounds = [5.0, 10.0, 20.0, 40.0, 80.0]
    bucket = [bisect.bisect_right(bounds, event["price"]) for event in EVENTS]
    top = heapq.nlargest(7, EVENTS, key=lambda event: event["quantity"] * event["price"])
    return ranked[0], by_two[0], sorted(heap), bucket, top, sorted(WORDS), sorted(bucket)


@habit
def placements() -> object:
    """Backtracking: ways to place seven pieces that do not share a line."""

    def place(row: int, columns: int, left: int, right: int, size: int) -> int:
        if row == size:
            return 1
        ways = 0
        free = ~(columns | left | right) & ((1 << size) - 1)
        while free:
            bit = free & -free
            free ^= bit
            ways += place(row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1, size)
        return ways

    def by_lists(size: int) -> Iterator[tuple[int, ...]]:
        for order in itertools.permutations(range(size)):
            if (
                len({order[i] + i for i in range(size)})
                == size
                == len({order[i] - i for i in range(size)})
            ):
                yield order

    return place(0, 0, 0, 0, 7), sum(1 for _ in by_lists(5))


@habit
def shortest_paths() -> object:
    """Dijkstra on a dict of dicts, then a breadth-first walk of a grid."""
    graph = {n: {(n * 7 + 1) % 50: 3, (n * 3 + 2) % 50: 1, (n + 1) % 50: 9} for n in range(50)}
    best = {0: 0}
    queue = [(0, 0)]
    while queue:
        cost, node = heapq.heappop(queue)
        if cost > best[node]:
            continue
        for neighbour, weight in graph[node].items():
            if cost + weight < best.get(neighbour, sys.maxsize):
                best[neighbour] = cost + weight
                heapq.heappush(queue, (cost + weight, neighbour))
    grid = ["".join("#" if (x * y + x) % 5 == 3 else "." for x in range(16)) for y in range(12)]
    seen = {(0, 0)}
    front = collections.deque(seen)
    while front:
        x, y = front.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            spot = x + dx, y + dy
            if (
                0 <= spot[0] < 16
                and 0 <= spot[1] < 12
                and spot not in seen
                and grid[spot[1]][spot[0]] != "#"
            ):
                seen.add(spot)
                front.append(spot)
    return best, len(seen)


@habit
def dynamic_programming() -> object:
    """Edit distance, a knapsack, a cached recursion."""

    def distance(a: str, b: str) -> int:
        row = list(range(len(b) + 1))
        for i, x in enumerate(a, 1):
            last, row[0] = row[0], i
            for j, y in enumerate(b, 1):
                last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
        return row[-1]

    @functools.cache
    def steps(n: int) -> int:
        return 1 if n < 2 else steps(n - 1) + steps(n - 2) + n % 3

    room = [0] * 90
    for weight, value in ((7, 12), (11, 21), (5, 8), (17, 33), (3, 4)):
        for w in range(len(room) - 1, weight - 1, -1):
            room[w] = max(room[w], room[w - weight] + value)
    return [distance(a, b) for a, b in itertools.pairwise(WORDS)], steps(80), room[-1]


def fibonacci(n: int) -> int:
    """Recur plainly: nothing but calls."""
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@habit
def recursion() -> object:
    """Deep and wide recursion, nested containers flattened."""

    def flatten(value: object) -> Iterator[object]:
        if isinstance(value, (list, tuple)):
            for item in value:
                yield from flatten(item)
        else:
            yield value

    nested: list[object] = []
    for n in range(40):
        nested = [nested, (n, str(n), [n, [n]])]
    return fibonacci(15), sum(1 for _ in flatten(nested))
