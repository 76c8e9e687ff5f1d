"""Strings cut, joined, formatted and searched."""

N = 12_000
CHECK = (10, [507, "row 9"])


def run(n: int) -> list[object]:
    """[characters of the report, first cell of the last row] for n rows."""
    rows: list[str] = []
    for i in range(n):
        cells = [f"row {i}", str(i * i), f"{i / 7:.3f}", f"{i:06x}", "x" * (i % 5)]
        line = " | ".join(cell.ljust(9) for cell in cells)
        line = line.replace("0", "o").strip()
        rows.append(line.title() if line.endswith("x") else line)
    text = "\n".join(rows)
    back = [row.split("|")[0].strip().replace("o", "0").lower() for row in text.splitlines()]
    back = [name.replace("r0w", "row") for name in back]
    position = text.find(rows[-1])
    if text[position:] != rows[-1]:
        raise ValueError("the last row is not the end of the text")
    return [len(text), back[-1]]
