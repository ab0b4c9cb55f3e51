"""The counts see what is too long, too short or too wide."""

import pytest

from workflow.counts import MAY_BE_SHORT, ROOT, counts, main

LIMITED = ("files of stade_nb, __init__.py apart", "lines of stade_nb")


@pytest.fixture
def packages(tmp_path):
    """A library of one module of 50 lines and one door, and a book of one module of 60."""
    (tmp_path / "stade_nb" / "numerics").mkdir(parents=True)
    (tmp_path / "stade_book" / "pages" / "plots").mkdir(parents=True)
    for folder in ("stade_nb", "stade_nb/numerics", "stade_book"):
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "stade_nb" / "errors.py").write_text("X = 1\n")
    (tmp_path / "stade_nb" / "numerics" / "masks.py").write_text("X = 1\n" * 50)
    (tmp_path / "stade_book" / "pages" / "plots" / "real.py").write_text("X = 1\n" * 60)
    return tmp_path


def found(packages):
    return {count.what: count for count in counts(packages)}


def test_small_packages_break_nothing(packages):
    assert all(count.holds for count in counts(packages))
    numbers = {what: count.number for what, count in found(packages).items()}
    assert [numbers[what] for what in LIMITED] == [2, 51]
    assert numbers["  lines of numerics, files 1"] == 50
    assert numbers["files of stade_book, __init__.py apart"] == 1
    assert numbers["  lines of pages, files 1"] == numbers["lines of stade_book"] == 60
    assert numbers["files, all together"] == 3 and numbers["lines, all together"] == 111


@pytest.mark.parametrize(
    ("name", "text", "what", "named"),
    [
        ("stade_nb/long.py", "X = 1\n" * 301, "files of more than 300 lines", "long.py 301"),
        ("stade_book/long.py", "X = 1\n" * 301, "files of more than 300 lines", "long.py 301"),
        (
            "stade_nb/short.py", "X = 1\n" * 39,
            "files of fewer than 40 lines, doors apart", "short.py 39",
        ),
        ("stade_nb/numerics/more.py", "X = 1\n" * 811, "  lines of numerics, files 2", None),
        (
            "stade_book/wide.py",
            "def seven(a, b, c, d, e, f, g): ...\n"
            "class Wide:\n"
            "    def seven(self, a, b, c, d, e, f, g): ...\n"
            "    def eight(self, a, b, /, c, d, *e, f, g, **h): ...\n",
            "functions of more than 7 parameters",
            "wide.py Wide.eight 8",
        ),
    ],
)  # fmt: skip
def test_what_is_over_a_limit_is_named(packages, name, text, what, named):
    (packages / name).write_text(text)
    count = found(packages)[what]
    assert not count.holds and "BROKEN" in str(count)
    assert count.broken == ((f"{name.split('/')[0]}/{named}",) if named else ())


def test_too_many_files_and_lines_of_the_library_break_its_limits(packages):
    for package in ("stade_nb", "stade_book"):
        for number in range(84):
            (packages / package / f"module{number}.py").write_text("X = 1\n" * 130)
    broken = {what for what, count in found(packages).items() if not count.holds}
    assert broken == set(LIMITED)


def test_files_that_are_named_exist():
    assert all((ROOT / name).is_file() for name in MAY_BE_SHORT)


def test_this_project_keeps_every_limit(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "names at the front door" in said and "BROKEN" not in said


def test_what_is_broken_ends_with_status_1_and_a_report_refuses_nothing(packages, monkeypatch):
    (packages / "stade_nb" / "long.py").write_text("X = 1\n" * 301)
    monkeypatch.setattr("workflow.counts.ROOT", packages)
    assert (main([]), main(["--report"])) == (1, 0)
