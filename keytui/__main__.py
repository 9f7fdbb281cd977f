"""`python -m keytui` does what `keytui` does."""

from __future__ import annotations

import sys

from keytui.cli import main

if __name__ == "__main__":
    sys.exit(main())
