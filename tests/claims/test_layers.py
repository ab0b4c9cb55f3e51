"""Sec. 4.1's claims on made-up results, each with what makes it hold, fail and stay undecided."""

import math
from types import SimpleNamespace

import pandas
import pytest
from layer_frames import frame

from stade_book import claims
from stade_book.claims import paper
from stade_book.claims.verdicts import CONTRADICTED, MIXED, NOT_RUN, OPEN, SUPPORTED
from stade_book.pages import tables

Q = "self_attn.q_proj"


def verdict(claim: str, ran: pandas.DataFrame, model: str = "one") -> str:
    (found,) = claims.layers.decide(ran[ran["model"] == model], [claim])
    return found.word


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({("fc2", "std"): -0.01}, SUPPORTED),
        ({("fc2", "std", 0.9): -0.01}, OPEN),  # ties at the other two sparsities
        ({("fc2", "std", 0.9): 0.01}, CONTRADICTED),
        ({("fc2", "std", 0.9): -0.01, ("fc2", "std", 0.5): 0.01}, MIXED),
        ({(Q, "std"): -0.01}, OPEN),  # another kind of input
        ({}, OPEN),
    ],
)
def test_std_better_uncentred(shifts, expected):
    assert verdict("std-better-uncentred", frame(shifts)) == expected


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({(Q, "wanda"): -0.01, ("fc1", "wanda", 0.5): -0.01}, SUPPORTED),
        ({(Q, "wanda", 0.5): -0.01}, OPEN),
        ({(Q, "wanda", 0.5): -0.01, ("fc1", "std", 0.5): -0.01}, MIXED),
        ({("fc2", "std"): -0.01}, OPEN),
    ],
)
def test_wanda_better_centred(shifts, expected):
    assert verdict("wanda-better-centred", frame(shifts)) == expected


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({(Q, "std", 0.9): -0.01, ("fc1", "std", 0.9): -0.01}, SUPPORTED),
        ({(Q, "std", 0.9): -0.01}, OPEN),  # of every layer type, the paper says
        ({(Q, "std", 0.9): -0.01, ("fc1", "std", 0.9): 0.01}, MIXED),
        ({(Q, "std", 0.5): 0.01, (Q, "std", 0.9): -0.01, ("fc1", "std", 0.9): -0.01}, SUPPORTED),
    ],
)
def test_std_better_at_90(shifts, expected):
    assert verdict("std-better-at-90", frame(shifts)) == expected


@pytest.mark.parametrize(
    ("last", "noise", "expected"),
    [
        (math.log(2) + 0.01, 0.0, SUPPORTED),
        (math.log(2) - 0.05, 0.0, CONTRADICTED),
        (math.log(2) + 0.01, 0.1, OPEN),
        (math.log(2) - 0.005, 0.0, OPEN),  # one seed above, one below
    ],
)
def test_doubled_at_90(last, noise, expected):
    ran = frame({}, noise=noise, growth=lambda sparsity: last if sparsity == 0.9 else 0.01)
    assert verdict("doubled-at-90", ran) == expected


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({("fc1", "wanda"): 0.1}, SUPPORTED),
        ({("fc2", "std"): 0.1, (Q, "std"): 0.2}, SUPPORTED),  # q_proj is judged by its †, Wanda
        ({("fc1", "wanda"): 0.1, (Q, "wanda", 0.1): 0.2}, MIXED),
        ({("fc1", "wanda", 0.9): 0.1}, OPEN),
        ({("fc1", "std"): 0.1}, OPEN),
    ],
)
def test_mlp_hurts_most(shifts, expected):
    assert verdict("mlp-hurts-most", frame(shifts)) == expected


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({("fc2", "std"): -0.01, (Q, "wanda"): -0.01, ("fc1", "std", 0.9): -0.01}, SUPPORTED),
        ({("fc2", "std"): -0.01, (Q, "std"): -0.01}, MIXED),
        ({("fc2", "std"): 0.01, (Q, "std"): -0.01}, CONTRADICTED),
        ({("fc2", "std"): -0.01}, OPEN),
    ],
)
def test_analogous_on_others(shifts, expected):
    assert verdict("analogous-on-others", frame(shifts)) == expected


def test_90_per_cent_of_centred_layers_is_counted_apart():
    ran = frame({(Q, "wanda"): -0.01, (Q, "std", 0.9): -0.05})
    (found,) = claims.layers.decide(ran, ["wanda-better-centred"])
    assert found.count[:3] == (2, 2, 0) and found.word == OPEN
    assert "which Sec. 4.1 exempts: supported 0, open 1, contradicted 1 of 2" in found.count.note
    # Of the layers that are not centred it counts.
    (other,) = claims.layers.decide(ran, ["std-better-uncentred"])
    assert other.count.total == 3 and not other.count.note


def test_analogous_on_others_is_counted_without_90_per_cent_as_well():
    """With the cells at which the paper expects STD, Wanda's lead on q_proj is none."""
    lower = {(Q, "wanda", 0.5): -0.01, (Q, "std", 0.9): -0.05, ("fc1", "std", 0.9): -0.05}
    (found,) = claims.layers.decide(frame(lower), ["analogous-on-others"])
    (mild,) = claims.layers.decide(frame({(Q, "wanda", 0.5): -0.01}), ["analogous-on-others"])
    assert found.count.contradicted > 0 == mild.count.contradicted
    about, _, counted = found.count.note.partition(": ")
    assert about == "without the cells at 90 %, which Sec. 4.1 exempts"
    assert counted.startswith(f"supported {mild.count.supported}, open {mild.count.open}, contra")


def test_the_models_are_counted_together_and_by_themselves():
    ran = pandas.concat(
        [frame({("fc2", "std"): -0.01}), frame({("fc2", "std"): 0.01}, model="two")]
    )
    (found,) = claims.layers.decide(ran, ["std-better-uncentred"])
    assert (found.word, found.count[:3], found.where) == (MIXED, (3, 0, 3), "one, two")
    assert found.claim == paper.claim_text("std-better-uncentred")
    rows = claims.layers.each_model(ran).set_index(["id", "model"])["count"]
    assert (
        rows["std-better-uncentred", "one"] == "supported 3, open 0, contradicted 0 of 3 (−1.0 %)"
    )
    assert rows["std-better-uncentred", "two"].startswith("supported 0, open 0, contradicted 3")
    every = claims.layers.decide(ran)
    assert [verdict.id for verdict in every] == list(claims.layers.IDS)
    assert "the paper: Llama-3.2" in every[-1].claim
    mlp = claims.layers.decide_on_mlp(ran[ran["layer"].isin(["dense", "fc1", "fc2"])])
    assert [verdict.id for verdict in mlp] == list(claims.layers.IDS[:2])
    assert mlp[0].claim.startswith("on the MLP alone")


def test_what_needs_90_per_cent_is_not_run_without_it():
    ran = frame({("fc1", "wanda"): 0.1})
    words = {
        verdict.id: verdict.word for verdict in claims.layers.decide(ran[ran["sparsity"] < 0.9])
    }
    assert words["std-better-at-90"] == words["doubled-at-90"] == NOT_RUN
    assert words["mlp-hurts-most"] == SUPPORTED


def test_each_layer_type_has_its_own_verdict():
    ran = frame({("fc1", "std"): 0.01, ("fc2", "std"): 0.01})
    rows = pandas.concat([claims.layers.compared(ran), claims.layers.printed_comparisons()])
    found = claims.layers.each_layer(rows).set_index(["model", "layer"])
    assert found.loc[("one", "fc1"), "verdict"] == SUPPORTED
    assert found.loc[("one", "fc2"), "verdict"] == CONTRADICTED
    assert found.loc[("one", Q), "verdict"] == OPEN
    assert found.loc[("one", "fc2"), "marked"] == "STD metric"
    theirs = found.loc["Llama-7B, printed"]
    assert theirs.loc["mlp.down_proj", "verdict"] == SUPPORTED
    assert theirs.loc["mlp.gate_proj", "verdict"] == MIXED
    count = theirs.loc["self_attn.v_proj", "count"]
    assert count.startswith("supported 9, open 0, contradicted 0 of 9 (")
    alone = claims.layers.each_layer(claims.layers.printed_comparisons())
    assert list(alone["verdict"]) == list(theirs["verdict"])


def test_llama_7b_stands_beside_what_table_2_prints():
    p = SimpleNamespace(
        calibration="c4", evaluation="wikitext2", windows=128, evaluation_windows=None,
        window_length=None,
    )  # fmt: skip
    own = frame({}).assign(paper_model="llama-7b", perplexity=20.0)
    values = {("wanda", 0.1): 5.68, ("std", 0.1): 5.7, ("wanda", 0.5): 6.2, ("wanda", 0.9): 15.05}
    for (metric, sparsity), value in values.items():
        here = (own["metric"] == metric) & (own["sparsity"] == sparsity) & (own["layer"] == Q)
        # What the seeds give is compared by its mean.
        own.loc[here, "perplexity"] = value + 0.5 * own.loc[here, "seed"] - 0.25
    other = frame({}, model="two").assign(paper_model=None)
    ran = pandas.concat([own, other])
    found = claims.reproduction.beside(2, ran, p)
    assert set(found["layer"]) == {Q}, "Table 2 has no fc1"
    words = found.set_index(["metric", "sparsity"])["verdict"]
    assert words["Wanda", "10 %"] == words["Wanda", "90 %"] == "match"
    assert words["STD metric", "10 %"] == "close"
    assert words["Wanda", "50 %"] == "differs"
    assert "5.68" in tables.perplexity.table2(ran, p).data
    assert "None of the models" in tables.perplexity.table2(other, p).data
    opt = own[own["layer"] != Q].assign(paper_model="opt-125m")
    assert "prints no perplexity of opt-125m" in tables.perplexity.table2(opt, p).data
    p.windows = 16
    assert set(claims.reproduction.beside(2, ran, p)["verdict"]) == {"not compared"}
    assert "16 calibration windows, not 128" in tables.perplexity.table2(ran, p).data
