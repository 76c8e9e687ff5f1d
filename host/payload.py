"""Values as users see them: a payload comes in as JSON, a result goes out as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from polyvm.host import codec
from polyvm.host.errors import WriteError


def from_json(text: bytes) -> tuple[Any, bytes]:
    """Decode one JSON value; return it, and its MessagePack.

    Raises ValueError with a reason that continues a sentence, such as "is not JSON: ...".
    """
    try:
        value = msgspec.json.decode(text)
        return value, msgspec.msgpack.encode(value)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except OverflowError:
        raise ValueError("holds an integer of more than 64 bits, which tasks cannot get") from None


def to_json(value: Any) -> str:
    """Return a task's result as one line of JSON: arrays as nested lists, bytes as base64,
    NaN as null.

    Raises WriteError for what JSON cannot hold, such as a map with lists for keys.
    """
    try:
        return msgspec.json.encode(value, enc_hook=codec.as_json).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise WriteError(f"the result cannot be written as JSON: {error}") from None
