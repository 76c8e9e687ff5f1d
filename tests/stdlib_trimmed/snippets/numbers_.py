# %% math
import math, cmath
print(math.sqrt(2), math.comb(50, 7), math.gcd(12, 18, 27), math.isqrt(10**20), math.fsum([0.1] * 10), math.prod([1, 2, 3]), math.dist((0, 0), (3, 4)))
print(math.lgamma(5.5), math.erf(0.3), math.nextafter(1, 2), math.ulp(1.0), math.hypot(1, 2, 3), math.log2(8), math.factorial(25), math.fma(2, 3, 4), math.sumprod([1, 2], [3, 4]))
print(cmath.sqrt(-1), cmath.phase(1j), cmath.exp(1j), cmath.isclose(1, 1 + 1e-12))
try:
    math.sqrt(-1)
except ValueError as error:
    print(error)
# %% random
import random
r = random.Random(42)
print(r.random(), r.randint(1, 100), r.choice("abc"), r.sample(range(100), 5), r.gauss(0, 1), r.choices("ab", [1, 3], k=5))
x = list(range(10)); r.shuffle(x); print(x, r.getrandbits(70), r.uniform(1, 2), r.betavariate(1, 2), r.binomialvariate(10, 0.3))
random.seed("text"); print(random.random(), random.randbytes(4), random.triangular())
s = r.getstate(); a = r.random(); r.setstate(s); print(a == r.random(), 0 <= random.SystemRandom().random() < 1)
# %% statistics
import statistics as st
d = [1.5, 2.5, 2.5, 2.75, 3.25, 4.75]
print(st.mean(d), st.median(d), st.mode(d), st.stdev(d), st.pvariance(d), st.quantiles(d, n=4), st.geometric_mean(d), st.harmonic_mean(d))
print(st.correlation([1, 2, 3], [2, 4, 7]), st.linear_regression([1, 2, 3], [2, 4, 6]), st.NormalDist(0, 1).cdf(1.96), st.NormalDist.from_samples(d), st.fmean(d, weights=[1] * 6), st.multimode("aabb"))
print(st.kde(d, h=1.0)(2.0))
try:
    st.mean([])
except st.StatisticsError as error:
    print(error)
# %% decimal
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation, getcontext, localcontext
print(Decimal("0.1") + Decimal("0.2"), Decimal(1) / Decimal(7), Decimal("2.675").quantize(Decimal("0.01"), ROUND_HALF_UP), Decimal(2).sqrt())
with localcontext(prec=5):
    print(Decimal(1) / 3, getcontext().prec)
print(Decimal("1E+5").normalize(), Decimal("-0").is_signed(), Decimal(3.3), Context(prec=3).create_decimal("1.23456"), f"{Decimal('1234567.891'):,.2f}", Decimal("nan"))
try:
    Decimal("x")
except InvalidOperation as error:
    print(error)
print(Decimal("1.5").as_integer_ratio(), hash(Decimal(1)) == 1, Decimal(10) ** 50, round(Decimal("1.25"), 1))
# %% fractions_numbers
import numbers
from fractions import Fraction
print(Fraction(3, 6) + Fraction("0.25"), Fraction(3.5), Fraction("1/3").limit_denominator(2), float(Fraction(1, 3)), Fraction(7, 3) // 1, f"{Fraction(1, 3):.3f}")
print(isinstance(1, numbers.Integral), isinstance(1.0, numbers.Integral), isinstance(Fraction(1), numbers.Rational))
# %% big_integers
n = 3 ** 20000
import sys
sys.set_int_max_str_digits(0)
s = str(n)
print(len(s), s[:10], s[-10:], int(s) == n, pow(3, 1000, 7), (10 ** 30).bit_length(), -7 // 2, int("ff", 16), n % 97)
x = 10 ** 30000 + 7
print(int(str(x)) == x, divmod(x, 10 ** 15000)[1])
# %% colorsys
import colorsys
print(colorsys.rgb_to_hsv(0.2, 0.4, 0.4), colorsys.hls_to_rgb(0.5, 0.5, 0.5))
# %% secrets_uuid
import secrets, uuid
print(len(secrets.token_bytes(8)), len(secrets.token_hex(4)), secrets.choice([7]), secrets.compare_digest("a", "a"), secrets.randbelow(1))
print(uuid.uuid5(uuid.NAMESPACE_DNS, "example.org"), uuid.uuid3(uuid.NAMESPACE_URL, "x"), uuid.uuid4().version, uuid.UUID(int=5), uuid.UUID("{12345678-1234-5678-1234-567812345678}").hex, uuid.uuid1().version)
