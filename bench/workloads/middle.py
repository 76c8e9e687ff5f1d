"""A middle task: which topic is this review about? Text to features, some 1 ms."""

from math import sqrt
from typing import TypedDict

SUBJECTS = ("screen", "battery", "delivery", "sound", "price", "camera", "case", "support")
FILLERS = ("the", "is", "was", "very", "not", "good", "bad", "broken", "fast", "slow", "really")
SPACE = 512

Vector = dict[int, float]


class Review(TypedDict):
    id: int
    text: str


class Topic(TypedDict):
    id: int
    topic: str
    similarity: float
    words: int


def payload(i: int) -> Review:
    """The i-th review, some 700 words long."""
    state = i + 1
    words: list[str] = []
    for _ in range(700):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        pick = state >> 12
        if pick % 4 == 0:
            words.append(SUBJECTS[(pick >> 2) % 8 if pick % 3 else i % 8])
        else:
            words.append(FILLERS[(pick >> 2) % 11].title() + ("," if pick % 7 == 0 else ""))
    return {"id": i, "text": " ".join(words) + "."}


def words_of(text: str) -> list[str]:
    """Lower-case words; whatever is no letter divides."""
    words: list[str] = []
    current: list[str] = []
    for letter in text.lower():
        if letter.isalpha():
            current.append(letter)
        elif current:
            words.append("".join(current))
            current.clear()
    if current:
        words.append("".join(current))
    return words


def vector_of(words: list[str]) -> Vector:
    """Hashed counts of words and of pairs of neighbours, of length 1."""
    counts: Vector = {}
    for before, word in zip(["", *words], words, strict=False):
        for term in (word, before + "_" + word):
            slot = 7
            for letter in term[:9]:
                slot = (slot * 31 + ord(letter)) % 65_521
            slot %= SPACE
            counts[slot] = counts.get(slot, 0.0) + 1.0
    length = sqrt(sum([value * value for value in counts.values()]))
    return {slot: value / length for slot, value in counts.items()}


PROTOTYPES = {
    subject: vector_of([subject if i % 3 == 0 else FILLERS[(i * k) % 11] for i in range(40)])
    for k, subject in enumerate(SUBJECTS, 2)
}


def run(payload: Review) -> Topic:
    """The nearest prototype by cosine similarity."""
    words = words_of(payload["text"])
    vector = vector_of(words)
    best, nearest = "", -1.0
    for subject, prototype in PROTOTYPES.items():
        similarity = 0.0
        for slot, value in prototype.items():
            other = vector.get(slot)
            if other is not None:
                similarity += value * other
        if similarity > nearest:
            best, nearest = subject, similarity
    return {
        "id": payload["id"],
        "topic": best,
        "similarity": round(nearest, 6),
        "words": len(words),
    }
