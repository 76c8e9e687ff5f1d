"""A file's bytes as the network wants them: from its beginning and from its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polyvm import np

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Window:
    """What of a file is looked at. All numbers are bytes, but `padding`, which stands for none."""

    first: int
    last: int
    block: int
    least: int
    padding: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Window:
        """As the model's configuration says. ValueError if it asks for what is not built here."""
        if config["mid_size"] or config["use_inputs_at_offsets"]:
            raise ValueError("the model wants bytes from a file's middle, which this task lacks")
        return cls(
            first=config["beg_size"],
            last=config["end_size"],
            block=config["block_size"],
            least=config["min_file_size_for_dl"],
            padding=config["padding_token"],
        )

    def features(self, content: bytes) -> Any:
        """A row of `first + last` int32; None for a file with too little in it.

        White space at either end does not count. A short beginning is padded after it, a short
        end before it.
        """
        if len(content) < self.least:
            return None
        first = content[: self.block].lstrip()[: self.first]
        last = content[-self.block :].rstrip()[-self.last :]
        if len(first) < self.least:
            return None
        row = np.full((1, self.first + self.last), self.padding, dtype=np.int32)
        row[0, : len(first)] = np.frombuffer(first, dtype=np.uint8)
        if last:
            row[0, -len(last) :] = np.frombuffer(last, dtype=np.uint8)
        return row
