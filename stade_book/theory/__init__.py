"""Eqs. 1-12 on random layers."""
