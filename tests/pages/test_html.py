"""Tables, provenance and model cards as pages show them."""

import io
import subprocess

import pandas
import pytest
from bs4 import BeautifulSoup

from stade_book.pages import html, provenance
from stade_book.training import cards
from stade_nb.errors import StadeError
from stade_nb.models import loading


def read(shown) -> pandas.DataFrame:
    return pandas.read_html(io.StringIO(shown.data), thousands=None)[0]


def test_values_are_written_for_readers():
    frame = pandas.DataFrame(
        {"n": [1_000_000, -2], "x": [0.5, -0.25], "ok": [True, False], "text": ["a\nb", "<i>"]}
    )
    shown = read(html.table(frame, {"x": "{:+.1f}"}, {"x": "change"}))
    assert list(shown.columns) == ["n", "change", "ok", "text"]
    assert list(shown["n"]) == ["1,000,000", "−2"]
    assert list(shown["change"]) == ["+0.5", "−0.2"]
    assert list(shown["ok"]) == ["yes", "no"]
    assert list(shown["text"]) == ["a b", "<i>"]


def test_large_numbers_have_commas_and_a_percent_sign_keeps_its_line():
    frame = pandas.DataFrame(
        {"seconds": [2781.4, 99.5], "change": [-0.5, 12.34], "text": ["50 % of 1234", "±  2"]}
    )
    shown = read(html.table(frame, {"seconds": "{:.1f}", "change": "{:+.1%}", "text": "{}"}))
    assert list(shown["seconds"]) == ["2,781.4", "99.5"]
    assert list(shown["change"]) == ["−50.0\u00a0%", "+1,234.0\u00a0%"]
    assert shown["text"][0] == "50\u00a0% of 1234"  # as it was given: it may be a name


def test_a_table_has_a_caption_and_says_what_its_headings_head():
    frame = pandas.DataFrame({"n": [1], "text": ["<i>"]})
    shown = BeautifulSoup(html.table(frame, caption='of "a" & <b>').data, "lxml").find("table")
    assert shown.find("caption").text == 'of "a" & <b>'
    assert next(child.name for child in shown.children if child.name) == "caption"
    assert [heading["scope"] for heading in shown.find_all("th")] == ["col", "col"]
    assert BeautifulSoup(html.table(frame).data, "lxml").find("caption") is None


def test_the_record_of_each_number_is_behind_a_line_to_click():
    key = "0123456789ab"
    cells = pandas.DataFrame({"model": ["<one>"], "method": ["Wanda"], "record": [key]})
    page = provenance.shown(records=cells, folder="build/<r>", device="cpu").data
    assert len(BeautifulSoup(page, "lxml").find("table").find_all("tr")) == 6
    details = BeautifulSoup(page, "lxml").find("details")
    assert details.find("summary").text == "Records of 1 cells" and not details.has_attr("open")
    assert "build/<r>/<record>*.json" in details.find("caption").text
    assert [cell.text for cell in details.find_all("td")] == ["<one>", "Wanda", key]


def test_what_a_user_writes_is_text_wherever_it_is_shown():
    """A model's folder, a corpus, a question: no tag of theirs becomes one of the page."""
    hostile = "</td></table><script>alert(1)</script><img src=x onerror='x'>&amp;\"<th>"
    frame = pandas.DataFrame({"model": [hostile], hostile: ["x"]})
    named = html.table(frame, names={"model": hostile}, caption=hostile)
    page = provenance.shown(frame.assign(record="0"), hostile, model=hostile, calibration=hostile)
    by_format = html.table(frame, {"model": str, hostile: "{}"})
    for shown in (named, page, by_format):
        soup = BeautifulSoup(shown.data, "lxml")
        assert not soup.find_all(["script", "img"]) and hostile in soup.get_text()


@pytest.mark.parametrize(
    ("complaint", "said"),
    [
        ("fatal: detected dubious ownership in repository at '/book'", "another owner: git config"),
        ("fatal: not a git repository (or any of the parent directories): .git", "no git reposito"),
    ],
)
def test_why_there_is_no_commit_is_what_git_says(monkeypatch, complaint, said):
    refusal = subprocess.CompletedProcess(["git"], 128, "", complaint)
    monkeypatch.setattr(provenance.subprocess, "run", lambda *_, **__: refusal)
    assert provenance.commit().startswith("not recorded (") and said in provenance.commit()


def test_zero_is_just_zero():
    frame = pandas.DataFrame({"difference": [0.0, 1e-16]})
    assert list(read(html.table(frame, {"difference": "{:.0e}"}))["difference"]) == [
        "0",
        "1e−16",
    ]


def test_provenance_has_the_facts_of_the_page_and_of_the_machine():
    rows = read(provenance.shown(seed=3, device="cpu")).set_index("what")["value"]
    assert rows["seed"] == "3"
    assert rows["device"].startswith("cpu (")
    assert "torch" in rows["versions"] and "UTC" in rows["date"]
    assert rows["commit"] and rows["run time"].endswith("on disk already")


def test_embedded_stands_for_all_embedded_models(monkeypatch):
    monkeypatch.setattr(loading, "embedded_models", lambda: ["a", "b"])
    assert loading.named(["embedded"]) == ["a", "b"]
    assert loading.named(["x/y", "embedded", "b"]) == ["x/y", "a", "b"]
    monkeypatch.setattr(loading, "embedded_models", lambda: [])
    with pytest.raises(StadeError, match="make models"):
        loading.named(["embedded"])
    with pytest.raises(StadeError, match=r"no training\.json"):
        cards.record("x/y")


def test_latex_is_kept_and_found_by_the_page():
    frame = pandas.DataFrame({"formula": [r"C^{-1} < \mu_j"], "n": [-1]})
    shown = BeautifulSoup(html.table(frame, {"formula": html.latex}).data, "lxml")
    assert shown.find("td").text == r"\(C^{-1} < \mu_j\)"
    assert "mathjax_process" in shown.find("table")["class"]
    plain = BeautifulSoup(html.table(frame).data, "lxml")
    assert "mathjax_process" not in plain.find("table").get("class", [])


def test_a_models_name_stays_as_it_is():
    frame = pandas.DataFrame({"model": ["mine 100%", "a ± b"], "share": ["100%", "50 %"]})
    page = html.table(frame).data
    assert "<td>mine 100%</td>" in page and "<td>a ± b</td>" in page
    assert "<td>100\N{NO-BREAK SPACE}%</td>" in page and "<td>50\N{NO-BREAK SPACE}%</td>" in page
