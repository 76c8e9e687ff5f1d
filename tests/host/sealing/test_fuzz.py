from __future__ import annotations

from typing import TYPE_CHECKING

from tests.host.sealing import fuzz

if TYPE_CHECKING:
    from tests.conftest import Seeded


def test_damage_is_always_a_sentence(rand: Seeded) -> None:
    outcomes = fuzz.run(3000, rand.getrandbits(32))
    # Each layer was reached: else the damage to the next ones would prove nothing.
    for outcome in (
        "raw: SignatureError",
        "header: SealedFormatError",
        "inside: SealedFormatError",
        "member: BundleError",
        "member: ManifestError",
        "plain: BundleError",
    ):
        assert outcomes[outcome] > 0, outcomes


def test_the_undamaged_input_loads() -> None:
    fuzz.load(fuzz.Craft(fuzz.PUBLISHER, [fuzz.HOST], fuzz.CONTENT).file())
