"""What the page that checks the paper against itself computes."""

from stade_book.pages.audit import layers, models, v_proj
