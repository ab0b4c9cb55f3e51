"""What only a notebook needs: parameters, HTML, figures, provenance."""

import time

STARTED = time.monotonic()  # a notebook's second cell imports this room

from stade_book.pages.html import glue  # noqa: E402
