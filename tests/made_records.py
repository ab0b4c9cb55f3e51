"""Records of real models, made up: what pages show of them, without the hours."""

import pytest

from stade_book.pages.tables import earlier
from stade_book.studies import shipped

SMALL, LARGE = "smollm2-135m", "gemma-3-270m"


def record(model=SMALL, method="wanda", pattern="0.5", level=3.0, **more):
    """A row of `shipped.rows`; level: the mean loss of its three windows."""
    named = zip(("calibration_corpus", "evaluation_corpus"), earlier.TEXTS, strict=True)
    corpora = {use: {"source": source, "windows": 3, "length": 8} for use, source in named}
    losses = [level - 0.01, level, level + 0.01]
    dense = {"method": "dense", "pattern": "0"} if method == "dense" else {}
    base = {
        "model": model, "method": method, "pattern": pattern, "layers": "all", "scope": "row",
        "seed": 0, "perplexity": 2.718281828459045**level, "losses": losses, "evaluation": "e",
        "device": "cpu", "seconds": {"prune": 3600.0, "evaluate": 0.0}, "record": f"{level}" * 6,
        "versions": {"torch": "2.0"}, "paper_model": None,
        "computed": {"date": "2026-01-02", "threads": 7, "processor": "abacus"},
    }  # fmt: skip
    return base | corpora | dense | more


@pytest.fixture
def there(monkeypatch):
    """Put records, as `record` makes them, in the place of those that are shipped."""

    def put(*rows):
        cells = [row for row in rows if "task" not in row]
        monkeypatch.setattr(
            shipped, "rows", lambda model, *_: [r for r in cells if r["model"] == model]
        )
        monkeypatch.setattr(
            shipped, "answers", lambda m, *_: [r for r in rows if "task" in r and r["model"] == m]
        )
        monkeypatch.setattr(shipped, "models", lambda *_: sorted({row["model"] for row in rows}))

    return put
