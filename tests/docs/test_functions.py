"""docs/arrays.md names functions that there are."""

from __future__ import annotations

import re

from polyvm import np

from .functions import BEGIN, END, PAGE


def test_functions_named_in_the_page_exist() -> None:
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    names = re.findall(r"`(\w+)`", table.partition("Not there:")[0])
    assert len(names) > 250
    assert [name for name in names if not hasattr(np, name)] == []
