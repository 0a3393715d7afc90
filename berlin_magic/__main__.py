"""The command line of the package: ``python -m berlin_magic enable``."""

from __future__ import annotations

import sys

from berlin_magic.kernel.autoload import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
