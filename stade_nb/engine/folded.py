"""Counts by layer, written short: layer names that differ by their block's number alone are one.

A record counts zeros, weights and biases of every layer, by its full name: nine tenths of its
length are those names. Folded, a model's thirty blocks are one name with "*" for the number, and
equal counts of neighbouring blocks are one pair, the count and how often.
"""

import json
from itertools import chain, groupby

_MANY = 100_000  # more layers of a type than any model has: a damaged record would fill memory


def fold(by_layer: dict[str, int]) -> dict:
    """Counts by full layer name, folded; as they are where `unfold` would not give them again.

    >>> fold({"model.layers.0.mlp.up_proj": 8, "model.layers.1.mlp.up_proj": 8})
    {'model.layers.*.mlp.up_proj': [[8, 2]]}
    """
    columns: dict[str, list[int]] = {}
    for name, count in by_layer.items():
        columns.setdefault(_pattern(name), []).append(count)
    short = {
        pattern: [[count, len(list(same))] for count, same in groupby(counts)]
        for pattern, counts in columns.items()
    }
    # As text: 8 and 8.0 are equal, but not the same content to a record's checksum.
    return short if json.dumps(unfold(short)) == json.dumps(by_layer) else by_layer


def unfold(folded: dict) -> dict:
    """Counts by full layer name, block by block, of what `fold` made; anything else as it is.

    ValueError or TypeError where a folded name's list is none of pairs, count and how often.
    """
    if not folded or not all("*" in name and isinstance(folded[name], list) for name in folded):
        return folded
    columns = {pattern: _column(pairs) for pattern, pairs in folded.items()}
    return {
        pattern.replace("*", str(block), 1): column[block]
        for block in range(max(map(len, columns.values())))
        for pattern, column in columns.items()
        if block < len(column)
    }


def _pattern(name: str) -> str:
    """A layer's name with "*" for the number of its block; as it is where it has none.

    >>> _pattern("model.decoder.layers.11.fc1")
    'model.decoder.layers.*.fc1'
    """
    before, marked, after = name.partition(".layers.")
    number, dot, rest = after.partition(".")
    return f"{before}{marked}*{dot}{rest}" if number.isdecimal() else name


def _column(pairs: list) -> list[int]:
    for _, times in pairs:
        if type(times) is not int or not 0 < times <= _MANY:
            raise ValueError(f"{times!r} blocks")
    if len(pairs) > _MANY or sum(times for _, times in pairs) > _MANY:
        raise ValueError(f"more than {_MANY:,} blocks")
    return list(chain.from_iterable([count] * times for count, times in pairs))
