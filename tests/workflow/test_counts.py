"""The counts see what is too long, too short or too wide."""

import pytest

from workflow.counts import LATER, MAY_BE_SHORT, PACKAGE, ROOMS, counts, main

HOUSE = ("files of the planned house, __init__.py apart", "lines of the planned house")


@pytest.fixture
def package(tmp_path):
    """A package of one module of 50 lines and one door."""
    (tmp_path / "numerics").mkdir()
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "errors.py").write_text("X = 1\n")
    (tmp_path / "numerics" / "masks.py").write_text("X = 1\n" * 50)
    return tmp_path


def found(package):
    return {count.what: count for count in counts(package)}


def test_a_small_package_breaks_nothing(package):
    assert all(count.holds for count in counts(package))
    assert found(package)[HOUSE[0]].number == 2
    assert found(package)[HOUSE[1]].number == 51
    assert found(package)["  lines of numerics/, files 1"].number == 50


@pytest.mark.parametrize(
    ("name", "text", "what", "named"),
    [
        ("long.py", "X = 1\n" * 301, "files of more than 300 lines", "long.py 301"),
        ("short.py", "X = 1\n" * 39, "files of fewer than 40 lines, doors apart", "short.py 39"),
        ("numerics/more.py", "X = 1\n" * 801, "  lines of numerics/, files 2", None),
        (
            "wide.py",
            "def seven(a, b, c, d, e, f, g): ...\n"
            "class Wide:\n"
            "    def seven(self, a, b, c, d, e, f, g): ...\n"
            "    def eight(self, a, b, /, c, d, *e, f, g, **h): ...\n",
            "functions of more than 7 parameters",
            "wide.py Wide.eight 8",
        ),
    ],
)
def test_what_is_over_a_limit_is_named(package, name, text, what, named):
    (package / name).write_text(text)
    count = found(package)[what]
    assert not count.holds and "BROKEN" in str(count)
    assert count.broken == ((named,) if named else ())


def test_too_many_files_and_lines_break_their_limits(package):
    for number in range(84):
        (package / f"module{number}.py").write_text("X = 1\n" * 130)
    broken = {what for what, count in found(package).items() if not count.holds}
    assert broken == set(HOUSE)


def test_what_came_later_is_counted_apart_and_in_the_sums(package):
    for folder in ("studies", "models"):
        (package / folder).mkdir()
        (package / folder / "__init__.py").write_text("")
    (package / "studies" / "outliers.py").write_text("X = 1\n" * 60)
    (package / "models" / "packaged.py").write_text("X = 1\n" * 70)
    (package / "models" / "loading.py").write_text("X = 1\n" * 40)
    numbers = {what: count.number for what, count in found(package).items()}
    assert [numbers[what] for what in HOUSE] == [3, 51 + 40]
    assert numbers["  lines of models/, files 1"] == 40
    assert numbers["  lines of models from the package index, files 1"] == 70
    assert numbers["  lines of studies/, a later room, files 1"] == 60
    assert numbers["files, all together"] == 5
    assert numbers["lines, all together"] == 51 + 40 + 70 + 60


def test_files_and_rooms_that_are_named_exist():
    named = [*MAY_BE_SHORT, *(name for files in LATER.values() for name in files)]
    assert all((PACKAGE / name).is_file() for name in named)
    assert all((PACKAGE / room).is_dir() for room in ROOMS)


def test_the_report_refuses_nothing(capsys):
    assert main(["--report"]) == 0
    assert "names at the front door" in capsys.readouterr().out
