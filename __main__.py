"""``python -m orbweave`` is the command line."""

import sys

from orbweave.cli import main

sys.exit(main())
