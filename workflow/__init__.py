"""What runs the notebooks and keeps the checkout in order; no part of the package."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
