"""Write the tables of the normal and the exponential ziggurat, and of logarithms of factorials.

Marsaglia and Tsang's method with 256 layers of equal area. They are computed in 60 decimal digits.
"""

from __future__ import annotations

import decimal
import math
import struct
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

LAYERS = 256
# Where the last layer's tail begins: the solution for 256 layers.
NORMAL_START = Decimal("3.6541528853610087963519472518")
EXPONENTIAL_START = Decimal("7.6971174701310497140446280481")
NORMAL_AREA = 0.0049286732339746519
FACTORIALS = 126
ROUNDED_UP = 38


def layers(
    start: Decimal,
    area: Decimal,
    density: Callable[[Decimal], Decimal],
    inverse: Callable[[Decimal], Decimal],
) -> tuple[list[Decimal], list[Decimal], list[Decimal]]:
    """Return the layers' widths, the shares that need no test, and the densities at their edges."""
    width, share, height = ([Decimal(0)] * LAYERS for _ in range(3))
    edge = start
    width[-1], height[-1], height[0] = edge, density(edge), Decimal(1)
    share[0], width[0] = edge * height[-1] / area, area / height[-1]
    for i in range(LAYERS - 2, 0, -1):
        inner = inverse(area / edge + height[i + 1])
        share[i + 1] = inner / edge
        width[i], height[i], edge = inner, density(inner), inner
    return width, share, height


def normal_layers() -> tuple[list[Decimal], list[Decimal], list[Decimal]]:
    """Return the same for the normal distribution, rounded to doubles at each step.

    Streams depend on every bit, and this is how the tables were made that NumPy's streams come
    from; in one layer the exponential was one unit in the last place too large.
    """
    width, share, height = ([Decimal(0)] * LAYERS for _ in range(3))

    def density(x: float) -> float:
        return float(Decimal(-0.5 * x * x).exp())

    edge = float(NORMAL_START)
    width[-1], height[-1], height[0] = Decimal(edge), Decimal(density(edge)), Decimal(1)
    width[0] = Decimal(NORMAL_AREA / density(edge))
    share[0] = Decimal(edge) / width[0]
    for i in range(LAYERS - 2, 0, -1):
        inner = math.sqrt(-2 * float(Decimal(NORMAL_AREA / edge + float(height[i + 1])).ln()))
        high = density(inner)
        if i == ROUNDED_UP:
            high = math.nextafter(high, 1.0)
        share[i + 1] = Decimal(inner) / Decimal(edge)
        width[i], height[i], edge = Decimal(inner), Decimal(high), inner
    return width, share, height


def single(value: Decimal, digits: int) -> str:
    """Return C's literal of the float32 nearest to so many digits."""
    near = float(f"{value:.{digits - 1}e}")
    return f"{struct.unpack('f', struct.pack('f', near))[0].hex()}f"


def table(kind: str, name: str, values: list[str]) -> str:
    """Return a C array."""
    return f"static const {kind} {name}[] = {{\n{','.join(values)}}};\n"


def tables(name: str, bits: int, digits: int, made: tuple[list[Decimal], ...]) -> str:
    """Return one distribution's tables: for numbers of so many bits, and of 23 bits.

    Those of 23 bits are rounded to so many digits first.
    """
    width, share, height = made
    scale, small = Decimal(2) ** bits, Decimal(2) ** 23
    return "".join(
        (
            table("uint64_t", f"{name}_share", [f"{round(x * scale)}u" for x in share]),
            table("double", f"{name}_width", [float(x / scale).hex() for x in width]),
            table("double", f"{name}_height", [float(x).hex() for x in height]),
            table("uint32_t", f"{name}_share_f", [f"{round(x * small)}u" for x in share]),
            table("float", f"{name}_width_f", [single(x / small, digits) for x in width]),
            table("float", f"{name}_height_f", [single(x, digits) for x in height]),
        )
    )


def logarithms() -> str:
    """Return the table of log(k!)."""
    total, values = Decimal(0), [Decimal(0)]
    for k in range(1, FACTORIALS):
        total += Decimal(k).ln()
        values.append(total)
    return table("double", "log_factorials", [float(x).hex() for x in values])


def generate(folder: Path) -> None:
    """Write `ziggurat_tables.h` and `factorials.h` into `folder`, unless they are there."""
    decimal.getcontext().prec = 60
    folder.mkdir(parents=True, exist_ok=True)

    start = EXPONENTIAL_START
    area = (start + 1) * (-start).exp()
    exponential = layers(start, area, lambda x: (-x).exp(), lambda y: -y.ln())
    texts = {
        "ziggurat_tables.h": tables("normal", 52, 17, normal_layers())
        + tables("exponential", 53, 9, exponential),
        "factorials.h": logarithms(),
    }
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
