"""Print the fingerprints of the definitions that overrides/ replaces, for one release.

$SDK/bin/python stdlib_trimmed/fingerprints.py $SDK/Lib

For every ``[[define]]`` whose ``was`` does not list this release's original, one line:
override file, definition, fingerprint. Compare the originals before adding them.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import manifest as manifests
import patches


def main(lib: Path) -> int:
    """Print what differs; always 0."""
    for path in sorted((manifests.HERE / "overrides").glob("*.patch.toml")):
        name = path.name.removesuffix(".patch.toml")
        found = manifests.source_of(lib, name)
        if found is None:
            sys.stdout.write(f"{path.name}: the release has no module {name}\n")
            continue
        source = found[0].read_text()
        with path.open("rb") as file:
            changes = tomllib.load(file)
        for change in changes.get("define", []):
            names = change["name"]
            name_now = patches.defined(source, [names] if isinstance(names, str) else names)
            start, end = patches.span(path.name, source, name_now)
            text = "".join(source.splitlines(keepends=True)[start:end])
            mark = patches.fingerprint(text)
            if mark not in change["was"]:
                sys.stdout.write(f"{path.name}: {name_now} {mark}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
