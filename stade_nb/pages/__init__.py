"""What only a notebook needs: parameters, HTML, figures, provenance."""

from stade_nb.pages.html import glue

__all__ = ["glue"]
