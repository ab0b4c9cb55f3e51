"""The ladder of sizes: what counts, in which order, and where a sign turns, on made-up numbers."""

import pandas
import pytest

from stade_book.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED
from stade_book.pages.tables import ladder
from stade_nb.errors import StadeError
from stade_nb.models import loading

WORDS = {"-": SUPPORTED, "+": CONTRADICTED, "0": OPEN, "?": ladder.NOT_RUN}


def rungs(signs, **more):
    """One method on models of 1, 2, 3, ... million parameters: - better, + worse, 0 open, ? not."""
    sizes = [(n + 1) * 10**6 for n in range(len(signs))]
    frame = pandas.DataFrame({"parameters": sizes, "verdict": [WORDS[sign] for sign in signs]})
    return frame.assign(pattern="2:4", method="stade", own=True, **more)


@pytest.mark.parametrize(
    "signs, turn",
    [
        ("--++", ("better", 2_000_000, 3_000_000, "turns")),
        ("+-", ("worse", 1_000_000, 2_000_000, "turns")),
        # What is open or was not run says nothing, wherever it stands.
        ("0-?0+0", ("better", 2_000_000, 5_000_000, "turns")),
        # Back on the first side once more: it turns after that, for good.
        ("-+-++", ("better", 3_000_000, 4_000_000, "turns")),
        ("-+-", ("better", None, None, "back and forth")),
        ("---", ("better", None, None, "stays")),
        ("0+?", ("worse", None, None, "open")),
        ("00", (OPEN, None, None, "open")),
        ("", (OPEN, None, None, "open")),
    ],
)
def test_a_sign_turns_where_all_larger_models_that_count_are_on_the_other_side(signs, turn):
    assert ladder.turn(rungs(signs)) == turn
    assert ladder.turn(rungs(signs).iloc[::-1]) == turn  # whatever the order of the rows


def test_a_model_that_is_there_twice_is_refused():
    with pytest.raises(StadeError, match="each model once"):
        ladder.turn(pandas.concat([rungs("-+"), rungs("-+")]))


def test_only_the_text_that_a_model_knows_decides_and_the_words_name_both_sizes():
    foreign = rungs("++").assign(own=False)
    (row,) = ladder.turns(pandas.concat([rungs("-0+?"), foreign])).itertuples()
    assert (row.counted, row.sides, row.small) == ("2 of 3", "− 0 +", "better")
    assert row.turn == "turns between 1 M and 3 M"


def cells(model, parameters, **losses):
    """Cells at 2:4 whose three windows have nearly the same loss, for one seed."""
    rows = [
        {"method": method, "pattern": "2:4", "seed": 0, "losses": [level - 0.001, level, level]}
        for method, level in losses.items()
    ]
    about = {"model": model, "parameters": parameters, "learned": "stories", "text": "stories"}
    return pandas.DataFrame(rows).assign(**about)


def test_models_stand_in_the_order_of_size_and_what_was_not_run_says_so():
    large = cells("large", 9_000_000, wanda=3.0, stade=3.1)
    small = cells("small", 1_000_000, wanda=3.0, stade=2.9, std=2.8)
    climbed = ladder.climb(pandas.concat([large, small]))
    assert climbed["parameters"].is_monotonic_increasing
    assert list(climbed["model"].unique()) == ["small", "large"] and climbed["own"].all()
    assert len(climbed) == 2 * len(ladder.METHODS) * len(ladder.PATTERNS)
    words = climbed.query("pattern == '2:4'").set_index(["model", "method"])["verdict"]
    assert words["small", "stade"] == SUPPORTED and words["large", "stade"] == CONTRADICTED
    assert words["large", "std"] == words["small", "sparsegpt"] == ladder.NOT_RUN
    assert set(climbed.query("pattern == '0.5'")["verdict"]) == {ladder.NOT_RUN}


def run_of(text, **learned):
    """What `run` gives of models and what each learned from, two cells each."""
    rows = [{"model": model, "learned": kind} for model, kind in learned.items()] * 2
    return pandas.DataFrame(rows).assign(text=text)


def test_a_model_on_a_text_that_it_did_not_learn_from_is_said_not_to_count():
    said = ladder.uncounted(run_of("mine.txt → other.txt", mine=ladder.WEB))
    assert said.startswith("mine is drawn but does not count") and said.count(".txt") == 2
    assert said.endswith("learned from: the web, as C4 → WikiText-2 (mine).")
    some = run_of(ladder.DOCUMENTATION, own=ladder.DOCUMENTATION, mine=ladder.WEB)
    assert ladder.uncounted(some).startswith("mine is drawn")
    both = ladder.uncounted(run_of("a → b", own=ladder.DOCUMENTATION, mine=ladder.WEB))
    assert both.startswith("own, mine are drawn but do not count")
    assert both.endswith("documentation, as the embedded text (own); the web, as C4 → WikiText-2 "
                         "(mine).")  # fmt: skip


def test_nothing_is_said_where_all_models_count():
    assert ladder.uncounted(run_of(ladder.PAPER, mine=ladder.WEB)) == ""
    assert ladder.uncounted(run_of(ladder.DOCUMENTATION, own=ladder.DOCUMENTATION)) == ""


def test_the_figure_is_told_in_words():
    between = "turns between 1 M and 9 M"
    rows = [("0.5", "stade", "stays"), ("0.5", "std", "open"), ("2:4", "stade", between)]
    said = ladder.in_words(pandas.DataFrame(rows, columns=["pattern", "method", "turn"]))
    assert said.endswith(
        "Its sign at 50 %: STADE: stays; STD metric: open. "
        "Its sign at 2:4: STADE: turns between 1 M and 9 M."
    )


def test_sizes_are_those_of_the_models():
    for name in loading.embedded_models():
        model, _ = loading.load(name)
        own = sum(p.numel() for p in model.parameters())
        assert ladder.rung(name) == (own, ladder.DOCUMENTATION)
    with pytest.raises(StadeError, match="llama-230k"):
        ladder.rung("llama-239k")
    assert [ladder.million(n) for n in (260_032, 1_500_000, 134_515_008)] == [
        "0.26 M", "1.5 M", "135 M",
    ]  # fmt: skip
