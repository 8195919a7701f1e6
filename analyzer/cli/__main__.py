"""`python -m analyzer.cli` is `sessionscope`."""

import sys

from analyzer.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
