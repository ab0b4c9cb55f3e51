"""What a table asks for: a model pruned one way, and the token windows to do it with."""

from dataclasses import dataclass

from stade_nb.errors import StadeError
from stade_nb.numerics import methods
from stade_nb.numerics.masks import parse_pattern


@dataclass(frozen=True)
class Cell:
    """One cell: a model pruned one way. method "dense" with pattern "0" is the unpruned model.

    layers: "all", a layer type or several. seed: of the calibration windows, and of "random".
    Written in one way, so that equal cells are equal: aliases and patterns such as "50%" change
    to the method's name and "0.5".
    """

    method: str
    pattern: str
    layers: str | tuple[str, ...] = "all"
    scope: str = "row"
    seed: int = 0

    def __post_init__(self) -> None:
        pattern = parse_pattern(self.pattern)
        if self.method == "dense":
            if pattern.sparsity or pattern.m is not None:
                raise StadeError(f"a dense cell with pattern {self.pattern!r}: expected '0'")
            object.__setattr__(self, "pattern", "0")
        else:
            object.__setattr__(self, "method", methods.method(self.method).name)
            object.__setattr__(self, "pattern", str(pattern))
        if not isinstance(self.layers, str):
            object.__setattr__(self, "layers", tuple(self.layers))

    @property
    def needs_calibration(self) -> bool:
        """Whether the cell looks at data before it is evaluated."""
        return self.method != "dense" and bool(methods.METHODS[self.method].needs)

    @property
    def depends_on_seed(self) -> bool:
        """Whether another seed could give another result."""
        return self.needs_calibration or self.method == "random"

    def __str__(self) -> str:
        where = "" if self.layers == "all" else f" on {self.layers}"
        return f"{self.method} {self.pattern}{where}"


DENSE = Cell("dense", "0")


@dataclass(frozen=True)
class Corpus:
    """Token windows to ask for: see corpora. windows: None takes all (evaluation only).

    length: None is the model's own, see architectures.window_length.
    """

    source: str
    windows: int | None
    length: int | None = None
