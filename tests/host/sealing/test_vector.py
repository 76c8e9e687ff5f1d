"""The file that docs/bundle-format.md shows: what version 1 has read, it reads forever."""

from __future__ import annotations

import re

from polyvm.host.sealing.opener import open_sealed
from tests.conftest import REPOSITORY
from tests.host.sealing.builder import HERE
from tests.host.sealing.fuzz import HOST, PUBLISHER

PAGE = (REPOSITORY / "docs" / "bundle-format.md").read_text(encoding="utf-8")


def shown() -> bytes:
    file = bytearray()
    for block in re.findall(r"^```hexdump\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            match = re.match(r"([0-9a-f]{4})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  |$)", line)
            assert match is not None, line
            assert int(match[1], 16) == len(file), line
            file += bytes.fromhex(match[2])
    return bytes(file)


def test_the_file_in_the_documentation() -> None:
    with open_sealed(shown(), HERE) as sealed:
        assert PUBLISHER.public_key.public.hex() in PAGE
        assert HOST.public_bytes.hex() in PAGE
        sealed.verify(PUBLISHER.public_key)
        assert f"`{sealed.digest.hex()}`" in PAGE
        contents = sealed.unseal([HOST], sealed.header.python)
    assert (contents.manifest.name, contents.manifest.version) == ("a", "1.0")
    assert list(contents.modules) == ["main"]
    assert contents.assets == {}
