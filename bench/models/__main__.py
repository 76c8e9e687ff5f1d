"""Make models' files and print where they are: `python -m bench.models [NAME ...]`."""

import argparse
import sys

from bench.models.catalogue import CATALOGUE
from tasks.wheels import UnobtainableError


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 when a model cannot be had; the others are made."""
    parser = argparse.ArgumentParser(prog="python -m bench.models", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CATALOGUE)}")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in CATALOGUE]
    if unknown:
        parser.error(f"no model is called {', '.join(unknown)}")
    status = 0
    for name in options.names or CATALOGUE:
        try:
            print(f"{name}\t{CATALOGUE[name].path()}", flush=True)
        except UnobtainableError as error:
            print(f"bench.models: {name}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
