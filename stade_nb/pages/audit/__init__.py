"""What the page that checks the paper against itself computes."""

from stade_nb.pages.audit import audit_parameters, layers, models, v_proj

__all__ = ["audit_parameters", "layers", "models", "v_proj"]
