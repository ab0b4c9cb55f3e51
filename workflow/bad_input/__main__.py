"""``python -m workflow.bad_input FILE`` writes the table of the book."""

import sys

from workflow.bad_input.page import main

if __name__ == "__main__":
    sys.exit(main())
