"""The sentences that the embedded tasks ask about, and which words can stand for one another.

Everything is read off the evaluation text itself: sentences by their punctuation, kinds of words by
ending and frequency. Order comes from hashes, not from a generator: it is the same under every
version of Python.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from stade_nb import paths
from stade_nb.corpus import documents

RECORDED = paths.DATA / "tasks.json"
SEED = 0
RUN = 8  # words; a sentence that shares a run this long with the training text is left out
WORDS = range(6, 21)  # words in a sentence: a prompt stays below a hundred tokens
COMMON = 120  # the most frequent words are grammar, not content
RARE = 4  # a word seen less often has no frequency to speak of

_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_PLAIN = re.compile(r"[A-Z][A-Za-z0-9 ,;:'()-]+\.")
# what a removed citation or formula leaves behind
_GAP = re.compile(r" [,;:.)]|\( |  |\b(?:in|by|of|from|to|see|and|the|a)[,;:.]")
_ENDINGS = ("ing", "ed", "ly", "ions", "ion", "s", "")


@dataclass(frozen=True)
class Sentence:
    """A sentence and the number of the document (source file) it stands in."""

    document: int
    text: str

    @cached_property
    def words(self) -> list[str]:
        """The sentence at its spaces: punctuation stays with its word."""
        return self.text.split()


def sentences_of(document: str) -> list[str]:
    """The sentences of a document, a paragraph being a line."""
    return [text for line in document.splitlines() for text in _END.split(line)]


def normalised(text: str) -> tuple[str, ...]:
    """What counts when texts are compared: words and numbers, in lower case."""
    return tuple(re.findall(r"[a-z0-9]+", text.lower()))


def runs(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    """All runs of eight words; none of a shorter text."""
    return {words[start : start + RUN] for start in range(len(words) - RUN + 1)}


def digest(text: str) -> str:
    """SHA-256, in hexadecimal: of UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def mixed(items: Iterable, salt: str) -> list:
    """The items in an order that only their text and `salt` decide."""
    return sorted(items, key=lambda item: digest(f"{SEED} {salt} {item}"))


def trained_on(texts: Iterable[str], training: Iterable[str]) -> set[str]:
    """Which of some sentences the training documents hold, whole or a run of eight words."""
    whole, parts = defaultdict(set), defaultdict(set)
    for text in texts:
        words = normalised(text)
        whole[words].add(text)
        for run in runs(words):
            parts[run].add(text)
    found: set[str] = set()
    for document in training:
        for line in document.splitlines():
            for run in runs(normalised(line)) & parts.keys():
                found |= parts[run]
            for sentence in _END.split(line):
                found |= whole.get(normalised(sentence), set())
    return found


def leaked() -> list[str]:
    """Digests of the evaluation text's sentences that the training part holds, as recorded.

    Recorded, because the training text takes long to build and depends on Python's version.
    """
    return json.loads(RECORDED.read_text(encoding="utf-8"))["leaked"]


def fit(text: str) -> bool:
    """Whether a sentence can be asked about: neither short nor long, and nothing missing in it."""
    whole = _PLAIN.fullmatch(text) and not _GAP.search(text)
    return bool(whole) and len(text.split()) in WORDS


class Text:
    """The evaluation part: its documents' words, and the sentences fit to ask about."""

    def __init__(self, documents: list[str], left_out: Iterable[str]) -> None:
        left_out = set(left_out)
        seen: set[tuple[str, ...]] = set()
        self.sentences: list[Sentence] = []
        self.count: Counter[str] = Counter()
        self.documents: defaultdict[str, set[int]] = defaultdict(set)
        for number, document in enumerate(documents):
            for word in re.findall(r"\b[a-z]+\b", document):
                self.count[word] += 1
                self.documents[word].add(number)
            for text in sentences_of(document):
                key = normalised(text)
                if key not in seen and fit(text) and digest(text) not in left_out:
                    seen.add(key)
                    self.sentences.append(Sentence(number, text))
        self.common = {word for word, _ in self.count.most_common(COMMON)}
        self._alike: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for word in sorted(self.count):
            if self.is_content(word):
                self._alike[self.kind(word)].append(word)

    def is_content(self, word: str) -> bool:
        """Whether a word carries content: lower case, not too frequent, not too rare."""
        return self.count[word] >= RARE and len(word) > 2 and word not in self.common

    def kind(self, word: str) -> tuple[str, int]:
        """A word's ending and the power of two below its frequency."""
        ending = next(e for e in _ENDINGS if word.endswith(e) and len(word) > len(e) + 2)
        return ending, self.count[word].bit_length()

    def alike(self, word: str, document: int) -> list[str]:
        """Content words of the same kind that a document does not hold, in order of hashes."""
        others = [w for w in self._alike[self.kind(word)] if document not in self.documents[w]]
        return mixed(others, f"{word} {document}")


@lru_cache(maxsize=1)
def evaluation() -> Text:
    """The evaluation part of the embedded corpus, without what the models were trained on."""
    return Text(documents.part("evaluation"), leaked())
