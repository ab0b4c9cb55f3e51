"""The questions that the paper leaves open: what is measured for each, its rule, its records."""
