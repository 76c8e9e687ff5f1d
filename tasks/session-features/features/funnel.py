"""How far a session came on the way to a purchase, and where it turned back."""

from __future__ import annotations

import re
from collections import Counter
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class Stage(IntEnum):
    """Stages of the funnel, from entry to purchase."""

    BROWSE = 0
    CONSIDER = 1
    CART = 2
    SHIPPING = 3
    PAYMENT = 4
    PURCHASE = 5


STAGES = {
    "product_view": Stage.CONSIDER,
    "review_page": Stage.CONSIDER,
    "compare": Stage.CONSIDER,
    "wishlist_add": Stage.CONSIDER,
    "add_to_cart": Stage.CART,
    "cart": Stage.CART,
    "shipping_details": Stage.SHIPPING,
    "payment_details": Stage.PAYMENT,
    "payment_error": Stage.PAYMENT,
    "purchase": Stage.PURCHASE,
}
_LETTERS = {
    "add_to_cart": "A",
    "cart": "C",
    "shipping_details": "S",
    "payment_details": "P",
    "payment_error": "E",
    "purchase": "B",
}
# Sent back from the shipping page into the cart, once or more: what a broken page looks like.
_LOOP = re.compile(r"(?:S[AC]+)+(?=S)")
_RETRY = re.compile(r"(?:EP)+")


def features(pages: Sequence[str]) -> dict[str, Any]:
    """Return depth, the number of pages at each stage, and the signs of trouble at checkout."""
    stages = [STAGES.get(page, Stage.BROWSE) for page in pages]
    counts = Counter(stages)
    letters = "".join(_LETTERS.get(page, "-") for page in pages)
    deepest = max(stages)
    return {
        "deepest": deepest.name.lower(),
        "pages": {stage.name.lower(): counts[stage] for stage in Stage},
        "steps_to_deepest": stages.index(deepest),
        "bounced": len(pages) == 1,
        "purchased": deepest is Stage.PURCHASE,
        "abandoned_cart": Stage.CART <= deepest < Stage.PURCHASE,
        "turned_back": sum(b < a for a, b in pairwise(stages)),
        "checkout_loops": sum(match[0].count("S") for match in _LOOP.finditer(letters)),
        "payment_retries": sum(len(match[0]) // 2 for match in _RETRY.finditer(letters)),
    }
