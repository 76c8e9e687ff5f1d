"""Every attack in the security model names a test, and that test exists."""

from __future__ import annotations

import re

from tests.docs.test_examples import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?P<attack>[^|]+) \| (?P<answer>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE
)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[re.Match[str]]:
    table = PAGE.partition("## Attacks, and what happens")[2].partition("\n## ")[0]
    return list(ROW.finditer(table))[2:]


def test_every_attack_names_a_test_that_exists() -> None:
    assert len(rows()) > 30
    for row in rows():
        named = TEST.findall(row["tests"])
        assert named, f"no test for: {row['attack']}"
        for path, name in named:
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^ *def {name}\(", source, re.MULTILINE), f"{path} has no {name}"
