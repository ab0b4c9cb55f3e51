"""A record whose bytes or values are altered is what was written, or is named as damaged."""

import json
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stade_book.studies import shipped
from stade_nb.engine import records
from stade_nb.errors import StadeError
from stade_nb.files import digest

FIELDS = {"method": "wanda", "pattern": "0.5", "seed": 0, "layers": ["q_proj"], "numerics": 1}
RESULT = {"model": "m", "perplexity": 3.25, "losses": [1.0, 1.5], "zeros": {"a": 1}}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for one record."""
    return tmp_path_factory.mktemp("records")


def looked_at(path, content):
    """What is read of a record with these bytes; None where it is damaged, and said to be."""
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = records.read(path.parent, FIELDS)
    if result is None:
        assert path.name in str(said[0].message)
    try:
        assert records.checked(path)["result"] == result
    except StadeError as error:
        assert result is None and path.name in str(error) and "\n" not in str(error)
    return result


@given(st.data())
def test_bytes_that_are_altered_are_seen(folder, data):
    path = records.write(folder, FIELDS, RESULT)
    content = path.read_bytes()
    start = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(start, min(len(content), start + 8)))
    altered = content[:start] + data.draw(st.binary(max_size=8)) + content[end:]
    found = looked_at(path, altered)
    assert found is None or found == RESULT  # white space may differ


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"key": ' * 50_000)
@example(b"9" * 5000)
def test_anything_in_a_records_place_is_damaged(folder, content):
    path = records.path_of(folder, FIELDS)
    assert looked_at(path, content) is None


@given(JSON, JSON)
@example([1], FIELDS)
@example(None, FIELDS)
@example({"perplexity": "x"}, FIELDS)
@example(RESULT, [1])
def test_checksums_that_fit_other_things_do_not_make_a_record(folder, result, fields):
    content = {"key": digest(fields), "fields": fields, "result": result}
    path = folder / f"{content['key']}.json"
    path.write_text(json.dumps(content | {"digest": digest([fields, result])}))
    try:
        found = records.checked(path)
        assert isinstance(found["fields"], dict) and isinstance(found["result"], dict)
        shipped.rows("m", folder)
    except StadeError as error:
        assert ".json" in str(error)
    finally:
        path.unlink()
