"""Shortest ways on a random graph with a heap."""

from heapq import heappop, heappush
from random import Random

N = 5000
CHECK = (50, [50, 183, 6])


def graph(size: int) -> list[list[tuple[int, int]]]:
    rng = Random(21)
    edges: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for node in range(size):
        edges[node].append(((node + 1) % size, rng.randrange(20, 60)))
        for _ in range(4):
            edges[node].append((rng.randrange(size), rng.randrange(1, 100)))
    return edges


def run(n: int) -> list[int]:
    """[nodes reached, greatest distance, most steps on a shortest way] from node 0."""
    edges = graph(n)
    distance: dict[int, tuple[int, int]] = {}
    heap = [(0, 0, 0)]
    while heap:
        far, steps, node = heappop(heap)
        if node in distance:
            continue
        distance[node] = (far, steps)
        for other, length in edges[node]:
            if other not in distance:
                heappush(heap, (far + length, steps + 1, other))
    return [
        len(distance),
        max(far for far, _ in distance.values()),
        max(steps for _, steps in distance.values()),
    ]
