"""Sec. 4.1's claims on made-up results, each with what makes it hold, fail and stay undecided."""

import math
from types import SimpleNamespace

import pandas
import pytest
from layer_frames import frame

from stade_nb import claims
from stade_nb.claims import paper
from stade_nb.claims.verdicts import FAILS, HOLDS, NOT_RUN, UNDECIDED
from stade_nb.pages import tables

Q = "self_attn.q_proj"


def verdict(claim: str, ran: pandas.DataFrame, model: str = "one") -> str:
    found = claims.layers.decided(ran).set_index(["id", "model"])
    return found.loc[(claim, model), "verdict"]


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({("fc2", "std", 0.9): -0.01}, HOLDS),  # ties at the other sparsities
        ({("fc2", "std", 0.9): 0.01}, FAILS),
        ({("fc2", "std", 0.9): -0.01, ("fc2", "std", 0.5): 0.01}, FAILS),
        ({(Q, "std"): -0.01}, UNDECIDED),  # another kind of input
        ({}, UNDECIDED),
    ],
)
def test_std_better_uncentred(shifts, expected):
    assert verdict("std-better-uncentred", frame(shifts)) == expected


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({(Q, "wanda", 0.5): -0.01}, HOLDS),
        ({(Q, "wanda", 0.5): -0.01, ("fc1", "std", 0.9): -0.01}, FAILS),
        ({("fc2", "std"): -0.01}, UNDECIDED),
    ],
)
def test_wanda_better_centred(shifts, expected):
    assert verdict("wanda-better-centred", frame(shifts)) == expected


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({(Q, "std", 0.9): -0.01, ("fc1", "std", 0.9): -0.01}, HOLDS),
        ({(Q, "std", 0.9): -0.01}, UNDECIDED),  # of every layer type, the paper says
        ({(Q, "std", 0.9): -0.01, ("fc1", "std", 0.9): 0.01}, FAILS),
        ({(Q, "std", 0.5): 0.01, (Q, "std", 0.9): -0.01, ("fc1", "std", 0.9): -0.01}, HOLDS),
    ],
)
def test_std_better_at_90(shifts, expected):
    assert verdict("std-better-at-90", frame(shifts)) == expected


@pytest.mark.parametrize(
    ("last", "noise", "expected"),
    [
        (math.log(2) + 0.01, 0.0, HOLDS),
        (math.log(2) - 0.05, 0.0, FAILS),
        (math.log(2) + 0.01, 0.1, UNDECIDED),
        (math.log(2) - 0.005, 0.0, UNDECIDED),  # one seed above, one below
    ],
)
def test_doubled_at_90(last, noise, expected):
    ran = frame({}, noise=noise, growth=lambda sparsity: last if sparsity == 0.9 else 0.01)
    assert verdict("doubled-at-90", ran) == expected


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({("fc1", "wanda"): 0.1}, HOLDS),
        ({("fc2", "std"): 0.1, (Q, "std"): 0.2}, HOLDS),  # q_proj is judged by its †, Wanda
        ({("fc1", "wanda"): 0.1, (Q, "wanda", 0.1): 0.2}, FAILS),
        ({("fc1", "wanda", 0.9): 0.1}, UNDECIDED),
        ({("fc1", "std"): 0.1}, UNDECIDED),
    ],
)
def test_mlp_hurts_most(shifts, expected):
    assert verdict("mlp-hurts-most", frame(shifts)) == expected


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({("fc2", "std"): -0.01, (Q, "wanda"): -0.01, ("fc1", "std", 0.9): -0.01}, HOLDS),
        ({("fc2", "std"): -0.01, (Q, "std"): -0.01}, FAILS),
        ({("fc2", "std"): -0.01}, UNDECIDED),
    ],
)
def test_analogous_on_others(shifts, expected):
    assert verdict("analogous-on-others", frame(shifts)) == expected


def test_a_claim_fails_here_where_it_fails_on_one_model():
    ran = pandas.concat(
        [frame({("fc2", "std"): -0.01}), frame({("fc2", "std"): 0.01}, model="two")]
    )
    assert verdict("std-better-uncentred", ran, "one") == HOLDS
    summary = claims.layers.summary(claims.layers.decided(ran)).set_index("id")
    row = summary.loc["std-better-uncentred"]
    assert row["verdict here"] == FAILS
    assert row["one"] == "holds: lower in 3, a tie in 0, higher in 0 of 3"
    assert row["two"].startswith("does not hold: lower in 0")
    assert row["claim"] == paper.claim_text("std-better-uncentred")
    assert "the paper: Llama-3.2" in summary.loc["analogous-on-others", "claim"]
    assert row["Table 2 as printed"] == "holds: lower in 9, equal in 9, higher in 0 of 18"
    assert summary.loc["analogous-on-others", "Table 2 as printed"].startswith("not printed")
    assert list(summary.index) == list(claims.layers.IDS)


def test_what_needs_90_per_cent_is_not_run_without_it():
    ran = frame({("fc1", "wanda"): 0.1})
    summary = claims.layers.summary(claims.layers.decided(ran[ran["sparsity"] < 0.9]))
    words = summary.set_index("id")["verdict here"]
    assert words["std-better-at-90"] == words["doubled-at-90"] == NOT_RUN
    assert words["mlp-hurts-most"] == HOLDS


def test_each_layer_type_has_its_own_verdict():
    ran = frame({("fc1", "std", 0.9): 0.01, ("fc2", "std"): 0.01})
    rows = pandas.concat([claims.layers.compared(ran), claims.layers.printed_comparisons()])
    found = claims.layers.each_layer(rows).set_index(["model", "layer"])
    assert found.loc[("one", "fc1"), "verdict"] == HOLDS
    assert found.loc[("one", "fc2"), "verdict"] == FAILS
    assert found.loc[("one", Q), "verdict"] == UNDECIDED
    assert found.loc[("one", "fc2"), "†"] == "STD metric"
    theirs = found.loc["Llama-7B, printed"]
    assert theirs.loc["mlp.down_proj", "verdict"] == HOLDS
    assert theirs.loc["mlp.gate_proj", "verdict"] == FAILS
    assert theirs.loc["self_attn.v_proj", "count"] == "lower in 9, a tie in 0, higher in 0 of 9"
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
    found = claims.reproduction.beside_layers(ran, p)
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
    assert set(claims.reproduction.beside_layers(ran, p)["verdict"]) == {"not compared"}
    assert "16 calibration windows, not 128" in tables.perplexity.table2(ran, p).data
