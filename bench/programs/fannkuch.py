"""Pancake flips over all permutations: list slices and integer loops."""

N = 8
CHECK = (7, [228, 16])


def run(n: int) -> list[int]:
    """[checksum, most flips] over the permutations of n items (n > 1)."""
    order = list(range(n))
    turns = [0] * n
    most = 0
    checksum = 0
    sign = 1
    while True:
        first = order[0]
        if first:
            flips = 1
            work = order[:]
            while True:
                work[: first + 1] = work[first::-1]
                first = work[0]
                if not first:
                    break
                flips += 1
            most = max(most, flips)
            checksum += sign * flips
        sign = -sign
        # The next permutation: turn a prefix left; a prefix turned all the way round
        # hands over to the next longer one.
        i = 1
        while True:
            head = order[0]
            order[:i] = order[1 : i + 1]
            order[i] = head
            turns[i] += 1
            if turns[i] <= i:
                break
            turns[i] = 0
            i += 1
            if i == n:
                return [checksum, most]
