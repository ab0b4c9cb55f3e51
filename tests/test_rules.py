"""data/rules.csv: each rule was committed before the first number that it judges."""

import csv
import subprocess

import pytest

from stade_nb import paths

ROWS = list(csv.DictReader((paths.DATA / "rules.csv").read_text(encoding="utf-8").splitlines()))


def git(*words):
    return subprocess.run(
        ["git", "-C", str(paths.DATA.parent), *words], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["question"])
def test_the_rule_was_there_before_its_number(row):
    rule, number = row["rule commit"], row["first number"]
    for commit in (rule, number):
        if git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
            pytest.skip(f"the history does not have {commit}: a shallow clone, or no clone at all")
    assert not git("merge-base", "--is-ancestor", rule, number).returncode
    assert git("rev-parse", rule).stdout != git("rev-parse", number).stdout
    names = git("ls-tree", "-r", "--name-only", rule).stdout.split()
    (path,) = (name for name in names if name.endswith(row["rule"]))
    assert "rule" in git("show", f"{rule}:{path}").stdout.lower()


def test_every_rule_is_still_where_it_says():
    for row in ROWS:
        assert (paths.DATA.parent / "stade_book" / row["rule"]).is_file(), row
