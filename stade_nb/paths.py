"""Where the checkout is."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERDICTS = ROOT / "build" / "verdicts"  # what each page found, for the scorecard
