"""The pinned releases, and the list of modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.vm.sdk_scripts import SCRIPTS, errors, layout, releases

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = """
[[release]]
version = "3.13.99"
sha256 = "{digest}"
url = "https://example.org/Python-3.13.99.tar.xz"
package = "python3.13"
suite = "sid"
"""


def test_the_pins_of_the_repository() -> None:
    pinned = releases.load_releases(SCRIPTS / "releases.toml")
    assert [release.version for release in pinned] == ["3.13.15", "3.13.5"]
    assert [release.suite for release in pinned] == ["forky", "trixie"]
    for release in pinned:
        assert release.url.endswith("/" + release.file_name)
        assert release.version in release.url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no [[release]] is pinned"),
        ("release = 3", "no [[release]] is pinned"),
        ("[[release", "cannot read the pinned releases"),
        ("[[release]]\nversion = '3.13.1'", "release 1: needs exactly the fields"),
        (ENTRY.format(digest="a" * 63), "sha256 = 'aaa"),
        (ENTRY.format(digest="a" * 64).replace("https", "http"), "url = 'http://"),
        (ENTRY.format(digest="a" * 64) * 2, "two releases have the same version"),
        (ENTRY.format(digest="a" * 64) + "extra = 1\n", "release 1: needs exactly the fields"),
    ],
)
def test_bad_pins_are_refused_with_what_and_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "releases.toml"
    path.write_text(text)
    with pytest.raises(errors.SdkError) as caught:
        releases.load_releases(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_modules_of_the_list() -> None:
    names = layout.static_modules(SCRIPTS / "Setup.local")
    assert {"math", "_json", "_decimal", "_sha2", "binascii", "_datetime"} <= names
    assert "_lsprof" not in names, "disabled"
    assert not any(name.startswith(("#", "*")) for name in names)
