"""The API of flows.

GET /v1/flows        those that are live, and their figures
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from polyvm.host.api import answers

if TYPE_CHECKING:
    from polyvm.host.live_flows import FlowFigures
    from polyvm.host.registry import Registry


class FlowApi:
    """Tells of flows; they come and go with their tasks."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses."""
        return [web.get("/v1/flows", self.flows)]

    async def flows(self, request: web.Request) -> web.Response:
        """Answer which flows are live, and what they did."""
        del request
        figures = await asyncio.to_thread(self._registry.firing.flow_figures)
        return answers.of_json({"flows": [_told(each) for each in figures]})


def _told(figures: FlowFigures) -> dict[str, Any]:
    stats = msgspec.to_builtins(figures.stats)
    watermark = stats.pop("watermark_ns")
    return {
        "name": figures.name,
        "task": figures.task,
        "from": list(figures.streams),
        "into": figures.into,
        **stats,
        "watermark": watermark / 10**9 if watermark is not None else None,
    }
