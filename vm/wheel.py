"""Build the binary wheel: libraries, frozen standard library, bindings and host in one file.

Run by `make wheel` after `make build`. What it makes installs with pip alone: no compiler,
no CPython SDK. It is for the version of CPython that builds it: polyvm.np's extension module
reads arrays too often to go through the stable ABI.
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
    for extension in (to / "engine" / "bindings").glob("_tensor*.so"):
        if extension.name != f"_tensor{sysconfig.get_config_var('EXT_SUFFIX')}":
            extension.unlink()  # of another Python that has built here
    for library in [*(to / "vm").rglob("*.so"), *(to / "engine").rglob("*.so")]:
        subprocess.run(["strip", "--strip-unneeded", str(library)], check=True)


def main() -> int:
    """Write dist/polyvm-VERSION-cpXY-cpXY-PLATFORM.whl and print its path."""
    staged, made, dist = ROOT / "build/wheel/src", ROOT / "build/wheel/dist", ROOT / "dist"
    stage(staged)
    shutil.rmtree(made, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--quiet", "--no-deps", "-w", str(made), str(staged)], check=True
    )
    (pure,) = made.glob("*.whl")
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    tags = [f"--python-tag={python}", f"--abi-tag={python}{sys.abiflags}"]
    tags += [f"--platform-tag={platform}", "--remove"]
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
