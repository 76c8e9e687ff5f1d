"""Matrices as lists of lists: product, transposition, determinant."""

N = 64
CHECK = (3, [244, 3, 1])


def matrix(size: int, seed: int) -> list[list[int]]:
    state = seed
    made: list[list[int]] = []
    for _ in range(size):
        row: list[int] = []
        for _ in range(size):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            row.append(state >> 28)
        made.append(row)
    return made


def product(a: list[list[int]], b: list[list[int]]) -> list[list[int]]:
    columns = list(zip(*b, strict=True))
    return [
        [sum([x * y for x, y in zip(row, column, strict=True)]) for column in columns] for row in a
    ]


def product_by_index(a: list[list[int]], b: list[list[int]]) -> list[list[int]]:
    size = len(a)
    result = [[0] * size for _ in range(size)]
    for i in range(size):
        row = a[i]
        out = result[i]
        for k in range(size):
            factor = row[k]
            other = b[k]
            for j in range(size):
                out[j] += factor * other[j]
    return result


def rank_mod(a: list[list[int]], prime: int) -> int:
    """Rank over the field of `prime` elements by elimination."""
    rows = [[v % prime for v in row] for row in a]
    rank = 0
    for column in range(len(rows)):
        pivot = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        inverse = pow(rows[rank][column], -1, prime)
        head = [v * inverse % prime for v in rows[rank]]
        rows[rank] = head
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column]
            if factor:
                rows[i] = [(v - factor * h) % prime for v, h in zip(rows[i], head, strict=True)]
        rank += 1
    return rank


def run(n: int) -> list[int]:
    """[trace of the product, rank of a factor, 1 if two ways of multiplying agree], n x n."""
    a, b = matrix(n, 1), matrix(n, 2)
    c = product(a, b)
    same = c == product_by_index(a, b)
    return [sum(c[i][i] for i in range(n)), rank_mod(a, 10007), int(same)]
