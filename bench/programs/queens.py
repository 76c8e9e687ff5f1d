"""N queens by recursive generators over integer bit sets."""

from collections.abc import Iterator

N = 10
CHECK = (6, [4, [1, 3, 5, 0, 2, 4]])


def solutions(size: int, columns: int, left: int, right: int) -> Iterator[list[int]]:
    """All ways to fill the rows that are left, as lists of columns."""
    full = (1 << size) - 1
    if columns == full:
        yield []
        return
    free = full & ~(columns | left | right)
    while free:
        bit = free & -free
        free ^= bit
        for rest in solutions(size, columns | bit, (left | bit) << 1, (right | bit) >> 1):
            yield [bit.bit_length() - 1, *rest]


def run(n: int) -> list[object]:
    """[number of solutions, the first] on an n x n board."""
    found = list(solutions(n, 0, 0, 0))
    return [len(found), found[0]]
