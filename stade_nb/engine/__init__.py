"""A model pruned whole, and many cells of a table carried through it together."""
