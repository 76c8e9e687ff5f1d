"""Keys, made once: nothing changes them."""

from __future__ import annotations

import pytest

from polyvm.host.sealing import keys
from polyvm.host.sealing.keys import HostKey, KeyKind, PublisherKey


@pytest.fixture(scope="package")
def publisher() -> PublisherKey:
    return keys.generate(KeyKind.PUBLISHER)


@pytest.fixture(scope="package")
def host() -> HostKey:
    return keys.generate(KeyKind.HOST)
