"""From the network's outputs to a type that one can rely on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEXT, UNKNOWN, EMPTY = "txt", "unknown", "empty"


@dataclass(frozen=True)
class Labels:
    """The types that the network tells apart, and how sure it must be of each.

    about: by type, its `mime_type`, `group`, `description` and whether it `is_text`.
    """

    names: Sequence[str]
    thresholds: Mapping[str, float]
    threshold: float
    instead: Mapping[str, str]
    about: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, config: Mapping[str, Any], about: Mapping[str, Mapping[str, Any]]) -> Labels:
        """As the model's configuration, and the list of types, say."""
        return cls(
            names=config["target_labels_space"],
            thresholds=config["thresholds"],
            threshold=config["medium_confidence_threshold"],
            instead=config["overwrite_map"],
            about=about,
        )

    def settle(self, place: int, score: float) -> str:
        """The type to report for the network's best guess: a general one where it is not sure."""
        guess = self.names[place]
        label = self.instead.get(guess, guess)
        if score >= self.thresholds.get(guess, self.threshold):
            return label
        return TEXT if self.about[label]["is_text"] else UNKNOWN

    def without_network(self, content: bytes) -> str:
        """The type of a file with too little in it."""
        if not content:
            return EMPTY
        try:
            content.decode()
        except UnicodeDecodeError:
            return UNKNOWN
        return TEXT
