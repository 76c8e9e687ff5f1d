"""Digits of pi with decimal, by Machin's formula, and by integers to compare."""

from decimal import Decimal, localcontext

N = 4000
CHECK = (30, "3.14159265358979323846264338327")


def arctan_inverse(x: int, digits: int) -> Decimal:
    """arctan(1/x), good to `digits` digits in the current context."""
    term = Decimal(1) / x
    square = x * x
    total = term
    limit = Decimal(10) ** -(digits + 5)
    k = 1
    while term > limit:
        term /= square
        k += 2
        total += -term / k if k & 2 else term / k
    return total


def integer_pi(digits: int) -> int:
    one: int = 10 ** (digits + 10)

    def arctan(x: int) -> int:
        term = total = one // x
        k = 1
        while term:
            term //= x * x
            k += 2
            total += -(term // k) if k & 2 else term // k
        return total

    return 4 * (4 * arctan(5) - arctan(239)) // 10**11


def run(n: int) -> str:
    """pi with n significant digits, cut off, not rounded."""
    with localcontext() as context:
        context.prec = n + 10
        value = 4 * (4 * arctan_inverse(5, n) - arctan_inverse(239, n))
        text = str(value)[: n + 1]
    if text.replace(".", "") != str(integer_pi(n)):
        raise ValueError("decimal and integer digits of pi differ")
    return text
