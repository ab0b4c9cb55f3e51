"""One layer type at a time: losses beside perplexities, and the rules on made-up cells."""

import pandas
import pytest

from stade_book.studies import layer_types as study
from stade_book.studies.layer_losses import FAILS, PREDICTS, long

TYPES = ("q", "k", "v", "o", "gate", "up")


def cells(order, methods=("wanda",), patterns=("0.5",)):
    """A cell for each type, whose rank by loss is its place and by perplexity that in `order`."""
    rows = [
        ("one", kind, method, pattern, "row", float(at) + m, 10.0 + order[at] + m)
        for m, method in enumerate(methods)
        for pattern in patterns
        for at, kind in enumerate(TYPES)
    ]
    return pandas.DataFrame(rows, columns=[*study.CELL, "loss", "perplexity"])


def test_a_cell_has_the_loss_of_its_own_layer_type_and_the_mean_of_its_seeds():
    asked = [("wanda", "0.5", "row"), ("std", "0.5", "row")]
    errors = [{"q": [0.1, 0.2], "v": [0.3, 0.4]}, {"q": [0.1, 0.2], "v": [0.3, 0.4]}]
    table = long("one", asked, errors)
    columns = ["model", "method", "pattern", "scope", "seed", "layers", "perplexity"]
    ran = pandas.DataFrame(
        [
            ("one", "wanda", "0.5", "row", 0, ["q"], 11.0),
            ("one", "wanda", "0.5", "row", 1, ["q"], 13.0),
            ("one", "wanda", "0.5", "row", 0, ["q", "v"], 30.0),
            ("one", "std", "0.5", "row", 0, "all", 4.0),
            ("one", "std", "0.3", "row", 0, ["v"], 9.0),
            ("one", "wanda", "0.5", "layer", 0, ["q"], 9.0),
        ],
        columns=columns,
    )
    (row,) = study.beside(table, ran).itertuples()
    assert (row.layer_type, row.method, row.perplexity) == ("q", "wanda", 12.0)
    assert row.loss == pytest.approx(-2.302585)
    other = pandas.DataFrame([("one", "std", "0.5", "row", 1, ["q"], 20.0)], columns=columns)
    both = study.beside(table, pandas.concat([ran, other])).set_index("method")["perplexity"]
    assert both.to_dict() == {"wanda": 13.0, "std": 20.0}  # on the seed that both have


@pytest.mark.parametrize(
    ("order", "rho", "word"),
    [((0, 1, 2, 3, 4, 5), 1.0, PREDICTS), ((5, 4, 3, 2, 1, 0), -1.0, FAILS)],
)
def test_types_are_ranked_by_both_at_one_method_and_share(order, rho, word):
    found = cells(order, methods=("wanda", "std"), patterns=("0.3", "0.5"))
    between = study.between(found)
    assert len(between) == 4 and set(between["types"]) == {6}
    assert between["rho"].tolist() == pytest.approx([rho] * 4)
    (answer,) = study.answers(found).itertuples()
    assert (answer.cells, answer.word) == (24, word)
    few = found[found["layer_type"].isin(TYPES[:4])]
    assert study.between(few).empty and study.answers(few).empty


def test_pairs_of_methods_agree_where_less_loss_is_less_perplexity():
    found = cells(range(6), methods=("wanda", "std", "std_without_correction"))
    pairs = study.within(found)
    assert len(pairs) == 3 and set(pairs["pairs"]) == set(pairs["agree"]) == {6}
    turned = found["perplexity"].where(found["method"] != "std", -found["loss"])
    by = study.within(found.assign(perplexity=turned)).set_index(["one", "other"])["agree"]
    assert by["std_without_correction", "wanda"] == 6
    assert by["std", "wanda"] == 0 and by["std", "std_without_correction"] == 6
    assert study.within(cells(range(6))).empty
