"""The questions that the paper leaves open: newer methods beside it, studies, their rules."""
