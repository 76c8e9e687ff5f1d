"""The API of jobs.

GET  /v1/jobs              each with its figures
POST /v1/jobs/NAME:run     run it now, besides its times
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from polyvm.host.api import answers

if TYPE_CHECKING:
    from polyvm.host.job_runner import JobFigures, JobRunner


class JobApi:
    """Tells of a host's jobs."""

    def __init__(self, jobs: JobRunner) -> None:
        self._jobs = jobs

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses."""
        return [
            web.get("/v1/jobs", self.list),
            web.post("/v1/jobs/{name:[^/:]+}:run", self.run),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Answer what each did."""
        del request
        return answers.of_json({"jobs": [_of_figures(each) for each in self._jobs.figures()]})

    async def run(self, request: web.Request) -> web.Response:
        """Have one run now; it may have to wait for others."""
        name = request.match_info["name"]
        if not self._jobs.ask(name):
            return answers.of_error(HTTPStatus.NOT_FOUND, f"no job {name[:80]!r} is here")
        return answers.of_json({"name": name}, HTTPStatus.ACCEPTED)


def _of_figures(job: JobFigures) -> dict[str, Any]:
    return {
        "name": job.name,
        "next": job.next_ns / 10**9,
        "running": job.running,
        "runs": job.runs,
        "failures": job.failures,
        "missed": job.missed,
        "rows": job.rows,
        "seconds": job.took_s,
        "error": job.error,
    }
