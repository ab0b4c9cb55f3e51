"""The figure with sliders, moved by a mouse in a browser."""

import re

import pytest
from browser import needs_browser, opened
from sliders import check, shown, slide

from stade_book.pages import sliders


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sliders")
    path = folder / "page.html"
    figures = "".join(sliders.parabola(name).data for name in ("one", "two"))
    path.write_text(f"<!doctype html><meta charset=utf-8>{figures}", "utf-8")
    with opened(path, folder / "user") as page:
        yield page


@needs_browser
def test_as_opened_it_shows_the_closed_forms_at_its_defaults(page):
    values, curve, sentence = shown(page, "two")
    assert values == {name: start for name, *_, start in sliders.SLIDERS}
    check(values, curve, sentence)


@needs_browser
@pytest.mark.parametrize("name", ["mean", "std", "weight"])
@pytest.mark.parametrize("share", [0.15, 0.8])
def test_dragging_a_slider_moves_the_curve_and_the_minimum(page, name, share):
    before = shown(page, "one")
    other = shown(page, "two")
    value = slide(page, "one", name, share)
    (least, most) = next((low, high) for n, _, low, high, *_ in sliders.SLIDERS if n == name)
    assert value == pytest.approx(least + share * (most - least), abs=0.1001)
    after = shown(page, "one")
    assert after[0] == before[0] | {name: value}
    assert after[1] != before[1] and after[2] != before[2]
    check(*after)
    assert shown(page, "two") == other, "each figure has its own sliders"


@needs_browser
def test_the_check_sees_a_wrong_curve_or_number(page):
    values, curve, sentence = shown(page, "two")
    with pytest.raises(AssertionError):
        check(values | {"std": values["std"] + 0.1}, curve, sentence)
    with pytest.raises(AssertionError):
        check(values, curve, sentence.replace("1.50", "1.60"))


def test_sliders_load_nothing_and_have_their_own_id():
    page = sliders.parabola("one").data
    assert not re.search(r"https?:|src=|href=|@import|fetch\(", page)
    assert page.count('id="one"') == 1 and "$" not in page.replace("${", "")
    assert page.count('type="range"') == len(sliders.SLIDERS)
    assert sliders.parabola("two").data != page
