"""The measured tables of benchmarks/README.md, from what the benchmarks have stored.

python benchmarks/write_readme.py benchmarks/results/*.json
"""

import json
import sys
from pathlib import Path

import public

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
MIB = 2**20
# How many times faster than each cell by itself the engine is to be, by table.
GOALS = {"table3": 3.0, "table2": 5.0}
# What share of a product's rate passes are to have; the head is not one of them.
GOAL, PRODUCT, HEAD = 0.75, "a product alone", "head and losses"


def table(content: dict) -> str:
    """One stored run in Markdown: the ways side by side, the engine's parts, the floor."""
    if "passes" in content:
        return passes(content)
    if "public" in content:
        return beside_public(content)
    about = content["about"]
    names = sorted(name for name in content if name.startswith("table"))
    lines = [
        f"**{about['model']}**, {about['windows']}.",
        f"{about['machine']}; {about['versions']}; {about['date']}; commit {about['commit']}.",
        "",
        "| table | way | s | processor s | engine faster by | peak MiB |",
        "|---|---|---:|---:|---:|---:|",
        *(row(name, content[name], way) for name in names for way in content[name]["ways"]),
        "",
        *(explanation(name, content[name]) for name in names),
    ]
    return "\n".join(lines) + "\n"


def passes(content: dict) -> str:
    """A stored run of forward.py in Markdown: rates beside a product's."""
    about, found = content["about"], content["passes"]
    whole = found[PRODUCT]["rate"]
    met = {
        name: "" if name in (PRODUCT, HEAD) else "yes" if one["rate"] >= GOAL * whole else "no"
        for name, one in found.items()
    }
    best = {name: one["rate"] * one["seconds"] / one["least"] for name, one in found.items()}
    lines = [
        f"**{about['model']}**, passes: {about['windows']}; blocks: {about['blocks']}.",
        f"{about['machine']}; {about['versions']}; {about['date']}; commit {about['commit']}.",
        "",
        "| what | processor s | GFLOP/s | of a product's rate | by least times | "
        f"{GOAL:.0%} reached |",
        "|---|---:|---:|---:|---:|---|",
        *(
            f"| {name} | {one['seconds']:.2f} | {one['rate'] / 1e9:.1f} | "
            f"{one['rate'] / whole:.0%} | {best[name] / best[PRODUCT]:.0%} | {met[name]} |"
            for name, one in found.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def beside_public(content: dict) -> str:
    """A stored run of public.py in Markdown: the public procedure beside the engine."""
    about, found = content["about"], content["public"]
    lines = [
        f"**{about['model']}**, the public procedure: {about['windows']}; blocks: "
        f"{found['blocks']}.",
        f"{about['machine']}; {about['versions']}; {about['date']}; commit {about['commit']}.",
        "",
        f"- {public.shown(found)}",
    ]
    return "\n".join(lines) + "\n"


def row(name: str, measured: dict, way: str) -> str:
    """A way to a table beside the engine."""
    found, engine = measured["ways"][way], measured["ways"]["engine"]
    ratio = found["seconds"] / engine["seconds"]
    peak = f"{found['host'] / MIB:,.0f}"
    if found["device"]:
        peak += f" + {found['device'] / MIB:,.0f}"
    return (
        f"| {number(name)} | {way} | {found['seconds']:.0f} | {found['processor']:.1f} | "
        f"{ratio:.2f} | {peak} |"
    )


def explanation(name: str, measured: dict) -> str:
    """Where the engine's time went, and what the operations alone would take."""
    floor = measured["floor"]
    went = "; ".join(f"*{way}* {parts(found)}" for way, found in measured["ways"].items())
    return (
        f"- Table {number(name)}: {goal(name, measured)}Where time went: {went}. Floor: "
        f"{floor['operations']:.3g} operations at {floor['rate']:.3g} per second take "
        f"{floor['seconds']:.1f} s. Hidden states of all cells: {floor['held'] / MIB:,.0f} MiB. "
        f"Largest relative difference of a perplexity: {difference(measured):.1e}."
    )


def parts(found: dict) -> str:
    """The parts that a way's time went into, those of 1 % and more."""
    total = sum(found["parts"].values())
    shares = sorted(found["parts"].items(), key=lambda part: -part[1])
    return ", ".join(f"{part} {spent / total:.0%}" for part, spent in shares if spent > total / 100)


def goal(name: str, measured: dict) -> str:
    """Whether the table's goal is reached, where that was measured."""
    plain, engine = measured["ways"].get("each cell by itself"), measured["ways"]["engine"]
    if plain is None or name not in GOALS:
        return ""
    ratio = plain["seconds"] / engine["seconds"]
    reached = "reached" if ratio >= GOALS[name] else "not reached"
    return f"goal of {GOALS[name]:g} times {reached} ({ratio:.2f} times). "


def number(name: str) -> str:
    """The table's number in a key such as "table3"."""
    return name.removeprefix("table")


def difference(found: dict) -> float:
    """The largest relative difference between a perplexity of one way and of the first one."""
    first, *others = (way["perplexities"] for way in found["ways"].values())
    return max(
        abs(one - other) / one
        for values in others
        for one, other in zip(first, values, strict=True)
    )


def written(readme: str, stored: list[dict]) -> str:
    """The README's text with the tables of the stored runs between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n".join(map(table, stored)) + END + after


if __name__ == "__main__":
    stored = [json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]]
    README.write_text(written(README.read_text("utf-8"), stored), "utf-8")
