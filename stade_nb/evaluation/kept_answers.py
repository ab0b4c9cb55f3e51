"""Answers of a model that is being questioned, kept one by one: a killed run asks only the rest."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from stade_nb.errors import StadeError
from stade_nb.files import ordinary, try_folder


class KeptAnswers:
    """A file with a line of JSON for each request that has been answered.

    It belongs to one model and one list of questions: whoever names the file sees to that. A last
    line that a kill has cut off is left out, and what follows it goes on a line of its own.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.known = path, {}
        try:
            try_folder(path.parent)
            lines = ordinary(path).read_bytes().split(b"\n") if path.exists() else []
        except (OSError, StadeError) as error:
            warnings.warn(f"answers are not kept: {error}", stacklevel=2)
            self.path, lines = None, []
        for line in lines:
            try:
                key, loss, greedy = json.loads(line)
                self.known[str(key)] = float(loss), bool(greedy)
            except (ValueError, TypeError, RecursionError):
                continue
        # A line that was cut off has no end.
        self._start = "\n" if lines and lines[-1] else ""

    def add_partial(self, _kind: str, request: tuple, answer: tuple[float, bool]) -> None:
        """Keep an answer; what lm-eval calls with each one that it has (its `CacheHook`)."""
        key = _key(request)
        self.known[key] = float(answer[0]), bool(answer[1])
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{self._start}{json.dumps([key, *self.known[key]])}\n")
            self._start = ""
        except OSError as error:
            warnings.warn(f"answers are no longer kept: {error}", stacklevel=2)
            self.path = None

    @contextmanager
    def around(self, lm: object) -> Iterator[None]:
        """Inside, the model is asked only what it has not answered yet.

        lm: lm-eval's model.
        """
        ask, hook = lm.loglikelihood, lm.cache_hook

        def rest(requests: list, **how) -> list[tuple[float, bool]]:
            left = [one for one in requests if _key(one.args) not in self.known]
            if left:
                ask(left, **how)
            return [self.known[_key(one.args)] for one in requests]

        lm.loglikelihood, lm.cache_hook = rest, self
        try:
            yield
        finally:
            lm.loglikelihood, lm.cache_hook = ask, hook


def _key(request: tuple) -> str:
    return sha256(json.dumps(request).encode()).hexdigest()[:24]
