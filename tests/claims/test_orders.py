"""Orders of methods, printed and ours."""

from stade_nb import claims
from stade_nb.claims import paper

METHODS = ["magnitude", "wanda", "stade"]


def test_orders_say_how_often_printed_and_what_holds_here(ran):
    pairs = paper.printed_orders(3, METHODS, ["2:4"])
    rows = claims.perplexity.as_printed(3, pairs, claims.verdicts.judge(ran, pairs)).set_index(
        "printed order"
    )
    assert rows.loc["STADE < Wanda", "in"] == "4 of 7"
    assert rows.loc["STADE < Wanda", "one"] == "−9.5 %: holds"
    assert rows.loc["STADE < Wanda", "two"] == "+10.5 %: does not hold"


def test_tally_counts_wins_ties_and_losses(ran):
    same = ran["method"].eq("stade") & ran["model"].eq("two") & ran["pattern"].eq("0.5")
    wanda = ran["method"].eq("wanda") & ran["model"].eq("two") & ran["pattern"].eq("0.5")
    ran.loc[same, "losses"] = ran.loc[wanda, "losses"].to_numpy()
    pairs = paper.against_others(3, "stade", [*METHODS, "std"], ["0.5", "2:4", "0.7"])
    assert [claim.above for claim in pairs] == ["magnitude", "wanda"]
    rows = claims.perplexity.tally(3, claims.verdicts.judge(ran, pairs), pairs)
    counted = rows.set_index(["comparison", "sparsity"])
    here, printed = counted.columns
    assert counted.loc[("STADE against Magnitude", "50 %"), here] == "2 / 0 / 0"
    assert counted.loc[("STADE against Wanda", "50 %"), here] == "1 / 1 / 0"
    assert counted.loc[("STADE against Wanda", "2:4"), here] == "1 / 0 / 1"
    # Table 3 at 50 %: lower for three models, equal for two, higher for two.
    assert counted.loc[("STADE against Wanda", "50 %"), printed] == "3 / 2 / 2"
    assert counted.loc[("STADE against Wanda", "70 %")].tolist() == ["not run here", "not printed"]
