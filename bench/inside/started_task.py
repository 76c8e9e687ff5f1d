"""Says when it began: on the clock of the host, which is the machine's monotonic one."""

import time
from typing import Any


def run(start: dict[str, Any]) -> list[int]:
    return [start["event"]["number"], time.monotonic_ns()]
