"""Payloads as users write them: JSON in, the MessagePack that a VM takes out."""

from __future__ import annotations

from typing import Any

import msgspec


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
