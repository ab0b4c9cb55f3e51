"""A figure with sliders that computes in the page: nothing is loaded, no kernel is needed."""

from string import Template

from IPython.display import HTML

# (name, symbol, least, most, step, start)
SLIDERS = (
    ("mean", "μ, mean of the input", -3, 3, 0.1, 1.5),
    ("std", "σ, its standard deviation", 0, 2, 0.1, 0.8),
    ("weight", "W, the weight that goes", -2, 2, 0.1, 1),
)
_SLIDER = Template("""<label style="display:block;margin:.2em 0">
<span style="display:inline-block;min-width:15em">$symbol = <output>$start</output></span>
<input type="range" name="$name" aria-label="$symbol"
 min="$least" max="$most" step="$step" value="$start"
 style="width:16em;max-width:100%;vertical-align:middle"></label>""")
# Colours are inherited, so that the figure reads on a light and on a dark page.
_PAGE = Template("""<div id="$id" style="max-width:44em">
<svg viewBox="0 0 640 330" role="img" aria-labelledby="$id-title" style="width:100%">
<title id="$id-title">The expected squared change of the output over the new bias</title>
<g fill="none" stroke="currentColor">
<path d="M50 10V280H630" stroke-width="1"/><path class="kept" stroke-dasharray="2 4"/>
<path class="floor" stroke-dasharray="8 5"/><path class="curve" stroke-width="2.5"/>
<circle class="now" r="6"/></g><circle class="best" r="6" fill="currentColor"/>
<g fill="currentColor" font-size="14"><text x="340" y="322" text-anchor="middle">new bias B*
(the old one is B = 0)</text><text x="50" y="300" text-anchor="middle">−7</text>
<text x="340" y="300" text-anchor="middle">0</text><text x="630" y="300"
text-anchor="middle">7</text><text x="44" y="284" text-anchor="end">0</text>
<text x="44" y="20" text-anchor="end">20</text><text x="16" y="145" text-anchor="middle"
transform="rotate(-90 16 145)">expected squared change</text></g></svg>
$sliders
<p aria-live="polite" style="margin:.4em 0"></p>
<noscript>The sliders need JavaScript; the figures around them do not.</noscript>
<script>
(function () {
  const root = document.getElementById("$id"), pick = s => root.querySelector(s);
  const x = b => 340 + b * 290 / 7, y = v => 280 - v * 13.5;
  const text = v => v.toFixed(2).replace("-", "−");
  function draw() {
    const v = {};
    root.querySelectorAll("input").forEach(i => {
      v[i.name] = Number(i.value);
      i.parentElement.querySelector("output").textContent = i.value.replace("-", "−");
    });
    const shift = v.mean * v.weight, floor = (v.std * v.weight) ** 2;
    const loss = b => (b - shift) ** 2 + floor, path = [];
    for (let b = -7; b <= 7.001; b += 0.05)
      if (loss(b) <= 20) path.push((path.length ? "L" : "M") + x(b) + " " + y(loss(b)));
    pick(".curve").setAttribute("d", path.join(""));
    pick(".floor").setAttribute("d", "M50 " + y(floor) + "H630");
    pick(".kept").setAttribute("d", "M340 280V10");
    for (const [name, b] of [[".best", shift], [".now", 0]]) {
      pick(name).setAttribute("cx", x(b));
      pick(name).setAttribute("cy", Math.max(y(loss(b)), -20));
    }
    pick("p").textContent = "Best bias B + μW = " + text(shift) + ", which costs σ²W² = " +
      text(floor) + " (filled). Bias kept: (σ² + μ²)W² = " + text(loss(0)) + " (open).";
  }
  root.addEventListener("input", draw);
  draw();
})();
</script></div>""")


def parabola(identifier: str = "stade-parabola") -> HTML:
    """Eqs. 3 and 7–9 for one weight: the loss over the new bias, with sliders for μ, σ and W.

    identifier: the HTML id, one for each copy on a page.
    """
    names = ("name", "symbol", "least", "most", "step", "start")
    sliders = "\n".join(
        _SLIDER.substitute(dict(zip(names, values, strict=True))) for values in SLIDERS
    )
    return HTML(_PAGE.substitute(id=identifier, sliders=sliders))
