"""What cells are computed from, and what their records are called: the same for every path."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import transformers
from torch import Tensor, nn

from stade_nb.corpus import documents
from stade_nb.engine import pruning, records
from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.engine.report import Report, zeros_in
from stade_nb.errors import StadeError, shortened
from stade_nb.evaluation.perplexity import perplexity_of
from stade_nb.files import digest_of_ids
from stade_nb.models import architectures, loading, token_ids, windows
from stade_nb.models.token_ids import is_stored
from stade_nb.models.tokenizing import added_bos


@dataclass(frozen=True)
class Prepared:
    """A model with its tokenizer and token windows, and for each cell the fields of its record.

    calibration_ids: (windows, tokens) by seed. evaluation_ids: None where nothing is evaluated.
    facts: what every record says besides, such as the zeros of the model as it was "loaded".
    """

    model: nn.Module
    tokenizer: object
    calibration_ids: dict[int, Tensor]
    evaluation_ids: Tensor | None
    keys: dict[Cell, dict]
    facts: dict

    def check(self, cell: Cell) -> None:
        """StadeError, naming the cell, where it does not fit the model."""
        try:
            pruning.check(self.model, self.calibration_ids.get(cell.seed), cell)
        except StadeError as error:
            raise StadeError(f"cell '{cell}': {error}") from error

    def on(self, text: Windows, setting: Setting) -> "Prepared":
        """The same with another evaluation text, in place of that of `setting`.

        StadeError where its windows cannot be had or do not fit the model.
        """
        ids = _evaluation_ids(text, self.model, self.tokenizer, setting.cache_dir)
        keys = {cell: key | {"evaluation": digest_of_ids(ids)} for cell, key in self.keys.items()}
        corpus = {"evaluation_corpus": _corpus("evaluation", text, self.tokenizer, ids)}
        return replace(self, evaluation_ids=ids, keys=keys, facts=self.facts | corpus)

    def try_places(self, results_dir: str | Path, missing: Iterable[dict]) -> None:
        """As `records.try_places`, for cells of this model on these windows."""
        layers = len(list(architectures.named_layers(self.model)))
        windows = 0 if self.evaluation_ids is None else len(self.evaluation_ids)
        records.try_places(results_dir, missing, windows, layers)


def prepare(
    model: str, cells: Sequence[Cell], setting: Setting, home: str | None = None
) -> Prepared:
    """Load the model and draw the windows of `cells`.

    model: its name, see `loading.load`. home: where its weights are to lie, if not on the device
    that computes. StadeError where anything of this is impossible.
    """
    for cell in cells:
        if not isinstance(cell, Cell):
            raise StadeError(
                f"cell {shortened(repr(cell))}: expected a Cell, such as Cell('stade', '2:4'); "
                "stade_nb.cells makes many"
            )
        cell.check_name()
        if cell.needs_calibration and setting.calibration is None:
            raise StadeError(
                f"cell '{cell}' in a setting without calibration windows: expected some, such as "
                "Windows('embedded', 64, 256)"
            )
    device = loading.check_device(setting.device)
    used = {"calibration": setting.calibration, "evaluation": setting.evaluation}
    # Whoever asks questions besides looks at the tokenizer, see `harness.check_tokenizer`.
    texts = any(asked and not is_stored(asked.source) for asked in used.values())
    loaded, tokenizer = loading.load(
        model, home or device, setting.dtype, setting.cache_dir, needs_tokenizer=texts
    )
    evaluation_ids, calibration_ids = None, {}
    if (asked := setting.evaluation) is not None:
        evaluation_ids = _evaluation_ids(asked, loaded, tokenizer, setting.cache_dir)
    if (asked := setting.calibration) is not None:
        length = token_ids.window_length(loaded, asked.length)
        calibration_ids = {
            seed: windows.calibration_windows(
                asked.source, tokenizer, asked.count, length, seed, setting.cache_dir, asked.bos
            )
            for seed in dict.fromkeys(cell.seed for cell in cells if cell.needs_calibration)
        }
    constants = {
        "fingerprint": loading.fingerprint(loaded),
        "evaluation": None if evaluation_ids is None else digest_of_ids(evaluation_ids),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "device": device.type,
    }
    drawn = {"evaluation": evaluation_ids}
    drawn["calibration"] = next(iter(calibration_ids.values()), None)
    facts = {
        "model": str(model),
        "loaded": zeros_in(loaded),
        **{
            f"{use}_corpus": _corpus(use, asked, tokenizer, drawn[use])
            for use, asked in used.items()
            if asked
        },
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    keys = {cell: key_fields(cell, loaded, calibration_ids, constants) for cell in cells}
    return Prepared(loaded, tokenizer, calibration_ids, evaluation_ids, keys, facts)


def _evaluation_ids(
    asked: Windows, model: nn.Module, tokenizer: object, cache_dir: str | None
) -> Tensor:
    length = token_ids.window_length(model, asked.length)
    ids = windows.evaluation_windows(
        asked.source, tokenizer, asked.count, length, cache_dir, asked.bos
    )
    token_ids.check_windows(model, ids)
    return ids


def _corpus(use: str, asked: Windows, tokenizer: object, ids: Tensor | None) -> dict:
    """What records say of a text; of an embedded one that is not the recorded one, so much too.

    ids: (windows, tokens) as they were drawn: where all windows were asked for, these say how many
    there are. An embedded text is made of installed packages, and other versions of them have other
    words. Where the tokenizer puts a BOS before a text by itself, the choice where it stands is
    said as well.
    """
    said = asked.as_record()
    if ids is not None:
        said |= dict(zip(("windows", "length"), ids.shape, strict=True))
    if not is_stored(asked.source) and added_bos(tokenizer) is not None:
        said["bos"] = asked.bos
    different = documents.difference(use) if asked.source == "embedded" else None
    return said | ({"difference": different} if different else {})


def key_fields(
    cell: Cell, model: nn.Module, calibration_ids: dict[int, Tensor], constants: dict
) -> dict:
    """Everything that determines the result of `cell`, and nothing else, for its record's key.

    calibration_ids: by seed. constants: fingerprint, evaluation, dtype and device of the run. A
    cell that reads no data has no calibration, one that draws nothing at random has seed 0, and
    naming all layer types is "all": tables share what is the same.
    """
    types = architectures.chosen_in(architectures.blocks(model)[0], cell.layers)
    ids = calibration_ids[cell.seed] if cell.needs_calibration else None
    return constants | {
        "numerics": records.NUMERICS_VERSION,
        "method": cell.method.name,
        "pattern": cell.pattern_name,
        "layers": "all" if types == architectures.layer_types(model) else types,
        "scope": cell.pattern.scope,
        "seed": cell.seed if cell.depends_on_seed else 0,
        "calibration": None if ids is None else digest_of_ids(ids),
    }


def measured(losses: Tensor, report: Report, seconds: dict) -> dict:
    """What a record says of one cell: its perplexity and what its layers have become.

    losses: (windows,), from `window_losses`. report: by layer name, empty for a dense model.
    seconds: by what was done. Returns numbers, lists and dicts only, as JSON has them.
    """
    perplexity = {"perplexity": perplexity_of(losses), "losses": losses.tolist()}
    return perplexity | report.columns() | {"seconds": seconds}
