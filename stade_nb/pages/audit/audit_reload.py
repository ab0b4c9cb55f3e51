"""Corrected biases and a saved checkpoint: what a plain save loses, and what ours keeps."""

import tempfile
from pathlib import Path

import pandas
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from stade_nb.evaluation.perplexity import losses_of, perplexity
from stade_nb.models import saving


@torch.no_grad()
def reloaded(model: nn.Module, tokenizer: object, ids: Tensor) -> pandas.DataFrame:
    """Save a pruned `model`, whose biases Eq. 7 corrected, in two ways and load it again from each.

    ids: (windows, tokens), to compare on. Rows: "not yet"; "plain" (`save_pretrained` with the
    model's own configuration, which for Llama announces no biases); "announced" (`saving.save`).
    Columns: saved; biases, how many corrected layers have one after the reload; of, how many had
    one before; unexpected, stored tensors that the reload had no place for; difference, the
    largest of any logit; perplexity on `ids`.
    """
    before = model(ids).logits
    corrected = {n for n, m in model.named_modules() if _has_bias(m)}
    rows = [("not yet", len(corrected), len(corrected), 0, 0.0, _perplexity(before, ids))]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("plain", "announced"):
            path = Path(folder) / name
            if name == "plain":
                with saving.quiet():
                    model.save_pretrained(path)
            else:
                saving.save(model, tokenizer, path)
            again, unexpected = _load(path, before.dtype)
            kept = {n for n, m in again.named_modules() if _has_bias(m)} & corrected
            after = again.to(before.device).eval()(ids).logits
            gap = float((after - before).abs().max())
            of = len(corrected)
            rows.append((name, len(kept), of, unexpected, gap, _perplexity(after, ids)))
    columns = ["saved", "biases", "of", "unexpected", "difference", "perplexity"]
    return pandas.DataFrame(rows, columns=columns)


def _perplexity(logits: Tensor, ids: Tensor) -> float:
    return perplexity(losses_of(logits, ids))


def _has_bias(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) and module.bias is not None


def _load(path: Path, dtype: torch.dtype) -> tuple[nn.Module, int]:
    """The model saved at `path`, and how many of its tensors found no place, said on the page."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        with saving.quiet():
            model, found = AutoModelForCausalLM.from_pretrained(
                path, dtype=dtype, output_loading_info=True
            )
    finally:
        transformers_logging.set_verbosity(verbosity)
    return model, len(found["unexpected_keys"])
