"""Bad input, tried for real: a table in the book, and the same rows as tests.

`rows` says what is tried, `stage` how a place for it is made, `trying` does it, `page` writes the
table: ``python -m workflow.bad_input FILE``.
"""
