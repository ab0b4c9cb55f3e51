"""Numbers for the questions that the paper's readers ask: no pages, no plots."""
