"""Zero-shot accuracy by lm-eval, on a model in memory: what pruning made of it is what answers."""

import copy
import functools
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path

import torch
from lm_eval.evaluator import evaluate as lm_evaluate
from lm_eval.models.huggingface import HFLM
from torch import nn
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from stade_nb.errors import StadeError
from stade_nb.evaluation.kept_answers import KeptAnswers
from stade_nb.evaluation.tasks import Questions, load, quiet
from stade_nb.models import architectures, blockwise
from stade_nb.models.checkpoint import Missing, reading
from stade_nb.models.tokenizing import no_tokenizer

HARNESS = f"lm-eval {version('lm-eval')}"
# Tokens at once on a CPU: enough to keep it busy, little enough to pad only questions of one size.
CPU_TOKENS = 2048
MOST_AT_ONCE = 256
ASKED_OF = (
    "Expected a tokenizer that makes tokens of every question and of every choice behind it, and "
    "questions that are not empty"
)


class Harness:
    """lm-eval around a model and its tokenizer, neither copied nor saved on the way.

    batch_size: requests at once, or "auto": on a GPU as many as its memory holds (found by trying),
    on a CPU a few thousand tokens. Log-probabilities are in float32 whatever the model's dtype, as
    those of perplexity are: of bfloat16's one in twenty questions had two best answers.
    """

    def __init__(self, model: nn.Module, tokenizer: object, batch_size: int | str = "auto") -> None:
        architectures.check_model(model)
        check_tokenizer(tokenizer)
        if batch_size != "auto" and (not isinstance(batch_size, int) or batch_size < 1):
            raise StadeError(f"batch_size {batch_size!r}: expected 1 or more, or 'auto'")
        self.model, self.batch_size = model, batch_size
        # lm-eval gives the tokenizer a padding token where it has none.
        tokenizer = copy.deepcopy(tokenizer)
        with quiet(), blockwise.evaluating(model), _as_it_is(model):
            self.lm = HFLM(
                pretrained=model,
                tokenizer=tokenizer,
                batch_size=batch_size,
                max_batch_size=MOST_AT_ONCE,
                softmax_dtype=torch.float32,
            )
        # lm-eval works it out again for every request.
        self.lm._max_length = self.positions = self.lm.max_length
        # Every cell of a table asks the same questions.
        self.lm.tok_encode = functools.cache(self.lm.tok_encode)

    @property
    def bos(self) -> str | None:
        """The token that the tokenizer puts before a question by itself, or None."""
        plain = self.lm.tok_encode("a", add_special_tokens=False)
        first = self.lm.tok_encode("a")[0]
        return None if first == plain[0] else self.lm.tok_decode([first], skip_special_tokens=False)

    def evaluate(
        self, questions: Questions, progress: bool = False, keep: KeptAnswers | None = None
    ) -> dict:
        """One task: accuracy, its standard error, and which questions were answered correctly.

        progress: show a bar of the requests if they take more than a moment. keep: answers that
        this model has given before, which it is not asked again, and where new ones are kept.
        Returns accuracy and standard_error (lm-eval's `acc`), count of questions, correct (0 or 1
        each, in order), guessing (see `Questions`), truncated (how many requests are longer than
        what the model reads), batch_size and seconds.
        """
        with reading(questions.name, ASKED_OF, "ask"):
            return self._evaluate(questions, progress, keep)

    def _evaluate(self, questions: Questions, progress: bool, keep: KeptAnswers | None) -> dict:
        start, requests = time.perf_counter(), questions.task.instances
        with quiet():
            # Tokens of each request, question and choice together.
            lengths = [len(self.lm.tok_encode("".join(one.args))) for one in requests]
        if self.batch_size == "auto" and self.lm.device.type != "cuda":
            longest = min(max(lengths), self.positions)
            self.lm.batch_size_per_gpu = max(1, min(MOST_AT_ONCE, CPU_TOKENS // longest))
        name = questions.name
        bar = tqdm(
            total=len(lengths), desc=name, delay=2, mininterval=1, leave=False, disable=not progress
        )
        with (
            bar,
            self._counted(bar),
            keep.around(self.lm) if keep else nullcontext(),
            quiet(),
            blockwise.evaluating(self.model),
            torch.inference_mode(),
        ):
            # simple_evaluate, from where it has the tasks and the model on.
            found = lm_evaluate(
                self.lm, {"tasks": {name: questions.task}}, limit=questions.limit, log_samples=True
            )
        sizes = list(self.lm.batch_sizes.values()) or [self.lm.batch_size_per_gpu]
        samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
        return {
            "accuracy": float(found["results"][name]["acc,none"]),
            "standard_error": float(found["results"][name]["acc_stderr,none"]),
            "count": len(samples),
            "correct": [int(sample["acc"]) for sample in samples],
            "guessing": questions.guessing,
            # lm-eval reads one token more than the model, whose last output it does not need.
            "truncated": sum(length > self.positions + 1 for length in lengths),
            "batch_size": max(sizes),
            "seconds": time.perf_counter() - start,
        }

    @contextmanager
    def _counted(self, bar: tqdm) -> Iterator[None]:
        """The bar moves with every batch that the model answers; lm-eval's own bars are silent."""
        answer = self.lm._model_call

        def counted(batch: torch.Tensor, *args, **kwargs) -> torch.Tensor:
            logits = answer(batch, *args, **kwargs)
            bar.update(len(batch))
            return logits

        self.lm._model_call = counted
        try:
            yield
        finally:
            del self.lm._model_call


@contextmanager
def _as_it_is(model: nn.Module) -> Iterator[None]:
    """No `tie_weights` inside: of a head that was untied it would make the embeddings again."""
    model.tie_weights = lambda *_, **__: None
    try:
        yield
    finally:
        del model.tie_weights


def check_tokenizer(tokenizer: object) -> None:
    """StadeError where lm-eval could not ask anything with this tokenizer."""
    if isinstance(tokenizer, Missing):
        raise StadeError(tokenizer.why)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise no_tokenizer(tokenizer)
    if tokenizer.bos_token_id is None and tokenizer.eos_token_id is None:
        raise StadeError(
            "zero-shot tasks with a tokenizer that has neither BOS nor EOS: lm-eval puts one of "
            "them before a question; name a token as bos_token in the model's "
            "tokenizer_config.json, or measure its perplexity only"
        )


def evaluate(
    model: nn.Module,
    tokenizer: object,
    tasks: Sequence[Questions],
    progress: bool = False,
    folder: Path | None = None,
) -> dict[str, dict]:
    """Accuracies of a model in memory, by task: see `Harness` and `tasks.load`.

    folder: of this model's answers alone, where they are kept, so that a killed run goes on.
    """
    harness, found = Harness(model, tokenizer), {}
    for questions in tqdm(tasks, desc="zero-shot", disable=not progress):
        keep = folder and KeptAnswers(folder / f"answers-{questions.digest[:16]}.jsonl")
        found[questions.name] = harness.evaluate(questions, progress, keep)
    return found


def zero_shot(
    model: nn.Module,
    tokenizer: object,
    names: str | Sequence[str] = "official",
    tasks_dir: str | Path | None = None,
    limit: int | None = None,
    progress: bool = False,
) -> dict[str, float]:
    """Section 4's zero-shot accuracies of a model in memory: by task, 0 to 1, not normalised.

    names: "official" (the seven of Table 4), "embedded" (this project's own, which need no hub) or
    tasks by name. tasks_dir, limit: see `tasks.load`. One thread at a time is asked. StadeError as
    `tasks.load` has it, and for a model or a tokenizer that lm-eval could not ask.

    >>> import stade_nb as snb
    >>> snb.zero_shot(*snb.load("llama-230k"), ["embedded_boolq"], limit=4).keys()
    dict_keys(['embedded_boolq'])
    """
    results = evaluate(model, tokenizer, load(names, tasks_dir, limit), progress=progress)
    return {name: result["accuracy"] for name, result in results.items()}


def mean(results: Iterable[dict]) -> tuple[float, float]:
    """Section 4's number: the unweighted mean of the tasks' accuracies, and its standard error.

    StadeError for no tasks.
    """
    results = list(results)
    if not results:
        raise StadeError("the mean accuracy of no tasks: expected at least one")
    spread = math.sqrt(math.fsum(result["standard_error"] ** 2 for result in results))
    accuracy = math.fsum(result["accuracy"] for result in results) / len(results)
    return accuracy, spread / len(results)
