"""Questions made up in the columns of the official tasks' datasets, to try the machinery with."""

import json
import random
from pathlib import Path

from stade_nb.evaluation.tasks import OFFICIAL

WORDS = [
    "the",
    "function",
    "returns",
    "a",
    "new",
    "array",
    "of",
    "values",
    "when",
    "an",
    "optional",
    "argument",
    "is",
    "given",
]


def write(folder: Path, count: int = 8) -> Path:
    """`folder` with <task>/<split>.jsonl for all seven tasks, `count` questions each."""
    draw = random.Random(0)

    def words(number: int) -> str:
        return " ".join(draw.choices(WORDS, k=number))

    def several(key: str) -> dict:
        choices = {"text": [words(2 + n) for n in range(4)], "label": list("ABCD")}
        return {key: words(6), "choices": choices, "answerKey": draw.choice("ABCD")}

    make = {
        "boolq": lambda: {
            "passage": words(20),
            "question": words(5),
            "label": draw.randrange(2),
        },
        "rte": lambda: {"sentence1": words(9), "sentence2": words(4), "label": draw.randrange(2)},
        "hellaswag": lambda: {
            "activity_label": words(1),
            "ctx_a": words(6),
            "ctx_b": words(2),
            "endings": [words(4) for _ in range(4)],
            "label": str(draw.randrange(4)),
        },
        "winogrande": lambda: {
            "sentence": f"{words(4)} _ {words(3)}",
            "option1": words(1),
            "option2": words(2),
            "answer": draw.choice("12"),
        },
        "arc_easy": lambda: several("question"),
        "arc_challenge": lambda: several("question"),
        "openbookqa": lambda: several("question_stem"),
    }
    for name, one in make.items():
        path = folder / name / f"{OFFICIAL[name].split}.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(one()) + "\n" for _ in range(count)))
    return folder
