"""The trie and the plain list of the benchmark see the same matches."""

import pytest

from bench.contenders import triggers


@pytest.mark.parametrize("count", [1, 300])
def test_both_fire_alike(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "PAGES", 20)
    monkeypatch.setattr(triggers, "KEYS", 7)
    told, plain = triggers.trie(count, 1), triggers.plain(count, 1)
    assert told["fired"] == plain["fired"] > 0
    assert len(told["event_ns"]) == len(plain["event_ns"]) == 1
