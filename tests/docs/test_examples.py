"""Every example in the documents is run, and prints what the documents say.

`<!-- example: PATH -->` before a code block makes it a file. `<!-- commands -->` before a block
makes each `$ ` line a command, run in order in a folder with these files; the lines below it are
what it prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(
    r"^<!-- (example: (?P<path>\S+)|commands) -->\n```\w*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def write_examples(document: Path, folder: Path) -> list[str]:
    """Write the document's files into the folder; return its command blocks."""
    commands = []
    for block in BLOCK.finditer(document.read_text()):
        if block["path"] is None:
            commands.append(block["text"])
        else:
            path = folder / block["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"])
    return commands


def run(command: str, folder: Path) -> str:
    """Run one command line the way a shell with the environment's bin first would."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def steady(output: str) -> str:
    """The output without what differs: sizes of bytecode, key ids, times of sealing."""
    output = re.sub(r"\([\d,]+ bytes\)", "(N bytes)", output)
    output = re.sub(r"\b[0-9a-f]{16}\b", "ID", output)
    return re.sub(r"sequence \d{13}\b", "sequence N", output).strip()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_print_what_the_document_says(document: Path, tmp_path: Path) -> None:
    for block in write_examples(document, tmp_path):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            assert steady(run(command, tmp_path)) == steady(expected), command


def test_the_readme_has_examples_to_run(tmp_path: Path) -> None:
    assert len(write_examples(ROOT / "README.md", tmp_path)) >= 1
    assert (tmp_path / "greet" / "task.toml").is_file()


def test_the_task_guide_s_own_tests_pass(tmp_path: Path) -> None:
    write_examples(ROOT / "docs" / "tasks.md", tmp_path)
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider ."
    assert "1 passed" in run(command, tmp_path / "session-score")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"
