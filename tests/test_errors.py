"""The message for an unknown name, beside its docstring's example."""

import pytest

from stade_nb.errors import shortened, unknown


def test_unknown_suggests_nothing_where_nothing_is_close():
    assert str(unknown("scope", 7, ["row", "layer"])) == "unknown scope 7: known: row, layer"


def test_unknown_suggests_the_closest_of_several_and_lists_them_all():
    message = str(unknown("method", "stad", ["std", "stade", "wanda"]))
    assert message == "unknown method 'stad': did you mean 'stade'? known: std, stade, wanda"


def test_callers_who_know_no_stade_error_catch_a_value_error():
    with pytest.raises(ValueError, match="unknown scope"):
        raise unknown("scope", 7, ["row", "layer"])


def test_what_stands_in_the_wrong_place_is_not_suggested_as_itself():
    assert str(unknown("layer type", "all", ["all", "q_proj"])) == (
        "unknown layer type 'all': known: all, q_proj"
    )


def test_a_value_is_quoted_only_so_far():
    assert len(str(unknown("method", "x" * 10**6, ["wanda"]))) < 200
    assert shortened("x" * 80) == "x" * 80
    assert shortened("x" * 81) == "x" * 80 + "... (81 characters)"
