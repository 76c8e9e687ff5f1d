"""Prints the fingerprints of the definitions that overrides/ replaces, for one release.

    $SDK/bin/python stdlib_trimmed/fingerprints.py $SDK/Lib

For every ``[[define]]`` whose ``was`` does not list this release's original, one line:
override file, definition, fingerprint. Compare the originals before adding them.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import manifest as manifests  # noqa: E402
import patches  # noqa: E402


def main(lib: Path) -> int:
    for path in sorted((manifests.HERE / "overrides").glob("*.patch.toml")):
        name = path.name.removesuffix(".patch.toml")
        found = manifests.source_of(lib, name)
        if found is None:
            print(f"{path.name}: the release has no module {name}")
            continue
        source = found[0].read_text()
        with path.open("rb") as file:
            changes = tomllib.load(file)
        for change in changes.get("define", []):
            start, end = patches.span(path.name, source, change["name"])
            text = "".join(source.splitlines(keepends=True)[start:end])
            if patches.fingerprint(text) not in change["was"]:
                print(f"{path.name}: {change['name']} {patches.fingerprint(text)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
