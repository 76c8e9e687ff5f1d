"""A forest of decision trees, as nested objects and as flat lists, scoring rows."""

from random import Random

N = 800
CHECK = (5, [60, -1186, 5])

TREES = 60
DEPTH = 6
FEATURES = 16


class Node:
    __slots__ = ("above", "below", "feature", "limit", "value")

    def __init__(self, rng: Random, depth: int) -> None:
        self.feature = rng.randrange(FEATURES)
        self.limit = rng.randrange(100)
        self.value = rng.randrange(-50, 51)
        self.below: Node | None = None
        self.above: Node | None = None
        if depth and (depth > 3 or rng.random() < 0.8):
            self.below = Node(rng, depth - 1)
            self.above = Node(rng, depth - 1)

    def score(self, row: list[int]) -> int:
        node = self
        while node.below is not None and node.above is not None:
            node = node.below if row[node.feature] < node.limit else node.above
        return node.value


Flat = list[tuple[int, int, int, int]]


def flatten(root: Node) -> Flat:
    """Rows (feature, limit, index below, index above); a leaf has feature -1, limit = value."""
    flat: Flat = []

    def place(node: Node) -> int:
        here = len(flat)
        flat.append((-1, node.value, 0, 0))
        if node.below is not None and node.above is not None:
            below = place(node.below)
            flat[here] = (node.feature, node.limit, below, place(node.above))
        return here

    place(root)
    return flat


def score_flat(flat: Flat, row: list[int]) -> int:
    feature, limit, below, above = flat[0]
    while feature >= 0:
        feature, limit, below, above = flat[below if row[feature] < limit else above]
    return limit


FOREST = [Node(Random(seed), DEPTH) for seed in range(TREES)]
FLAT = [flatten(tree) for tree in FOREST]


def run(n: int) -> list[int]:
    """[trees, sum of scores, rows whose two scores agree] for n rows."""
    rng = Random(31)
    total = agree = 0
    for _ in range(n):
        row = [rng.randrange(100) for _ in range(FEATURES)]
        nested = sum(tree.score(row) for tree in FOREST)
        flat = sum([score_flat(tree, row) for tree in FLAT])
        agree += nested == flat
        total += nested
    return [len(FOREST), total, agree]
