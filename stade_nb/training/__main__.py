"""`python -m stade_nb.training` trains the embedded models."""

from stade_nb.training.train import main

main()
