"""Builds the shell: a program that runs code in VM-like interpreters, for these tests."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CUT = ROOT / "stdlib_trimmed"
SOURCES = [ROOT / "vm/src" / name for name in ("cut.c", "nocompiler.c", "leftout.c")]
FLAGS = ["-std=gnu11", "-O1", "-fPIC", "-ffunction-sections", "-fdata-sections", "-DNDEBUG"]
FLAGS += ["-DPy_BUILD_CORE", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror"]


@dataclass(frozen=True)
class Sdk:
    """The SDK that the libraries were built with last."""

    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def lib(self) -> Path:
        return self.path / "Lib"


@dataclass(frozen=True)
class Shell:
    """A program that runs marshalled code, each file in an interpreter of its own."""

    path: Path
    sdk: Sdk

    @property
    def link_map(self) -> Path:
        """What the linker says it put in."""
        return self.path.with_suffix(".map")

    def run(self, source: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Compile with the SDK's Python, as task/main.py, and run in a VM."""
        (folder / "cell.py").write_text(source)
        program = (
            "import marshal, pathlib, sys; f = pathlib.Path(sys.argv[1]);"
            "code = compile(f.read_text(), 'task/main.py', 'exec', dont_inherit=True);"
            "f.with_suffix('.code').write_bytes(marshal.dumps(code))"
        )
        call([self.sdk.python, "-I", "-X", "utf8", "-c", program, folder / "cell.py"])
        return call([self.path, folder / "cell.code"], check=False)


def call(command: list[str | Path], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command with its output as UTF-8; a failure shows all it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    if check and done.returncode != 0:
        pytest.fail(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done


def freeze(
    sdk: Sdk, out: Path, *more: str | Path, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the freezer into ``out``."""
    command: list[str | Path] = [sdk.python, CUT / "freeze.py", "--lib", sdk.lib, "--out", out]
    return call([*command, *more], check=check)


@pytest.fixture(scope="session")
def sdk() -> Sdk:
    """As vm/build.py left it; without it there is nothing to test against."""
    recorded = ROOT / "build" / "vm" / "sdk"
    if not recorded.is_file():
        pytest.fail("no SDK: run `make build` first")
    return Sdk(Path(recorded.read_text().strip()))


@pytest.fixture(scope="session")
def shell(sdk: Sdk) -> Shell:
    """Built once and kept in build/, whichever test process comes first."""
    folder = ROOT / "build" / "tests" / "stdlib_trimmed"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        here = Path(__file__).resolve().parent
        inputs = [*CUT.rglob("*.py"), *CUT.rglob("*.toml"), *SOURCES, ROOT / "vm/src/cut.h"]
        inputs += [here / "shell.c", here / "conftest.py", *(ROOT / "vm/api").glob("*.py")]
        digest = hashlib.sha256(str(sdk.path).encode())
        for path in sorted(inputs):
            digest.update(path.read_bytes())
        program = folder / f"shell-{digest.hexdigest()[:16]}"
        if not program.exists():
            freeze(sdk, folder / "frozen", "--api", ROOT / "vm/api")
            sources = [here / "shell.c", *SOURCES, *sorted((folder / "frozen").glob("*.c"))]
            includes = [f"-I{ROOT / 'vm/src'}", f"-I{sdk.path / 'include'}"]
            includes.append(f"-I{sdk.path / 'include' / 'internal'}")
            libraries = ["-Wl,--gc-sections", f"-Wl,-Map={program}.map", "-lm", "-ldl", "-lpthread"]
            temporary = folder / "shell.new"
            call(
                [
                    "gcc",
                    *FLAGS,
                    *includes,
                    "-o",
                    temporary,
                    *sources,
                    sdk.path / "lib/libpython.a",
                    *libraries,
                ]
            )
            temporary.rename(program)
    return Shell(program, sdk)
