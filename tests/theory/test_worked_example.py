"""The numbers that a reader can check by hand, checked by hand."""

import pytest
import torch

from stade_book.pages import audit
from stade_book.pages.models import LayerInputs
from stade_book.theory import misprints, worked_example
from stade_nb.numerics.masks import select
from stade_nb.numerics.methods import METHODS, prune_layer
from stade_nb.numerics.metrics import METRICS

EXACT = torch.float64


def matrix(*rows):
    return torch.tensor(rows, dtype=EXACT)


def mask(*rows):
    """Columns that go, row by row, as a boolean matrix."""
    return torch.tensor([[j in row for j in range(4)] for row in rows])


@pytest.fixture(scope="module")
def table():
    return worked_example.table1().set_index(["name", "centred"])


def test_moments_are_the_whole_numbers_of_the_docstring():
    found = worked_example.features()
    assert found["mean"].tolist() == [0, 0, 3, 1]
    assert found["variance"].tolist() == [8, 4, 4, 6]
    assert found["squared_norm"].tolist() == [40, 20, 74, 36]
    gram = worked_example.moments().gram
    assert torch.equal(gram[:2, :2], matrix((40, 20), (20, 20)))
    assert torch.equal(gram[:2, 2:], torch.zeros(2, 2, dtype=EXACT))
    assert torch.equal(gram[2:, 2:], matrix((74, 0), (0, 36)))
    assert found["inputs"][0] == "0, 0, -4, 4, -2, 2"


def test_scores_are_those_of_pencil_and_paper(table):
    score = table["score"]
    assert torch.equal(score["magnitude", "any"], matrix((16, 25, 9, 1), (25, 36, 16, 49)))
    for name, expected in {
        ("wanda", "any"): matrix((640, 500, 666, 36), (1000, 720, 1184, 1764)),
        ("std", "any"): matrix((128, 100, 36, 6), (200, 144, 64, 294)),
        ("stade_without_bias", "no"): matrix((128, 100, 117, 7), (200, 144, 208, 343)),
        ("stade_without_bias_as_printed", "no"): matrix(
            (640, 500, 261, 31), (1000, 720, 464, 1519)
        ),
        ("sparsegpt", "any"): matrix((320, 500, 666, 36), (500, 720, 1184, 1764)),
    }.items():
        # Norms are square roots, and C is a Cholesky factor: exact but for their rounding.
        torch.testing.assert_close(score[name], expected, rtol=1e-14, atol=0)
    assert torch.equal(score["stade", "no"], score["std", "any"])
    assert torch.equal(score["stade", "yes"], score["wanda", "any"])


def test_methods_disagree_as_the_theory_says(table):
    pruned = table["pruned"]
    expected = {
        ("magnitude", "any"): mask((2, 3), (0, 2)),
        ("wanda", "any"): mask((1, 3), (0, 1)),
        ("std", "any"): mask((2, 3), (1, 2)),
        ("stade", "yes"): mask((1, 3), (0, 1)),
        ("stade", "no"): mask((2, 3), (1, 2)),
        ("stade_without_bias", "no"): mask((1, 3), (0, 1)),  # Eq. 9 is Wanda's criterion,
        ("stade_without_bias_as_printed", "no"): mask((2, 3), (1, 2)),  # Eq. 12 prints STD's
        ("sparsegpt", "any"): mask((0, 3), (0, 1)),
    }
    for row, goes in expected.items():
        assert torch.equal(pruned[row], goes), row
    # The diagonal that Table 1 prints would choose otherwise than the algorithm does.
    assert torch.equal(select(printed_sparsegpt(), "2:4"), mask((1, 3), (0, 1)))


def printed_sparsegpt():
    """Table 1's score with λ = 0, a sixth of it for the mean over six inputs."""
    w, x = worked_example.weight(), worked_example.moments()
    return misprints.sparsegpt_scores(w, x, damping=0)["printed"]


def test_sparsegpt_diagonals_are_inverted_by_hand():
    # The inverse of (40 20; 20 20) is (20 -20; -20 40) / 400; without feature 0 it is 1/20.
    expected = torch.tensor([1 / 20, 1 / 10, 1 / 74, 1 / 36], dtype=EXACT)
    printed = worked_example.weight().square() / expected / 6
    torch.testing.assert_close(printed_sparsegpt(), printed, rtol=1e-14, atol=0)
    expected[1] = 1 / 20
    torch.testing.assert_close(worked_example.conditional_diagonal(), expected, rtol=1e-14, atol=0)


def test_bias_takes_over_the_means_of_what_went(table):
    assert table["bias"]["std", "any"].tolist() == [2 + 3 * 3 + 1 * 1, -1 + 0 * 6 - 3 * 4]
    assert table["bias"]["wanda", "any"].tolist() == [2, -1]
    assert table["bias"]["wanda_with_bias", "any"].tolist() == [2 + 0 * -5 + 1 * 1, -1]
    for weight, pruned in zip(table["weight"], table["pruned"], strict=True):
        assert not weight[pruned].any()


def test_table_has_every_method_and_only_distinct_rows(table):
    names = [name for name, _ in table.index]
    assert list(dict.fromkeys(names)) == [n for n in METHODS if not METHODS[n].equal_parameters]
    assert names.count("stade") == 2 and names.count("wanda") == 1
    assert table.loc["sparsegpt", "updates_weights"].all()
    assert not table.loc["stade", "updates_weights"].any()


def test_eq1_to_the_letter_scores_inputs_not_weights():
    # Squared: 41 * 40, 61 * 20, 25 * 74, 50 * 36. Both outputs lose inputs 0 and 1 of 2:4, where
    # Wanda takes inputs 1 and 3 from the first.
    layer = LayerInputs(0, "fc1", worked_example.weight(), worked_example.moments())
    found = audit.layers.eq1([layer], "2:4").iloc[0]
    assert found[["differs", "channels", "wanda_channels"]].tolist() == [2 / 8, 2 / 4, 1 / 4]


def test_printed_table_shows_what_the_text_beside_it_says():
    found = worked_example.printable(worked_example.table1())
    found = found.set_index(["method", "input", "output"])
    assert found.loc[("Wanda", "any", 0), "squared_scores"] == "640, 500, 666, 36"
    assert found.loc[("Wanda", "any", 0), "removed"] == "1, 3"
    assert found.loc[("STADE", "not centred", 0), ["removed", "bias"]].tolist() == ["2, 3", 12]
    assert found.loc[("STADE", "not centred", 0), "metric"] == "Eq. 11"
    assert found.loc[("STADE", "centred", 1), "metric"] == "Eq. 10"
    assert found.loc[("SparseGPT", "any", 0), "squared_scores"] == "320, 500, 666, 36"


def test_formulas_are_those_the_methods_run_by(table):
    found = worked_example.formulas(worked_example.table1())
    assert len(found) == len(table)
    rows = found.set_index(["method", "input"])
    stade = rows.loc[("STADE", "not centred")]
    assert stade["metric"] == METRICS["std"].formula and stade["equation"] == "Eq. 11"
    assert stade["corrects_bias"] and not rows.loc[("STADE", "centred"), "corrects_bias"]
    assert rows.loc[("SparseGPT", "any"), "updates_weights"]
    assert (
        rows.loc[("STADE (w/o bias)", "not centred"), "metric"] == METRICS["without_bias"].formula
    )


def test_the_answers_to_the_questions_of_the_page():
    """What the page on Table 1 asks the reader, computed."""
    scores = worked_example.weight().square() * worked_example.moments().variance
    assert scores[1].tolist() == [25 * 8, 36 * 4, 16 * 4, 49 * 6]
    pruned = prune_layer(
        worked_example.weight(),
        torch.tensor(worked_example.BIAS, dtype=torch.float64),
        worked_example.moments(),
        "std",
        worked_example.PATTERN,
        centred=False,
    )
    assert pruned.pruned[1].nonzero()[:, 0].tolist() == [1, 2] and pruned.bias[1] == -13
    x, w = torch.tensor(worked_example.INPUTS), torch.tensor(worked_example.WEIGHT)
    changes = {pair: (x[:, pair] @ w[0, pair]).square().sum().item() for pair in ((0, 1), (1, 3))}
    assert changes == {(0, 1): 340, (1, 3): 536}
    layer = worked_example.weight(), None, worked_example.moments()
    taken = prune_layer(*layer, "wanda", worked_example.PATTERN, centred=True)
    assert taken.pruned[0].nonzero()[:, 0].tolist() == [1, 3]
