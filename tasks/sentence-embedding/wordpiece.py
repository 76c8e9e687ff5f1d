"""WordPiece as BERT's lower-case models use it: text to the numbers of its pieces.

The steps are those of the package `tokenizers`: characters are cleaned, ideographs stand alone,
accents and case go, punctuation stands alone, and each word is cut into the longest pieces that the
vocabulary has.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST_WORD = 100  # characters; a longer word is unknown
IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
SYMBOLS = frozenset("$+<=>^`|~")  # which Unicode does not count as punctuation
WORDS_KEPT = 50_000  # of which the pieces are remembered


class _Cleaned(dict[int, str]):
    """What becomes of a character at first; for `str.translate`."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char in "\t\n\r":
            made = " "
        elif code in {0, 0xFFFD} or unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs"}:
            made = ""
        elif char.isspace():
            made = " "
        elif any(first <= code <= last for first, last in IDEOGRAPHS):
            made = f" {char} "
        else:
            made = char
        self[code] = made
        return made


class _Folded(dict[int, str]):
    """What becomes of a character of decomposed text; for `str.translate`."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        if category == "Mn":
            made = ""
        elif category[0] == "P" or char in SYMBOLS:
            made = f" {char} "
        else:
            # Character by character: a sigma at a word's end is a sigma like any other.
            made = char.lower()
        self[code] = made
        return made


class WordPiece:
    """A tokenizer. vocabulary: the pieces in the order of their numbers."""

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self.numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._unknown, self._first, self._last = (
            self.numbers[name] for name in ("[UNK]", "[CLS]", "[SEP]")
        )
        self._special = re.compile("|".join(re.escape(name) for name in SPECIAL))
        self._cleaned, self._folded = _Cleaned(), _Folded()
        self._known: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str, longest: int) -> list[int]:
        """The numbers of the pieces, between those of [CLS] and [SEP]; at most `longest`."""
        numbers = [self._first]
        end = 0
        for found in self._special.finditer(text):
            self._append(numbers, text[end : found.start()])
            numbers.append(self.numbers[found[0]])
            end = found.end()
        self._append(numbers, text[end:])
        del numbers[longest - 1 :]
        numbers.append(self._last)
        return numbers

    def words(self, text: str) -> list[str]:
        """The words, numbers and marks of a text, lower-case and without accents."""
        text = text.translate(self._cleaned)
        if not text.isascii():
            text = unicodedata.normalize("NFD", text)
        return text.translate(self._folded).split()

    def _append(self, numbers: list[int], text: str) -> None:
        known = self._known
        for word in self.words(text):
            pieces = known.get(word)
            if pieces is None:
                if len(known) >= WORDS_KEPT:
                    known.clear()
                pieces = known[word] = self._pieces(word)
            numbers += pieces

    def _pieces(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST_WORD:
            return (self._unknown,)
        numbers: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = word[start:end] if start == 0 else f"##{word[start:end]}"
                number = self.numbers.get(piece)
                if number is not None:
                    break
            else:
                return (self._unknown,)
            numbers.append(number)
            start = end
        return tuple(numbers)
