"""Embedded tasks with one beginning and four endings: continuations, last words, facts."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from stade_nb.corpus.sentences import Sentence, Text, mixed

CHOICES = 4
POOL = 40  # endings that are looked through for those of the most similar length
HALVED = range(8, 17)  # words in a sentence that is cut in half
PREDICATE = range(2, 10)  # words in what a fact says after its verb
_FACT = re.compile(
    r"((?:\S+ ){1,9}?(?:is|are|has|have|returns?|computes?|means|denotes|contains?|specif(?:y|ies)"
    r"|defines?|gives?|provides?|uses?|represents?|describes?|implements?|determines?)) "
    r"([^,;:]+\.)"
)


def ending(sentence: Sentence, context: str, endings: list[str]) -> dict:
    """A question: the sentence's own ending comes first; it is moved later."""
    return {
        "document": sentence.document,
        "source": sentence.text,
        "context": context,
        "choices": endings,
    }


def nearest_in_length(own: str, others: Iterable[str], salt: str) -> list[str]:
    """Of others that begin with other words, the three most similar to `own` in length."""
    candidates = [other for other in others if other.split()[0] != own.split()[0]]
    pool = mixed(dict.fromkeys(candidates), salt)[:POOL]
    return sorted(pool, key=lambda other: abs(len(other) - len(own)))[: CHOICES - 1]


def hellaswag(text: Text, sentences: Iterable[Sentence], number: int) -> Iterator[dict]:
    """The first half of a sentence; its second half or those of sentences in other documents."""
    halves = []
    by_words = defaultdict(list)
    for sentence in sentences:
        words, half = sentence.words, len(sentence.words) // 2
        if len(words) in HALVED:
            own = " ".join(words[half:])
            halves.append((sentence, " ".join(words[:half]), own))
            by_words[len(words) - half].append((sentence.document, own))
    for sentence, context, own in halves:
        alike = by_words[len(own.split())]
        others = [other for document, other in alike if document != sentence.document]
        wrong = nearest_in_length(own, others, sentence.text)
        if len(wrong) == CHOICES - 1:
            yield ending(sentence, context, [own, *wrong])


def openbookqa(text: Text, sentences: Iterable[Sentence], number: int) -> Iterator[dict]:
    """A fact ("X is …", "X returns …") up to its verb; how it ends, or that with a word exchanged.

    The exchanged word is the first that carries content; those in its place are of the same kind
    and stand nowhere in the fact's document.
    """
    for sentence in sentences:
        found = _FACT.fullmatch(sentence.text)
        if not found or len(found[2].split()) not in PREDICATE:
            continue
        words = found[2][:-1].split()
        for i in [i for i, word in enumerate(words) if text.is_content(word)][:1]:
            wrong = text.alike(words[i], sentence.document)[: CHOICES - 1]
            if len(wrong) == CHOICES - 1:
                filled = [[*words[:i], word, *words[i + 1 :]] for word in [words[i], *wrong]]
                yield ending(sentence, found[1], [" ".join(words) + "." for words in filled])


def _last_words(text: Text, sentences: Iterable[Sentence]) -> list[tuple[Sentence, str, str]]:
    """Sentences that end on a content word: all but that word, and that word."""
    split = [(sentence, *sentence.text[:-1].rpartition(" ")[::2]) for sentence in sentences]
    return [parts for parts in split if text.is_content(parts[2])]


def arc_easy(text: Text, sentences: Iterable[Sentence], number: int) -> Iterator[dict]:
    """The last word of a sentence, or last words of the same kind that its document never uses."""
    split = _last_words(text, sentences)
    final = {word for _, _, word in split}
    for sentence, context, own in split:
        wrong = [word for word in text.alike(own, sentence.document) if word in final]
        if len(wrong) >= CHOICES - 1:
            words = [own, *wrong[: CHOICES - 1]]
            yield ending(sentence, context, [f"{word}." for word in words])


def arc_challenge(text: Text, sentences: Iterable[Sentence], number: int) -> Iterator[dict]:
    """The last word of a sentence, or last words of other sentences in the same document.

    The three wrong ones end in the same letters and are the nearest in frequency.
    """
    split = _last_words(text, sentences)
    final = defaultdict(set)
    for sentence, _, word in split:
        final[sentence.document].add(word)
    for sentence, context, own in split:
        said = set(sentence.words)
        alike = [
            word
            for word in sorted(final[sentence.document] - {own} - said)
            if text.kind(word)[0] == text.kind(own)[0]
        ]
        alike.sort(key=lambda word: abs(math.log(text.count[word] / text.count[own])))
        if len(alike) >= CHOICES - 1:
            words = [own, *alike[: CHOICES - 1]]
            yield ending(sentence, context, [f"{word}." for word in words])
