"""Models and texts by name: what transformers and datasets look like from here."""
