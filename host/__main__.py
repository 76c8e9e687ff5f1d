"""``python -m polyvm.host``: the ``polyvm`` command without its script."""

import sys

from polyvm.host.cli import main

sys.exit(main())
