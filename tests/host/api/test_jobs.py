"""Jobs over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.host.api.conftest import Served


def test_listing_and_running(served: Served) -> None:
    (job,) = served.ask_unix("GET", "/v1/jobs").body["jobs"]
    assert (job["name"], job["runs"], job["error"]) == ("hourly", 0, None)
    assert served.ask_unix("POST", "/v1/jobs/hourly:run").status == 202
    served.jobs.look()
    (job,) = served.ask_unix("GET", "/v1/jobs").body["jobs"]
    assert (job["runs"], job["rows"]) == (1, 3)
    answer = served.ask_unix("POST", "/v1/jobs/other:run")
    assert (answer.status, answer.body) == (404, {"error": "no job 'other' is here"})
