"""The message for an unknown name."""

from stade_nb.errors import StadeError, unknown


def test_unknown_suggests_the_closest_name():
    error = unknown("method", "wnda", ["magnitude", "wanda"])
    assert isinstance(error, StadeError) and isinstance(error, ValueError)
    assert str(error) == "unknown method 'wnda': did you mean 'wanda'? known: magnitude, wanda"


def test_unknown_suggests_nothing_where_nothing_is_close():
    assert str(unknown("scope", 7, ["row", "layer"])) == "unknown scope 7: known: row, layer"
