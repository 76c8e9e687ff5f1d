"""Text: built, taken apart, matched, formatted."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import string
import textwrap
import unicodedata

from habits.material import EVENTS, WORDS
from habits.registry import habit


@habit
def text() -> object:
    """Split, join, trim, replace, count words."""
    lines = [
        ", ".join(event["tags"]) + f"; {event['event']} = {event['price']}\n"
        for event in EVENTS[:120]
    ]
    counts: dict[str, int] = {}
    out = io.StringIO()
    for number, line in enumerate(lines):
        head, _, tail = line.strip().partition("; ")
        for word in head.split(", "):
            counts[word.title()] = counts.get(word.title(), 0) + 1
        key, value = tail.split(" = ")
        out.write(
            f"{number:>4}|{key.upper():<10}|{float(value):8.2f}|{'x' if key in head else '-'}\n"
        )
    body = out.getvalue()
    return (
        body.count("|"),
        body.find("ORDER"),
        body.replace("|", " / ").splitlines()[3:5],
        body[::-1][:20],
        "".join(reversed(WORDS[0])),
        "-".join(map(str.capitalize, WORDS)),
        counts,
        [word for word in WORDS if word.isalpha() and word[0] in "aeiou"],
        "a" * 30 + "b" < "b",
    )


@habit
def formatting() -> object:
    """All the ways to put values in a text."""
    rows = []
    for event in EVENTS[:60]:
        rows.append("%s;%05d;%.2f" % (event["user"], event["quantity"], event["price"]))  # noqa: UP031
        rows.append("{user!r}: {price:>10,.1f} {event}".format(**event))
        rows.append(
            f"{event['time']:#x} {event['price']:e} {event['quantity']:03b} {event['props']!s:.9}"
        )
        rows.append(str(event["price"]) + " " + repr(event["tags"]))
    template = string.Template("$user likes $what")
    rows.append(template.substitute(user="u1", what="it"))
    rows.append(textwrap.fill(" ".join(WORDS), 40))
    return rows


WORD = re.compile(r"[a-z]+")
PAIR = re.compile(r"(?P<key>\w+)\s*=\s*(?P<value>\"[^\"]*\"|[^,\s]+)")


@habit
def patterns() -> object:
    """Regular expressions: search, groups, substitution, splitting, compiling."""
    line = (
        'user="u 17", price=12.50, tags=a|b|c, time=2024-05-06T07:08:09, mail=some.one@example.org'
    )
    found = [match.groupdict() for match in PAIR.finditer(line)]
    slug = [re.sub(r"[^a-z0-9]+", "-", event["user"].lower()) for event in EVENTS[:40]]
    mails = re.findall(r"[\w.]+@[\w.]+\.\w{2,}", line * 4)
    dates = re.search(r"(\d{4})-(\d\d)-(\d\d)", line)
    re.purge()
    fresh = re.compile(r"^(?:view|cart|order)(?:_(?=\d)\d{1,3})?$", re.IGNORECASE)
    hits = [word for word in WORDS if fresh.match(word)]
    return (
        found,
        slug,
        mails,
        dates and dates.groups(),
        hits,
        len(WORD.findall(line)),
        re.split(r"[,|]\s*", line),
    )


@habit
def unicode_text() -> object:
    """Text beyond ASCII: encodings, folding, normal forms."""
    samples = (
        "Grüße aus Köln",
        "naïve café",
        "日本語のテキスト",
        "Привет, мир",
        "emoji 🙂 mixed",
        "plain",
    )
    out: list[object] = []
    for sample in samples * 6:
        raw = sample.encode()
        out.append((raw.decode(), sample.upper(), sample.casefold(), len(raw), sample[1:4]))
        out.append(unicodedata.normalize("NFKD", sample).encode("ascii", "ignore"))
        out.append(sample.encode("utf-16-le")[:6] + sample.encode("latin-1", "replace"))
    with contextlib.suppress(UnicodeDecodeError):
        b"\xff\xfe bad".decode()
    return out


@habit
def csv_tables() -> object:
    """Write a table as CSV and read it back."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ["user", "event", "price"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(EVENTS[:60])
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    return sum(float(row["price"]) for row in rows), list(
        csv.reader(["a;'b;c';d"], delimiter=";", quotechar="'")
    )
