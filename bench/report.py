"""Results to tables: in the terminal, and as Markdown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from bench.rows import Row, Table
from bench.sections import SECTIONS


@dataclass(frozen=True)
class Report:
    """All that one run says: what it ran on, the design's rows, the tables."""

    facts: list[tuple[str, str]]
    rows: list[Row]
    tables: list[Table]


def report_of(results: dict[str, Any]) -> Report:
    """Read a results document, as `python -m bench` writes it."""
    machine = results["machine"]
    facts = [
        ("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB"),
        ("kernel", f"{machine['kernel']}, frequency governor {machine['governor']}"),
        ("compiler", machine["compiler"]),
        ("host Python", machine["host_python"]),
    ]
    facts += [(name, text) for name, text in results["contenders"].items()]
    facts.append(("run", f"{results['mode']}, {results['seconds']:.0f} s, {results['when']}"))
    noise = results["noise"]
    facts.append(
        (
            "noise",
            (
                f"load average {noise['load_average']:.1f} at the start; others used up to "
                f"{max(noise['busy'].values()):.0%} of the CPUs before a section"
            ),
        )
    )
    rows: list[Row] = []
    tables: list[Table] = []
    for name, data in results["sections"].items():
        rows += SECTIONS[name].rows(data)
        tables += SECTIONS[name].tables(data)
    return Report(facts, rows, tables)


def show(report: Report, console: Console) -> None:
    """Print everything, the design's rows last, where the eye rests."""
    for table in report.tables:
        _show_table(console, table)
    about = RichTable(title="Measured on", title_justify="left", show_header=False)
    for name, text in report.facts:
        about.add_row(name, text)
    console.print(about)
    console.print()
    promised = RichTable(title="Numbers to reach", title_justify="left")
    for column in ("what", "reference", "to reach", "reached", ""):
        promised.add_column(column)
    for row in report.rows:
        mark = "[green]yes[/]" if row.good else "[red]no[/]"
        promised.add_row(row.what, row.reference, row.to_reach, row.reached, mark)
    console.print(promised)


def _show_table(console: Console, table: Table) -> None:
    shown = RichTable(title=table.title, caption=table.note or None, title_justify="left")
    for i, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if i else "left", no_wrap=i > 0)
    for line in table.lines:
        shown.add_row(*line)
    console.print(shown)
    console.print()


def markdown(report: Report) -> str:
    """The same, for the documents."""
    parts = ["### Measured on\n", *(f"- {name}: {text}" for name, text in report.facts)]
    parts.append("\n### Numbers to reach\n")
    header = ["what", "reference", "to reach", "reached", "met"]
    lines = [
        [row.what, row.reference, row.to_reach, row.reached, "yes" if row.good else "**no**"]
        for row in report.rows
    ]
    parts += _markdown_table(header, lines)
    for table in report.tables:
        parts.append(f"\n### {table.title}\n")
        parts += _markdown_table(table.columns, table.lines)
        if table.note:
            parts.append(f"\n{table.note}")
    return "\n".join(parts) + "\n"


def _markdown_table(columns: list[str], lines: Iterable[list[str]]) -> list[str]:
    rule = ["---" if i == 0 else "---:" for i in range(len(columns))]
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
        for line in [columns, rule, *lines]
    ]
