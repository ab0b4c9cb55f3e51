"""`python -m stade_book.training` trains the embedded models."""

from stade_book.training.train import main

main()
