"""Item page views: each look at a product, with what led to it and what came of it."""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from features.visit import Visit

LOOK_AHEAD = 4  # pages after a view in which an action still counts as its outcome
SOURCES = ("search", "filter_results", "catalog", "promo_page", "compare", "wishlist_add", "home")
ACTIONS = ("review_page", "compare", "wishlist_add", "add_to_cart")

ItemView = namedtuple("ItemView", ["order", "dwell", "source", "actions", "revisit"])  # noqa: PYI024


def page_views(visits: Sequence[Visit]) -> list[ItemView]:
    """Return one record for each product_view, in order.

    ``source`` is the nearest page before it that leads to products, "direct" if there is none;
    ``actions`` what the visitor did within the next pages, up to the next view.
    """
    pages = [visit.page for visit in visits]
    views: list[ItemView] = []
    for index, visit in enumerate(visits):
        if visit.page != "product_view":
            continue
        before = reversed(pages[:index])
        after = pages[index + 1 : index + 1 + LOOK_AHEAD]
        if "product_view" in after:
            after = after[: after.index("product_view")]
        views.append(
            ItemView(
                order=len(views) + 1,
                dwell=visit.dwell,
                source=next((page for page in before if page in SOURCES), "direct"),
                actions=[action for action in ACTIONS if action in after],
                revisit=index > 0 and pages[index - 1] == "product_view",
            )
        )
    return views
