"""data/rules.csv: each rule was committed before the first number that it judges, and still is."""

import csv
import subprocess

import pytest

from stade_nb import paths

ROOT = paths.DATA.parent
ROWS = list(csv.DictReader((paths.DATA / "rules.csv").read_text(encoding="utf-8").splitlines()))


def git(*words):
    return subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
    )


def plain(text):
    """Words with single spaces between them, whether of a docstring or of a comment."""
    return " ".join(text.replace("#", " ").split())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["question"])
def test_the_rule_was_there_before_its_number_in_the_same_words(row):
    (rule, number), words = row["rule, first number"].split(), row["in the rule's words"]
    file = f"studies/{row['study']}.py"
    assert words in plain((ROOT / "stade_book" / file).read_text(encoding="utf-8"))
    for commit in (rule, number):
        if git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
            pytest.skip(f"the history does not have {commit}: a shallow clone, or no clone at all")
    assert not git("merge-base", "--is-ancestor", rule, number).returncode
    assert git("rev-parse", rule).stdout != git("rev-parse", number).stdout
    names = git("ls-tree", "-r", "--name-only", rule).stdout.split()
    (path,) = (name for name in names if name.endswith(file))
    assert words in plain(git("show", f"{rule}:{path}").stdout)


def test_every_study_that_has_a_rule_is_in_the_list():
    listed = {f"{row['study']}.py" for row in ROWS}
    studies = (ROOT / "stade_book" / "studies").glob("*.py")
    ruled = {path.name for path in studies if "rule" in path.read_text("utf-8").lower()}
    # Parts of a study whose rule stands elsewhere: they speak of it.
    assert ruled - {"__init__.py", "layer_inputs.py", "measured.py", "shares.py"} <= listed
