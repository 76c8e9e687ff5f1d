"""Documents, digests, copies, dates."""

from __future__ import annotations

import base64
import binascii
import contextlib
import copy
import datetime as dt
import hashlib
import json
import marshal
import pickle

from habits.material import EVENTS
from habits.registry import habit


@habit
def json_documents() -> object:
    """To JSON and back: compact, pretty, sorted, with a default, and broken input."""
    document = json.dumps(EVENTS[:60])
    back = json.loads(document)
    pretty = json.dumps(back[:4], indent=2, sort_keys=True)
    special = json.dumps({"when": dt.date(2024, 5, 6), "nan": None, "text": 'ü\n"x"'}, default=str)
    with contextlib.suppress(json.JSONDecodeError):
        json.loads(document[:-1])
    lines = "\n".join(json.dumps(event, separators=(",", ":")) for event in EVENTS[:30])
    return pretty, special, [json.loads(line)["user"] for line in lines.splitlines()]


@habit
def binary_encodings() -> object:
    """Digests, base64, hex, checksums."""
    data = bytes(range(256)) * 8
    digests = [
        hashlib.new(name, data).hexdigest()
        for name in ("sha256", "sha1", "md5", "blake2b", "sha3_256")
    ]
    encoded = base64.b64encode(data)
    return (
        digests,
        base64.b64decode(encoded) == data,
        binascii.crc32(data),
        base64.urlsafe_b64encode(b"?>" * 9),
        data.hex(),
    )


@habit
def object_copies() -> object:
    """marshal, pickle and deep copies of nested data."""
    data = EVENTS[:40]
    again = pickle.loads(pickle.dumps(data, protocol=5))  # noqa: S301 - made one line above
    deep = copy.deepcopy(data[:10])
    flat = [copy.copy(event) | {"n": n} for n, event in enumerate(data)]
    return marshal.loads(marshal.dumps(data)) == again == data, deep == data[:10], flat  # noqa: S302


@habit
def dates() -> object:
    """Parse, move, format dates, with time zones."""
    start = dt.datetime(2024, 2, 27, 22, 15, tzinfo=dt.UTC)
    out: list[object] = []
    for n in range(60):
        moment = start + dt.timedelta(hours=7 * n, seconds=n)
        out.append((moment.isoformat(), moment.weekday(), moment.date() - start.date()))
        out.append(dt.datetime.fromisoformat(f"2024-05-{n % 28 + 1:02d}T10:00:00+02:00") - moment)
        out.append(moment.strftime("%Y-%m-%d %H:%M"))
        out.append(dt.datetime.fromtimestamp(1_700_000_000 + n, dt.UTC).replace(minute=0))
    return min({str(value) for value in out}), dt.datetime.strptime(
        "06.05.2024", "%d.%m.%Y"
    ).replace(tzinfo=dt.UTC)
