"""Build the binary wheel: library, frozen standard library, binding and host in one file.

Run by `make wheel` after `make build`. What it makes installs with pip alone: no compiler,
no CPython SDK. The binding uses CPython's stable ABI, so one wheel serves every host
Python from 3.11 on.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ["pyproject.toml", "README.md", "LICENSE", "host", "vm/api", "vm/binding"]
PARTS += ["engine/bindings", "engine/np"]
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.new", "*.c", "*.h")


def stage(to: Path) -> None:
    """Copy what goes into the wheel; libraries lose the symbols that only debuggers read."""
    shutil.rmtree(to, ignore_errors=True)
    for part in PARTS:
        source, target = ROOT / part, to / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=IGNORED)
        else:
            shutil.copy2(source, target)
    for library in (to / "vm" / "binding").rglob("*.so"):
        subprocess.run(["strip", "--strip-unneeded", str(library)], check=True)


def main() -> int:
    """Write dist/polyvm-VERSION-cp311-abi3-PLATFORM.whl and print its path."""
    staged, made, dist = ROOT / "build/wheel/src", ROOT / "build/wheel/dist", ROOT / "dist"
    stage(staged)
    shutil.rmtree(made, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--quiet", "--no-deps", "-w", str(made), str(staged)], check=True
    )
    (pure,) = made.glob("*.whl")
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    tags = ["--python-tag=cp311", "--abi-tag=abi3", f"--platform-tag={platform}", "--remove"]
    subprocess.run(
        [sys.executable, "-m", "wheel", "tags", *tags, str(pure)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (tagged,) = made.glob("*.whl")
    dist.mkdir(exist_ok=True)
    for old in dist.glob("polyvm-*.whl"):
        old.unlink()
    final = Path(shutil.move(tagged, dist / tagged.name))
    print(f"{final.relative_to(ROOT)}: {final.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
