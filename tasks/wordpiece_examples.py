"""Make data/wordpiece-examples.json: texts, and the numbers that the package `tokenizers` gives.

    pip install tokenizers
    python tasks/wordpiece_examples.py

The test of the task sentence-embedding holds its own tokenizer against them. Half are written by
hand, half drawn from Unicode by a seeded generator; of signs that are newer than Unicode 8 there is
none, for that package takes them for letters.
"""

# ruff: noqa: RUF001 - look-alike characters are what is tested

from __future__ import annotations

import json
import random
import sys
import unicodedata
from pathlib import Path

FOLDER = Path(__file__).parent
VOCABULARY = FOLDER / "sentence-embedding" / "vocab.txt"
OUTPUT = FOLDER / "data" / "wordpiece-examples.json"
SEED = 8
RANDOM_TEXTS = 200
BLOCKS = (
    (0x20, 0x7E),
    (0xA0, 0x24F),
    (0x300, 0x36F),
    (0x370, 0x5FF),
    (0x621, 0x64A),
    (0x905, 0x94D),
    (0xE01, 0xE3A),
    (0x1100, 0x11FF),
    (0x1E00, 0x1FFF),
    (0x2000, 0x206F),
    (0x20A0, 0x20BE),
    (0x2100, 0x22FF),
    (0x3000, 0x30FF),
    (0x4E00, 0x4FFF),
    (0xAC00, 0xACFF),
    (0xF900, 0xFAD9),
    (0xFB00, 0xFB4F),
    (0xFE00, 0xFE6F),
    (0xFF00, 0xFFEF),
    (0x1D400, 0x1D4FF),
    (0x1F300, 0x1F64F),
    (0x20000, 0x20010),
)
WRITTEN = [
    "",
    " ",
    "Hello, World!",
    "Where is my order? It's been 3 weeks...",
    "I can't log in -- 'invalid password' (again)!",
    "naïve café façade Ångström Zürich",
    "İstanbul, ΑΣΣΟΣ, ΣΟΦΌΣ, ﬁnancial, ½ ² ™ ℃",
    "payment_error at checkout@shop.example.com #4711 50% off",
    "https://shop.example.com/a?b=c&d=e",
    "中文和English混排，东京",
    "日本語のカタカナとひらがな",
    "한국어 문장입니다",
    "Съешь же ещё этих мягких французских булок",
    "שלום עולם",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "emoji 😀👍🏽👩‍👩‍👧 and flags 🇩🇪",
    "tabs\tand\nnew\r\nlines\u00a0and\u2003spaces\u200bzero\u200dwidth\ufeff",
    "null\x00bell\x07escape\x1b replacement\ufffd soft\u00adhyphen\x85next",
    "[CLS] is not [SEP]arate [MASK][MASK] [UNK] [PAD] [mask]",
    "a" * 99 + " " + "b" * 100 + " " + "c" * 101,
    "unaffable electroencephalographically pneumonoultramicroscopicsilicovolcanoconiosis",
    "e\u0301 o\u0308\u0304 \u0301leading a\u0300\u0301\u0302b",
    "$1,234.56 = €1.100,00 < £999 ~ ¥1000 ^ `code` | pipe + plus",
    "don’t “quote” – dash — em … ‘single’",
    "word-with-hyphens under_scores dots.in.names C++ C# .NET",
    "1234567890 12:34:56 2024-05-17T00:00:00Z 3.14159e-10",
    "ALL CAPS AND MiXeD cAsE",
    "\u1e9e ß ŉ ǰ ΐ ﬃ ᾳ Ω K Å",
    "the " * 300,
]


def texts() -> list[str]:
    """All texts, the same every time."""
    chance = random.Random(SEED)  # noqa: S311 - not for secrets
    words = VOCABULARY.read_text(encoding="utf-8").split("\n")
    made = list(WRITTEN)
    for number in range(RANDOM_TEXTS):
        parts = []
        for _ in range(chance.randrange(1, 24)):
            if number % 2 or chance.random() < 0.3:
                first, last = chance.choice(BLOCKS)
                count = chance.randrange(1, 6)
                parts.append("".join(chr(chance.randint(first, last)) for _ in range(count)))
            else:
                parts.append(chance.choice(words).removeprefix("##"))
            parts.append(chance.choice(["", " ", " ", "  ", ",", "\n", "-"]))
        text = "".join(parts)
        # Unassigned code points may be assigned by the next release of anything.
        made.append("".join(c for c in text if unicodedata.category(c) != "Cn"))
    return made


def main() -> int:
    """Run the command line."""
    from tokenizers import BertWordPieceTokenizer  # type: ignore[import-not-found]

    reference = BertWordPieceTokenizer(str(VOCABULARY), lowercase=True)
    reference.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    examples = [{"text": text, "numbers": reference.encode(text).ids} for text in texts()]
    lines = ",\n".join(json.dumps(example, separators=(",", ":")) for example in examples)
    OUTPUT.write_text(f"[\n{lines}\n]\n", encoding="ascii")
    print(f"{OUTPUT}: {len(examples)} texts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
