"""docs/arrays.md counts the operators that there are, and what composing them saves."""

from __future__ import annotations

from .operators import BEGIN, END, PAGE, section


def test_operators_of_the_page_are_counted() -> None:
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert written.strip() == section(), "run python -m tests.docs.operators"
