"""Embedded tasks with two ways to begin and one way to go on: yes/no, entailment, a blank.

A model is scored on the shared continuation after each beginning, as lm-eval does for Winogrande:
how likely it finds the two words by themselves cancels, only what they do to the rest counts.
"""

import re
from collections.abc import Iterable, Iterator

from stade_nb.corpus.sentences import Sentence, Text, mixed

_VERB = "is|are|was|were|can|could|should|must|will|would|may|might|has|have"
_AFFIRMED = re.compile(rf" ({_VERB})(?= )")
_DENIED = re.compile(rf" (?:({_VERB}) not|(can)not)(?= )")
_NEGATION = re.compile(r"\b(?:not|cannot|no|never|none|neither|nor|without|\w+n't)\b", re.I)

# A main clause is followed by one of these, and is said to hold whatever they bring in …
_ADDITION = re.compile(
    r",? (?:which|where|because|since|so that|in order to|using|although|whereas|while|such as)\b"
    r"|, (?:and|but|so|as|to|with)\b"
)
# … unless a word makes what it says depend on the rest.
_CONDITION = re.compile(
    r"\b(?:if|unless|whether|when|until|otherwise|or|either|only|not|no|never|cannot|suppose)\b"
    r"|^(?:For|In|To|Because|Since|While|Although|Where|As|With|By|Given)\b",
    re.I,
)
_OPEN = re.compile(r"\b(?:of|in|on|at|to|for|by|with|from|than|as|and|that|is|are)$")
CLAUSE = range(4, 17)  # words in a hypothesis


def pair(sentence: Sentence, right: str, wrong: str, continuation: str) -> dict:
    """A question: of two beginnings one goes on as given; it comes first, and is moved later."""
    return {
        "document": sentence.document,
        "source": sentence.text,
        "choices": [right, wrong],
        "continuation": continuation,
    }


def polarity(text: str) -> tuple[str, str, str, bool] | None:
    """A sentence's words up to its verb, affirmed; the same, denied; the rest; what it says.

    None where it has several negations, or several verbs that could be denied.
    """
    negations = len(_NEGATION.findall(text))
    found = list((_DENIED if negations else _AFFIRMED).finditer(text))
    if negations > 1 or len(found) != 1:
        return None
    verb = next(group for group in found[0].groups() if group)
    before, rest = text[: found[0].start()], text[found[0].end() + 1 :]
    denial = "cannot" if verb == "can" else f"{verb} not"
    if negations:
        denial = found[0].group().strip()  # "can not" stays as it is written
    return f"{before} {verb}", f"{before} {denial}", rest, not negations


def boolq(text: Text, sentences: Iterable[Sentence], number: int) -> Iterator[dict]:
    """Passage: a sentence. Does it affirm (yes) or deny (no)? As many yes as no for each verb."""
    groups: dict[str, dict[bool, list[dict]]] = {}
    for sentence in sentences:
        parts = polarity(sentence.text)
        if parts is None:
            continue
        yes, no, rest, affirmed = parts
        ways = [f"{sentence.text} {beginning}" for beginning in (yes, no)]
        question = pair(sentence, *ways, rest) | {"label": int(not affirmed)}
        by_answer = groups.setdefault(yes.split()[-1], {True: [], False: []})
        by_answer[affirmed].append(question)
    matched = []
    for verb in sorted(groups):
        matched += zip(groups[verb][True], groups[verb][False], strict=False)
    for both in mixed(matched, "boolq")[: number // 2]:
        yield from both


def clause(text: str) -> str | None:
    """The main clause of a sentence that adds something to it, as a sentence; None without one."""
    found = _ADDITION.search(text)
    if found is None or _CONDITION.search(text) or _OPEN.search(text[: found.start()]):
        return None
    return text[: found.start()] + "."


def rte(text: Text, sentences: Iterable[Sentence], number: int) -> Iterator[dict]:
    """Two premises, one with a word exchanged; the hypothesis is the main clause of the other."""
    for sentence in sentences:
        hypothesis = clause(sentence.text)
        if hypothesis is None or len(hypothesis.split()) not in CLAUSE:
            continue
        words = hypothesis[:-1].split()
        for word in mixed(filter(text.is_content, words[2:]), sentence.text)[:1]:
            for other in text.alike(word, sentence.document)[:1]:
                wrong = re.sub(rf"\b{word}\b", other, sentence.text)
                yield pair(sentence, sentence.text, wrong, hypothesis)


def winogrande(text: Text, sentences: Iterable[Sentence], number: int) -> Iterator[dict]:
    """A blank in a sentence: its own word or one of the same kind, not found in its document."""
    for sentence in sentences:
        words = sentence.words
        inner = [i for i in range(2, len(words) - 3) if text.is_content(words[i])]
        for i in mixed(inner, sentence.text)[:1]:
            for other in text.alike(words[i], sentence.document)[:1]:
                begun = [" ".join([*words[:i], word]) for word in (words[i], other)]
                yield pair(sentence, *begun, " ".join(words[i + 1 :]))
