"""`python -m cimest` is the command `cimest`."""

import sys

from cimest.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
