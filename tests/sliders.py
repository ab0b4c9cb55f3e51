"""What the figure with sliders shows, read out of a page, and what it ought to show."""

import re

import pytest
import torch
from browser import Page

from stade_book.theory import synthetic

# The drawing's scale, as its axes are labelled: B* from -7 to 7, loss from 0 to 20.
LEFT, RIGHT, BOTTOM, TOP = 50.0, 630.0, 280.0, 10.0


def slide(page: Page, identifier: str, name: str, share: float) -> float:
    """Drag a slider's thumb to `share` of its way with the mouse; the value that it then has."""
    one = f'document.querySelector("#{identifier} input[name={name}]")'
    page.evaluate(f'{one}.scrollIntoView({{block: "center", behavior: "instant"}})')
    box = page.evaluate(f"(r => [r.left, r.top, r.width, r.height])({one}.getBoundingClientRect())")
    left, top, width, height = box
    now = page.evaluate(f"({one}.value - {one}.min) / ({one}.max - {one}.min)")
    thumb = 16  # its middle never comes closer to an end than half its width
    at = [left + thumb / 2 + part * (width - thumb) for part in (now, share)]
    page.drag((at[0], top + height / 2), (at[1], top + height / 2))
    return float(page.evaluate(f"{one}.value"))


def shown(page: Page, identifier: str) -> tuple[dict[str, float], str, str]:
    """Values of the sliders, the path of the curve, and the sentence below it."""
    root = f'document.getElementById("{identifier}")'
    values = page.evaluate(
        f"Object.fromEntries([...{root}.querySelectorAll('input')].map(i => [i.name, +i.value]))"
    )
    curve = page.evaluate(f'{root}.querySelector(".curve").getAttribute("d")')
    return values, curve, page.evaluate(f'{root}.querySelector("p").textContent')


def check(values: dict[str, float], curve: str, sentence: str) -> None:
    """The curve is Eq. 3 and the sentence has Eqs. 7–9, as the library computes them."""
    moments = values["weight"], values["mean"], values["std"] ** 2
    points = torch.tensor([[float(n) for n in xy.split()] for xy in re.findall(r"[^ML]+", curve)],
                          dtype=torch.float64)  # fmt: skip
    assert len(points) > 20
    bias = (points[:, 0] - LEFT) / (RIGHT - LEFT) * 14 - 7
    loss = (BOTTOM - points[:, 1]) / (BOTTOM - TOP) * 20
    torch.testing.assert_close(loss, synthetic.loss(0, bias, *moments), rtol=0, atol=1e-9)
    numbers = re.findall(r"= (−?\d+\.\d+)", sentence)
    found = [float(number.replace("−", "-")) for number in numbers]
    best = synthetic.best_bias(0, *moments[:2])
    expected = [best, synthetic.loss(0, best, *moments), synthetic.loss(0, 0, *moments)]
    # Two digits are shown; JavaScript and Python may round a half differently.
    assert found == pytest.approx(expected, abs=0.0051)
