"""Planets of the solar system as points: float arithmetic on list items."""

from itertools import combinations
from math import pi, sqrt

N = 7500
DAYS = 365.24
SOLAR_MASS = 4 * pi * pi

# Position (astronomical units), velocity (units a day), mass (suns) on the customary start day.
BODIES = [
    ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 1.0),
    (
        [4.84143144246472090, -1.16032004402742839, -0.103622044471123109],
        [0.00166007664274403694, 0.00769901118419740425, -0.0000690460016972063023],
        0.000954791938424326609,
    ),
    (
        [8.34336671824457987, 4.12479856412430479, -0.403523417114321381],
        [-0.00276742510726411120, 0.00499852801234917238, 0.0000230417297573763929],
        0.000285885980666130812,
    ),
    (
        [12.8943695621391310, -15.1111514016986312, -0.223307578892655734],
        [0.00296460137564761618, 0.00237847173959480950, -0.0000296589568540237556],
        0.0000436624404335156298,
    ),
    (
        [15.3796971148509165, -25.9193146099879641, 0.179258772950371181],
        [0.00268067772490389322, 0.00162824170038242295, -0.0000951592254519715870],
        0.0000515138902046611451,
    ),
]
Body = tuple[list[float], list[float], float]


def system() -> list[Body]:
    """A fresh system whose total momentum is zero."""
    bodies = [
        (list(place), [v * DAYS for v in speed], mass * SOLAR_MASS) for place, speed, mass in BODIES
    ]
    for axis in range(3):
        momentum = sum(speed[axis] * mass for _, speed, mass in bodies)
        bodies[0][1][axis] = -momentum / SOLAR_MASS
    return bodies


def energy(bodies: list[Body]) -> float:
    total = 0.0
    for _, (vx, vy, vz), mass in bodies:
        total += 0.5 * mass * (vx * vx + vy * vy + vz * vz)
    for ((x1, y1, z1), _, m1), ((x2, y2, z2), _, m2) in combinations(bodies, 2):
        total -= m1 * m2 / sqrt((x1 - x2) ** 2 + (y1 - y2) ** 2 + (z1 - z2) ** 2)
    return total


def advance(bodies: list[Body], pairs: list[tuple[Body, Body]], dt: float, steps: int) -> None:
    for _ in range(steps):
        for ((x1, y1, z1), v1, m1), ((x2, y2, z2), v2, m2) in pairs:
            dx = x1 - x2
            dy = y1 - y2
            dz = z1 - z2
            pull = dt * (dx * dx + dy * dy + dz * dz) ** -1.5
            first = m1 * pull
            second = m2 * pull
            v1[0] -= dx * second
            v1[1] -= dy * second
            v1[2] -= dz * second
            v2[0] += dx * first
            v2[1] += dy * first
            v2[2] += dz * first
        for place, (vx, vy, vz), _ in bodies:
            place[0] += dt * vx
            place[1] += dt * vy
            place[2] += dt * vz


def run(n: int) -> list[str]:
    """Energies before and after n steps of a hundredth of a day, to nine decimals."""
    bodies = system()
    before = energy(bodies)
    advance(bodies, list(combinations(bodies, 2)), 0.01, n)
    return [f"{before:.9f}", f"{energy(bodies):.9f}"]


CHECK = (1000, ["-0.169075164", "-0.169087605"])
