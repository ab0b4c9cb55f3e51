"""What tables of the pages beyond the paper say, in a sentence for the text around them."""

from collections.abc import Iterable, Sequence

import pandas

from stade_book.claims import paper, verdicts
from stade_book.claims.verdicts import NOT_RUN
from stade_book.pages.tables.accuracy import short
from stade_book.pages.tables.ladder import percent
from stade_book.studies import layer_losses, layer_types, means
from stade_nb.corpus import questions


def asked(names: Iterable[str]) -> str:
    """What a page's models were asked, by the tasks' names: this book's seven, or which."""
    found = list(dict.fromkeys(names))
    own = "seven tasks made for this book's small models"
    return own if set(found) == set(questions.TASKS) else ", ".join(map(short, found))


def corrected(pairs: pandas.DataFrame) -> str:
    """What `layer_losses.corrected` counts over models: pairs whose loss falls, then by metric."""
    if pairs.empty:
        return NOT_RUN
    sums = pairs.groupby("method", sort=False)[["pairs", "loss", "perplexity"]].sum()
    parts = [
        f"in {row.perplexity} of {row.pairs} with {paper.title(layer_losses.CORRECTED[row.Index])}"
        for row in sums.itertuples()
    ]
    whole = sums.sum()
    return (
        f"the loss falls in {whole['loss']} of {whole['pairs']} pairs, the perplexity "
        f"{', '.join(parts)}"
    )


def agreeing(row: tuple) -> str:
    """How often two ways to call layers centred agree, of a row of `centred_inputs.split`."""
    return (
        f"place and measurement agree in {row.agree:.0%} of {row.layers} layers, counted by input "
        f"in {row.inputs:.0%}"
    )


def types(cells: pandas.DataFrame) -> dict[str, str]:
    """What the cells of `tables.losses.real_types` say: "types", and "pairs" of methods."""
    between = [
        f"{row.model}: the loss {word(row.median)}"
        for row in layer_types.answers(cells).itertuples()
    ]
    inside = [
        f"{paper.title(row.one)} and {paper.title(row.other)} {row.agree} of {row.pairs}"
        for row in layer_types.within(cells).itertuples()
    ]
    said = {
        "types": "; ".join(between),
        "pairs": ", ".join(inside),
    }
    return {name: words or NOT_RUN for name, words in said.items()}


def without_copies(firm: pandas.DataFrame) -> str:
    """The rule's words without near copies of Wanda: "smollm2-135m: predicts partly (median 0.62)".

    firm: from `layer_losses.firmness`.
    """
    middle = firm.groupby("model", sort=False)["whole"].median()
    return ", ".join(f"{model}: {word(rho)}" for model, rho in middle.items()) or NOT_RUN


def word(rho: float) -> str:
    """What a median correlation says, and how large it is: "predicts partly (median 0.62)"."""
    said = layer_losses.word_for(rho)
    verb = "predicts partly" if said == layer_losses.PARTLY else said
    return f"{verb} (median {rho:.2f})".replace("-", "−")


def together(found: pandas.DataFrame, design: str, names: Sequence[str]) -> str:
    """The interaction's part in rows of `tables.studies.answers`: "a 78 %, b 36 %".

    design: of the rows that count; names: of their models.
    """
    rows = found[(found["design"] == design) & found["model"].isin(names)].itertuples()
    return ", ".join(f"{row.model} {100 * row.together:.0f} %" for row in rows) or NOT_RUN


def dsnot(swaps: pandas.DataFrame, before: pandas.DataFrame) -> str:
    """In how many rows of `swaps` DSnoT's gain vanishes, and where there is one at all.

    swaps: from `mask_or_compensation.vanishes`. before: from its `against`, of DSnoT and Wanda.
    """
    if swaps.empty:
        return NOT_RUN
    return (
        f"{verdicts.count(swaps['verdict'])}. DSnoT's perplexity is lower than Wanda's to begin "
        f"with: {verdicts.counted(before)}"
    )


def bias_in_down(places: pandas.DataFrame, tried: pandas.DataFrame) -> dict[str, str]:
    """What a bias of means in down changes at 2:4 on the first model that `tried` has.

    places: from `mask_or_compensation.against`, of the correction in single places, where every
    later block is pruned anew: "anew". tried: from `means.gains`, where nothing but the bias
    differs: "alone".
    """
    alone = tried[(tried["part"] == "down") & (tried["plain"] == means.NONE)]
    alone = alone[(alone["way"] == means.MEAN) & (alone["pattern"] == "2:4")].head(1)
    anew = places[(places["below"] == "wanda_bias_down") & (places["pattern"] == "2:4")]
    anew = anew[anew["model"].isin(alone["model"])]
    return {
        f"down_{name}": f"{percent(rows['change'].item())} %" if len(rows) else NOT_RUN
        for name, rows in (("anew", anew), ("alone", alone))
    }


def lengths(found: pandas.DataFrame) -> str:
    """How differences from Wanda change with the windows: "STADE +2.4 to +4.8 %, …".

    found: from `tables.earlier.by_length`, each method from the shortest windows to the longest.
    """
    rows = found[found["change"].notna()].sort_values("length", kind="stable")
    parts = []
    for model, some in rows.groupby("model", sort=False):
        ends = [
            f"{paper.title(method)} {' to '.join(percent(one) for one in each['change'])} %"
            for method, each in some.groupby("method", sort=False)
        ]
        parts.append(f"{model}, {', '.join(ends)}")
    return "; ".join(parts) or NOT_RUN
