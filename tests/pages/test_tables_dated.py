"""The line above a table says when its numbers were computed, and on which models."""

from bs4 import BeautifulSoup

from stade_book.pages.tables import dated


def text_of(names):
    return BeautifulSoup(dated.here(names).data, "lxml").text


def test_what_this_build_computed_says_on_which_models():
    said = text_of(["embedded"])
    assert said.startswith("Computed in this build.") and "0.2–0.5 million" in said
    assert "0.2–0.5 million" not in text_of(["llama-230k", "facebook/opt-125m"])


def test_the_head_of_a_page_names_the_models_that_were_run_and_not_the_books(tmp_path):
    small = "models of 0.2–0.5 million parameters"
    assert dated.on(["embedded"]) == dated.on(["llama-230k"]) == small
    mine = tmp_path / "mine"
    mine.mkdir()
    assert dated.on(["llama-230k", str(mine)]) == "llama-230k, mine"


def test_commands_are_counted_and_are_text():
    assert dated.commands("What is not run", []) == ""
    page = BeautifulSoup(dated.commands("What is not run", ["a < b", "c"]), "lxml")
    assert page.find("summary").text == "What is not run: 2 commands"
    assert page.find("pre").text == "a < b\nc"
