"""Names of tables and columns taken apart into words, and words into what they stand for."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from forecasting.app.looking.vocabulary import WORDS

_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ø": "o", "ł": "l"}
)
_SHORT = {"id", "no", "nr", "qty", "at", "on", "am", "dt", "ts"}
_LONGEST = 60  # letters of a word that is still searched for shorter ones


@dataclass(frozen=True)
class Word:
    """One word of a name. `meanings`: concept -> how clearly it stands for it; empty for a word that is not known.
    The concept "" says nothing at all."""

    text: str
    meanings: Mapping[str, float]

    def means(self, concept: str) -> float:
        """How clearly it stands for a concept, 0 for not at all."""
        return self.meanings.get(concept, 0.0)


Words = tuple[Word, ...]


def words_of(name: str, silent: frozenset[str] = frozenset()) -> Words:
    """The words of a name. `silent`: such as say nothing here, because most names begin with them."""
    parts = _split(name)
    joined: list[str] = []
    for part in parts:  # "lead_time" and "on_hand" are one word
        if joined and joined[-1] + part in WORDS and joined[-1] not in silent:
            joined[-1] += part
        else:
            joined.append(part)
    found = [word for part in joined for word in ([Word(part, {"": 1.0})] if part in silent else _pieces(part))]
    return _with_lines(found)


def common_prefixes(names: Iterable[str]) -> frozenset[str]:
    """First words that so many names begin with that they say nothing: the shop's, or its system's."""
    firsts = [parts[0] for parts in map(_split, names) if len(parts) > 1]
    often = Counter(firsts)
    return frozenset(
        word for word, times in often.items() if times >= 3 and times >= 0.5 * len(firsts) and not _known(word)
    )


def fold(text: str) -> str:
    """Without accents and in lower case."""
    plain = unicodedata.normalize("NFKD", text.translate(_UMLAUTS))
    return "".join(one for one in plain if not unicodedata.combining(one)).lower()


def _split(name: str) -> list[str]:
    camel = re.sub(r"(?<=[a-z0-9ß-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name[:300])
    return [piece for part in re.split(r"[\W_]+", fold(camel)) for piece in re.findall(r"\d+|\D+", part)]


@lru_cache(maxsize=20_000)
def _pieces(word: str) -> tuple[Word, ...]:
    known = _known(word)
    if known:
        return (Word(word, known),)
    if word.isdigit():
        return (Word(word, {"NUMERAL": 1.0}),)
    found = _segmented(word) if len(word) <= _LONGEST else None
    return found or (Word(word, {}),)


def _known(word: str) -> Mapping[str, float]:
    """Of the word, its singular, or the longer form that a compound has shortened ("Filial-Nr")."""
    for form in (word, word + "e", word + "en", *(word[: -len(end)] for end in _ENDINGS if word.endswith(end))):
        if form in WORDS and len(form) >= 2:
            return WORDS[form]
    return {}


_ENDINGS = ("s", "es", "e", "n", "en", "er", "ns", "x", "is", "i")


def _segmented(word: str) -> tuple[Word, ...] | None:
    """The fewest known words that a run of letters is made of, the whole of it; None where it is not."""
    best: list[tuple[Word, ...] | None] = [()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):
            before, piece = best[start], word[start:end]
            if before is None or (len(piece) < 3 and piece not in _SHORT) or (len(piece) == 3 and piece not in WORDS):
                continue
            known = WORDS.get(piece) if len(piece) < 4 else _known(piece)
            if known and (best[end] is None or len(before) + 1 < len(best[end] or ())):
                best[end] = (*before, Word(piece, known))
    return best[-1]


def _with_lines(words: list[Word]) -> Words:
    """An item of an order is one of its lines."""
    return tuple(
        Word(word.text, {"LINE": 1.0, "ITEM": 0.4})
        if n and word.means("ITEM") >= 0.8 and words[n - 1].means("ORDER") >= 0.8 and word.text != "sku"
        else word
        for n, word in enumerate(words)
    )
