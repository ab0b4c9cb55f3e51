"""Train the embedded models: ``python -m stade_book.training llama-230k …`` or ``--all``.

One window of tokens is as good as any other here, so a step needs nothing but its number: the
same seed gives the same windows in the same order, and a run that was interrupted goes on from
its last checkpoint as if nothing had happened.
"""

import io
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from stade_book.training import cards, recipes
from stade_book.training.ngram import Trigram
from stade_book.training.recipes import RECIPES, Recipe, configuration, recipe
from stade_nb import paths
from stade_nb.corpus import documents
from stade_nb.errors import StadeError, Words
from stade_nb.evaluation.perplexity import perplexity, window_losses
from stade_nb.files import write_at_once
from stade_nb.models.loading import EMBEDDED, check_device

STATE = paths.HOME / "training"
POINTS = 60  # points of a loss curve
CHECKPOINT_SECONDS = 120
VALIDATION_WINDOWS = 192


def stream(part: str, tokens: PreTrainedTokenizerFast) -> np.ndarray:
    """A part of the corpus as one stream of token ids, documents ended by the separator."""
    ids = tokens(documents.part(part), add_special_tokens=False)["input_ids"]
    end = tokens.eos_token_id
    return np.concatenate([np.asarray([*document, end], dtype=np.int16) for document in ids])


def cut(ids: np.ndarray, window: int, count: int | None = None) -> Tensor:
    """Non-overlapping windows of a stream, (windows, window), the tail dropped; spread evenly."""
    windows = ids[: len(ids) // window * window].reshape(-1, window)
    if count is not None and count < len(windows):
        windows = windows[np.linspace(0, len(windows) - 1, count).round().astype(int)]
    return torch.from_numpy(windows.astype(np.int64))


def batch(ids: np.ndarray, chosen: Recipe, step: int) -> Tensor:
    """The windows of a step, (batch, window): each epoch is cut at another offset and shuffled."""
    per_epoch = (len(ids) // chosen.window - 1) // chosen.batch
    epoch, index = divmod(step, per_epoch)
    generator = np.random.default_rng([chosen.seed, epoch])
    offset = int(generator.integers(chosen.window))
    order = generator.permutation(per_epoch * chosen.batch)
    starts = offset + order[index * chosen.batch : (index + 1) * chosen.batch] * chosen.window
    rows = [ids[start : start + chosen.window] for start in starts]
    return torch.from_numpy(np.stack(rows).astype(np.int64))


def rate(chosen: Recipe, step: int, steps: int) -> float:
    """Learning rate: linear warm-up, then a cosine to zero, so that the loss is flat at the end."""
    warmup = min(1.0, (step + 1) / (chosen.warmup * steps))
    return chosen.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / steps))


def outside_embeddings(model: torch.nn.Module) -> int:
    """Parameters that are not in the token and position embeddings (nor in the tied head)."""
    embeddings = {
        id(p)
        for part in model.modules()
        if isinstance(part, torch.nn.Embedding)
        for p in part.parameters()
    }
    return sum(p.numel() for p in model.parameters() if id(p) not in embeddings)


def _optimizer(model: torch.nn.Module, chosen: Recipe) -> torch.optim.Optimizer:
    # norms, biases and embeddings are not decayed, as is usual
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    decayed = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in decayed]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": chosen.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ],
        lr=chosen.learning_rate,
        betas=(0.9, 0.95),
        fused=True,
    )


def _loss(model: torch.nn.Module, ids: Tensor) -> Tensor:
    logits = model(input_ids=ids, use_cache=False).logits
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())


def fit(name: str, ids: np.ndarray, validation: Tensor, device: torch.device) -> tuple:
    """Train one model to the end of its recipe, going on from its last checkpoint if there is one.

    ids: the training stream, (tokens,), as from `stream`. validation: (windows, window) ids.
    Returns the model (evaluation mode) and the run, a dict: steps; seconds; threads; train, the
    running mean loss; curve, a list of [tokens seen, training loss, validation loss], in nats.
    """
    chosen = recipe(name)
    torch.manual_seed(chosen.seed)
    model = AutoModelForCausalLM.from_config(configuration(chosen)).to(device)
    size = outside_embeddings(model)
    steps = math.ceil(size * chosen.tokens_per_parameter / (chosen.batch * chosen.window))
    optimizer = _optimizer(model, chosen)
    path = STATE / f"{name}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    start, run = 0, {"seconds": 0.0, "curve": [], "threads": torch.get_num_threads()}
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=True)
        if state["recipe"] == chosen.as_dict():
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            start, run = state["step"], state["run"]

    def checkpoint(step: int) -> None:
        state = {
            "recipe": chosen.as_dict(),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "run": run,
        }
        torch.save(state, stored := io.BytesIO())
        write_at_once(path, stored.getvalue())

    began = saved = time.monotonic()
    elapsed = run["seconds"]
    bar = tqdm(range(start, steps), initial=start, total=steps, desc=name, mininterval=5)
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = rate(chosen, step, steps)
        model.train()
        loss = _loss(model, batch(ids, chosen, step).to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        run["train"] = 0.98 * run.get("train", loss.item()) + 0.02 * loss.item()
        done = step + 1
        if done % max(1, steps // POINTS) == 0 or done == steps:
            held_out = window_losses(model.eval(), validation).mean().item()
            seen = done * chosen.batch * chosen.window
            run["curve"].append([seen, round(run["train"], 4), round(held_out, 4)])
            bar.set_postfix(train=f"{run['train']:.3f}", validation=f"{held_out:.3f}")
        if time.monotonic() - saved > CHECKPOINT_SECONDS or done == steps:
            saved = time.monotonic()
            run["seconds"] = elapsed + saved - began
            checkpoint(done)
    run["steps"] = steps
    return model.eval(), run


def sample(model, tokens: PreTrainedTokenizerFast, prompt: str, length: int = 80) -> str:
    """Text that the model continues a prompt with (top 40, temperature 0.7, seed 0)."""
    torch.manual_seed(0)
    ids = torch.tensor([tokens(prompt)["input_ids"]], device=model.device)
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        top_k=40,
        temperature=0.7,
        max_new_tokens=length,
        pad_token_id=tokens.eos_token_id,
    )
    return tokens.decode(out[0], skip_special_tokens=True)


PROMPTS = ("Return the", "If the array is", "The number of", "This method raises")


def train(name: str, device: str = "cpu") -> Path:
    """Train an embedded model by its recipe and write it, with its training record, for shipping.

    Returns the folder. Resumable; minutes on a GPU, up to an hour on a CPU core.
    """
    chosen, place = recipe(name), check_device(device)
    folder = paths.maintained(EMBEDDED / name)
    tokens = recipes.train(documents.part("train"))
    ids = stream("train", tokens)
    validation = cut(stream("validation", tokens), chosen.window, VALIDATION_WINDOWS)
    evaluation = cut(stream("evaluation", tokens), chosen.window, VALIDATION_WINDOWS)
    model, run = fit(name, ids, validation, place)
    trigram = Trigram.fit(ids, recipes.VOCABULARY)
    size = outside_embeddings(model)
    seen = run["steps"] * chosen.batch * chosen.window
    record = {
        "name": name,
        "architecture": chosen.architecture,
        "parameters": sum(p.numel() for p in model.parameters()),
        "parameters_outside_embeddings": size,
        "corpus_tokens": len(ids),
        "training_tokens": seen,
        "tokens_per_parameter": seen / size,
        "epochs": seen / len(ids),
        "steps": run["steps"],
        "seconds": round(run["seconds"]),
        "threads": run["threads"],
        "device": str(place),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "validation_windows": len(validation),
        "validation_perplexity": perplexity(model, validation),
        "ngram_perplexity": float(np.exp(trigram.window_losses(validation.numpy()).mean())),
        "evaluation_perplexity": perplexity(model, evaluation),
        "evaluation_ngram_perplexity": float(
            np.exp(trigram.window_losses(evaluation.numpy()).mean())
        ),
        "curve": run["curve"],
        "prompts": PROMPTS,
        "vocabulary": recipes.VOCABULARY,
        "samples": [sample(model, tokens, prompt) for prompt in PROMPTS],
        "corpus_sha256": documents.sha256(documents.part("train")),
        "recipe": chosen.as_dict(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    model.cpu().save_pretrained(folder)
    tokens.model_max_length = chosen.window
    tokens.save_pretrained(folder)
    write_at_once(folder / "training.json", json.dumps(record, indent=1) + "\n")
    return folder


def main(words: list[str] | None = None) -> None:
    """The command line. Bad input is one line and status 2, before anything is trained."""
    parser = Words(prog="python -m stade_book.training", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"models: {', '.join(RECIPES)}")
    parser.add_argument("--all", action="store_true", help="train every embedded model")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    arguments = parser.parse_args(words)
    names = list(RECIPES) if arguments.all else arguments.names
    if not names:
        parser.error("name a model, or say --all")
    try:
        check_device(arguments.device)
        for name in names:
            recipe(name)
        for name in names:
            train(name, arguments.device)
            print(cards.write(name))
    except (StadeError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
