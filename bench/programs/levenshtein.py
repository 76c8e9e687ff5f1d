"""Edit distances between words by dynamic programming."""

N = 88
CHECK = (3, [3, 17, 4])


def distance(a: str, b: str) -> int:
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        current = [i]
        for j, right in enumerate(b, 1):
            if left == right:
                current.append(previous[j - 1])
            else:
                current.append(1 + min(previous[j], current[-1], previous[j - 1]))
        previous = current
    return previous[-1]


def word(seed: int) -> str:
    letters: list[str] = []
    for _ in range(5 + seed % 4):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        letters.append("abcdef"[(seed >> 16) % 6])
    return "".join(letters)


def run(n: int) -> list[int]:
    """[pairs, sum of distances, least distance] over all pairs of n words."""
    words = [word(i * 37 + 11) for i in range(n)]
    distances = [distance(a, b) for i, a in enumerate(words) for b in words[:i]]
    return [len(distances), sum(distances), min(distances)]
