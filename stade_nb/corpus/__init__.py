"""The embedded text and the questions made from it."""
