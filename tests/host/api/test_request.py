from __future__ import annotations

import pytest

from polyvm.host.api.request import RunOptions, run_options


def test_nothing_said() -> None:
    assert run_options({}, {}) == RunOptions(deadline_ns=0, priority=0, wait=True)


def test_query_goes_before_headers() -> None:
    headers = {"PolyVM-deadline": "1s", "PolyVM-priority": "-7", "PolyVM-wait": "false"}
    assert run_options({}, headers) == RunOptions(10**9, -7, wait=False)
    assert run_options({"deadline": "500ms", "wait": "true"}, headers) == RunOptions(
        5 * 10**8, -7, wait=True
    )
    assert run_options({"hangup": "cancel"}, {"PolyVM-hangup": "finish"}).cancel
    assert run_options({}, {"PolyVM-hangup": "cancel"}).cancel
    assert run_options({"trace": "1"}, {}).trace
    assert not run_options({"trace": "false"}, {"PolyVM-trace": "true"}).trace


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"deadline": "soon"}, "deadline 'soon' must be"),
        ({"deadline": "0s"}, "deadline must be more than 0"),
        ({"priority": "101"}, "-100 to 100"),
        ({"priority": "high"}, "-100 to 100"),
        ({"wait": "yes"}, "neither true nor false"),
        ({"hangup": "yes"}, "neither finish nor cancel"),
        ({"trace": "2"}, "trace '2' is neither true nor false"),
        ({"deadlin": "1s"}, "unknown parameter 'deadlin'"),
    ],
)
def test_what_makes_no_sense_is_told(query: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run_options(query, {})
