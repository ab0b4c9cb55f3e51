"""What a run is asked for: cells (one way to prune a model each) and the setting they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from numbers import Real
from pathlib import Path

from torch import nn

from stade_nb import paths
from stade_nb.beyond.methods import BEYOND
from stade_nb.errors import StadeError
from stade_nb.models import architectures, token_ids
from stade_nb.models.tokenizing import check_bos
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.methods import METHODS, Method, Treatment, method
from stade_nb.numerics.metrics import METRICS

# Nothing goes at the pattern "0", so that any metric would do.
_UNPRUNED = Method("dense", "Dense", *2 * [Treatment(METRICS["magnitude"])])


@dataclass(frozen=True)
class Cell:
    """One way to prune a model. "dense" with the pattern "0" is the unpruned one, `DENSE`.

    method, pattern: given by name ("stade", "50%") or as they are, and kept parsed, so that equal
    cells are equal; a share competes as the method has it (magnitude: in whole layers), unless it
    is parsed already, such as parse_pattern("0.5", "layer"). layers: "all", a layer type or
    several. seed: of the calibration windows, and of "random". StadeError for a method or a pattern
    that nobody knows, and a dense cell with another pattern.

    >>> Cell("stade", "50%") == Cell("stadew", 0.5)
    True
    """

    method: Method
    pattern: Pattern
    layers: str | tuple[str, ...] = "all"
    seed: int = 0

    def __post_init__(self) -> None:
        dense = self.method in ("dense", _UNPRUNED)
        chosen = _UNPRUNED if dense else method(self.method)
        pattern = chosen.pattern(self.pattern)
        if dense and (pattern.sparsity or pattern.m is not None):
            raise StadeError(f"a dense cell with pattern '{self.pattern}': expected '0'")
        object.__setattr__(self, "method", chosen)
        object.__setattr__(self, "pattern", pattern)
        token_ids.check_seed(self.seed)
        object.__setattr__(self, "seed", int(self.seed))  # NumPy's are no JSON
        if not isinstance(self.layers, str):
            if not isinstance(self.layers, Iterable):
                raise StadeError(
                    f"layers {self.layers!r}: expected 'all', a layer type or several of them"
                )
            object.__setattr__(self, "layers", tuple(self.layers))

    def __reduce__(self) -> tuple:
        # To another process a method goes by its name: metrics hold functions.
        self.check_name()
        return Cell, (self.method.name, self.pattern, self.layers, self.seed)

    def __deepcopy__(self, _: dict) -> Cell:
        """Itself, which nothing changes; a method of the caller's is known by no name."""
        return self

    def check_name(self) -> None:
        """StadeError for a method that has the name of another one, in records and pickles."""
        known = METHODS | BEYOND | {"dense": _UNPRUNED}
        if known.get(self.method.name, self.method) != self.method:
            raise StadeError(
                f"a method called {self.method.name!r} that is not the one known by this name: "
                "records and other processes would mix them up; give it a name of its own"
            )

    @property
    def is_dense(self) -> bool:
        """Whether nothing is pruned."""
        return self.method.name == "dense"

    @property
    def pattern_name(self) -> str:
        """The pattern as records have it: "0.5", "2:4", and "0" for the unpruned model."""
        return "0" if self.is_dense else str(self.pattern)

    @property
    def needs_calibration(self) -> bool:
        """Whether the cell looks at data before it is evaluated."""
        return not self.is_dense and bool(self.method.needs)

    @property
    def depends_on_seed(self) -> bool:
        """Whether another seed could give another result."""
        return self.needs_calibration or self.method.name == "random"

    def pattern_in(self, block: str) -> Pattern:
        """The pattern of a block's layers, by the block's name: the cell's own, everywhere."""
        return self.pattern

    def types_in(self, block: nn.Module) -> list[str]:
        """The layer types of a model's block that are pruned, in module order.

        StadeError for a layer type that the block does not have.
        """
        return [] if self.is_dense else architectures.chosen_in(block, self.layers)

    def treatment(self, types: Sequence[str]) -> tuple:
        """What is done to the layers of `types`: cells with equal treatments have equal results.

        STADE, for one, is Wanda on q_proj.
        """
        steps = [
            (each, self.method.of(each).treatment(architectures.is_centred(each))) for each in types
        ]
        more = self.method.equal_parameters and any(step.corrects for _, step in steps)
        pattern = (
            self.pattern if self.pattern.m is None else self.pattern_name
        )  # no scope in groups
        seed = self.seed if self.depends_on_seed else None
        return (*steps, self.method.updates_weights, more, self.method.needs, pattern, seed)

    def __str__(self) -> str:
        where = "" if self.layers == "all" else f" on {self.layers}"
        return f"{self.method.name} {self.pattern_name}{where}"


DENSE = Cell("dense", "0")


def cells(
    methods: str | Method | Sequence[str | Method],
    patterns: str | float | Pattern | Sequence[str | float | Pattern],
    layers: str | Sequence[str | tuple[str, ...]] = ("all",),
    seeds: int | Sequence[int] = (0,),
    scope: str | None = None,
) -> list[Cell]:
    """Every method with every pattern, choice of layers and seed, in this order, each cell once.

    One alone stands for a list of one. "dense" is one cell, and a method to which the seed means
    nothing has seed 0. scope: who competes for a share, see `Pattern`; None: as each method has it.
    StadeError as `Cell` has it.

    >>> print(*cells(["dense", "magnitude", "stade"], ["0.5", "2:4"]), sep=", ")
    dense 0, magnitude 0.5, magnitude 2:4, stade 0.5, stade 2:4
    """
    asked = [
        DENSE if one == "dense" else Cell(one, method(one).pattern(pattern, scope), each, seed)
        for one, pattern, each, seed in product(*map(several, (methods, patterns, layers, seeds)))
    ]
    return list(dict.fromkeys(c if c.depends_on_seed else replace(c, seed=0) for c in asked))


def several(given: object) -> list:
    """A list of what is given; a text, or what is no list, is one of them."""
    alone = isinstance(given, str) or not isinstance(given, Iterable)
    return [given] if alone else list(given)


@dataclass(frozen=True)
class Windows:
    """Token windows to ask for, see `models.windows`: so many of a text, each of so many tokens.

    source: a text or a file, such as "embedded". count: None takes all (evaluation only). length:
    None is the model's own, see `token_ids.window_length`. bos: where a BOS stands, "text" or
    "window", see `windows.evaluation_windows`.

    >>> Windows("embedded", 64, 256).as_record()
    {'source': 'embedded', 'windows': 64, 'length': 256}
    """

    source: str
    count: int | None
    length: int | None = None
    bos: str = "text"

    def __post_init__(self) -> None:
        check_bos(self.bos)
        object.__setattr__(self, "source", str(self.source))  # a path is no JSON
        if not str(self.source).strip():
            raise StadeError("windows of the text '': expected its name, such as 'embedded'")

    def as_record(self) -> dict:
        """What records say of them."""
        said = {"source": self.source, "windows": self.count, "length": self.length}
        # The token ids, which the key has a digest of, say it too; records of the protocol's own
        # choice are as they were before there was another.
        return said if self.bos == "text" else said | {"bos": self.bos}


@dataclass(frozen=True)
class Setting:
    """What all cells of a run share, whatever the model.

    calibration: None where no cell reads data. evaluation: None where nothing is evaluated.
    results_dir: where finished cells are kept and found, None where none are. device: "cpu",
    "cuda:1" or "auto". dtype: of the model. batch_size: windows at once, fewer where a device has
    no memory for them (see `pruning.at_once`); requests_at_once: of zero-shot tasks, see
    `evaluation.harness.Harness`. cache_dir: of files from the hub. memory: bytes that the hidden
    states of a group of cells may take, on device and host together; a single cell takes what it
    needs. device_memory: bytes of them that stay on the device, the others are spilled to the host.
    None: by what is free. keep_every: seconds of computing that a killed sweep may lose, but for
    those of one cell in one block. StadeError for a batch of no windows, and for a limit that is
    none.

    >>> Setting(Windows("c4", 128), Windows("wikitext2", None), "results", device="auto").dtype
    'float32'
    """

    calibration: Windows | None
    evaluation: Windows | None
    results_dir: str | Path | None
    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 8
    requests_at_once: int | str = "auto"
    cache_dir: str | None = None
    memory: int | None = None
    device_memory: int | None = None
    keep_every: float = 300.0

    def __post_init__(self) -> None:
        token_ids.check_batch_size(self.batch_size)
        object.__setattr__(self, "batch_size", int(self.batch_size))
        for name in ("calibration", "evaluation"):
            if not isinstance(asked := getattr(self, name), Windows | None):
                raise StadeError(
                    f"{name} of the type {type(asked).__name__}: expected Windows, such as "
                    "Windows('embedded', 64, 256), or None"
                )
        for name in ("memory", "device_memory"):
            size = getattr(self, name)
            if size is not None and not _is_number(size, least=0):
                raise StadeError(
                    f"{name} {size!r}: expected a number of bytes, such as {2**30} for 1 GiB, or "
                    "None to go by what is free"
                )
        if not _is_number(self.keep_every, least=0) or not self.keep_every:
            raise StadeError(
                f"keep_every {self.keep_every!r}: expected a number of seconds above 0, such as 300"
            )
        for name in ("results_dir", "cache_dir"):
            folder = getattr(self, name)
            if folder == "" or not isinstance(folder, str | Path | None):
                raise StadeError(f"{name} {folder!r}: expected a folder, or None")
            if str(folder).startswith("~"):
                object.__setattr__(self, name, str(paths.expanded(folder)))


def _is_number(value: object, least: float) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and value >= least
