"""The wheel: installs into a clean environment and runs tasks there without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TASK = {
    "task.toml": 'name = "double"\nversion = "1.0.0"\nentry = "main:run"\n',
    "main.py": "import json\n\ndef run(x):\n    return json.loads(json.dumps(x)) * 2\n",
}
SUMS = {
    "task.toml": 'name = "sums"\nversion = "1.0.0"\nentry = "main:run"\n',
    "main.py": "from polyvm import np\n\ndef run(x):\n"
    "    return [float(v) for v in np.sum(np.asarray(x) @ np.eye(2), axis=0)]\n",
}


@pytest.fixture(scope="module")
def wheel() -> Path:
    subprocess.run([sys.executable, "vm/wheel.py"], cwd=ROOT, check=True, capture_output=True)
    (path,) = (ROOT / "dist").glob("polyvm-*.whl")
    return path


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a new environment that has the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("venv")
    make = [sys.executable, "-m", "venv", str(folder)]
    if subprocess.run(make, capture_output=True, check=False).returncode != 0:
        subprocess.run([sys.executable, "-m", "virtualenv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--only-binary=:all:", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    return folder / "bin"


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{python}-{python}{sys.abiflags}-linux_" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert "polyvm/vm/lib/libpolyvm-isolated.so" in names
    assert "polyvm/vm/lib/libpolyvm-toolchain.so" in names
    assert "polyvm/engine/lib/libpolyvm-engine.so" in names
    extensions = [name for name in names if name.startswith("polyvm/engine/_tensor.cpython")]
    assert extensions == [f"polyvm/engine/_tensor{sysconfig.get_config_var('EXT_SUFFIX')}"]
    assert not [name for name in names if name.endswith((".c", ".h", ".inc", ".o"))]


def test_a_clean_environment_packs_and_runs_a_bundle(clean: Path, tmp_path: Path) -> None:
    for folder, files in (("double", TASK), ("sums", SUMS)):
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    (tmp_path / "in.jsonl").write_text('[1]\n"ab"\n3\n')
    # Only the environment's own bin on the path: no compiler, no other Python.
    environment = {"PATH": str(clean), "HOME": str(tmp_path), "LANG": os.environ.get("LANG", "C")}

    def ran(program: str, *arguments: str) -> str:
        command = [str(clean / program), *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def polyvm(*arguments: str) -> str:
        return ran("polyvm", *arguments)

    polyvm("pack", "double")
    assert polyvm("call", "double-1.0.0.bundle", "[1, 2]").strip() == "[1,2,1,2]"
    polyvm(
        "run", "double-1.0.0.bundle", "--input", "in.jsonl", "--output", "out.jsonl", "--no-table"
    )
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert all('"done"' in line for line in lines)
    assert "libpolyvm" in polyvm("info")

    # Arrays, in a VM and in ordinary Python, by the one engine that the wheel carries.
    assert polyvm("call", "sums", "[[1, 2], [3, 4]]").strip() == "[4.0,6.0]"
    assert polyvm("dev", "sums", "[[1, 2], [3, 4]]").strip() == "[4.0,6.0]"
    code = "from polyvm import np; print(np.arange(6.0).reshape(2, 3).sum())"
    assert ran("python", "-c", code).strip() == "15.0"
