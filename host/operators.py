"""The file of `polyvm run --flows`: flows that belong to no task, tables of features, and jobs."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import msgspec

from polyvm.host import flows, jobs, tables
from polyvm.host.errors import ManifestError, MissingError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 2**20


class Operators(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file has."""

    flows: tuple[flows.Flow, ...] = ()
    tables: dict[str, tables.Bounds] = {}
    jobs: tuple[jobs.Job, ...] = ()


def read(path: Path) -> Operators:
    """Read the file. Raises ManifestError or MissingError, one sentence that names it."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise MissingError(f"{path}: {error.strerror or error}") from None
    if len(text) > MAX_BYTES:
        raise ManifestError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        made = msgspec.convert(tomllib.loads(text.decode()), Operators)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError(f"{path}: not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ManifestError(f"{path}: {error}") from None
    flows.check(made.flows, str(path))
    tables.check_all(made.tables, str(path))
    jobs.check(made.jobs, str(path))
    return made
