"""A split in the terminal: a heat map that is readable without colour, and the main numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from federa.split_report.numbers import SplitReport, plural

if TYPE_CHECKING:
    import numpy
    from rich.console import Console
    from rich.text import Text

MOST_CLIENTS = 40
_BLUES = ("#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b")
_BLOCKS = ((0.1, "░"), (0.3, "▒"), (0.6, "▓"), (1.0, "█"))
_ASCII = str.maketrans("·░▒▓█▌", ".-+*##")
_MOST_BAR, _LEAST_BAR, _MOST_BLOCKS = 20, 6, 60


@dataclass(frozen=True)
class _Frame:
    """What of the split is shown, and how wide: the labels' columns and whether the rest has one.

    cell: columns of a cell, 3 for percentages and 1 for blocks.
    """

    columns: tuple[int, ...]
    rest: bool
    cell: int
    bar: int
    margin: int


def show(
    console: Console, report: SplitReport, title: str = "", most_clients: int = MOST_CLIENTS
) -> None:
    """Print the clients' label proportions and sizes, then the main numbers.

    At most ``most_clients`` clients and as many labels as the console is wide; what is left out
    is said. In a pipe: plain characters, the same every time.
    """
    from rich.text import Text

    frame = _frame(report, console.width)
    heading = (f"{_printable(title)}: " if title else "") + report.title
    lines = [Text(heading, style="bold"), *_header(frame)]
    shares, pool = report.shares, report.pool
    num_shown = min(len(report.sizes), most_clients)
    largest = int(report.sizes.max())
    lines.append(_row("all", pool, frame))
    for client in range(num_shown):
        line = _row(str(client), shares[client], frame)
        size = int(report.sizes[client])
        line.append("  " + _bar(size / largest, frame.bar) + f" {size:,}")
        lines.append(line)
    lines.extend(_legend(report, frame, num_shown, console.width))
    lines.extend(_facts(report))
    plain = _plain_for(console)
    for line in lines:
        console.print(plain(line), soft_wrap=True)


def _frame(report: SplitReport, width: int) -> _Frame:
    """Percentages if they fit, else blocks, else blocks of the commonest labels and a rest."""
    num_clients, num_labels = report.counts.shape
    margin = max(3, len(str(num_clients - 1)))
    tail = 3 + len(f"{int(report.sizes.max()):,}")
    room = max(width, 40) - margin - 1 - tail - _LEAST_BAR
    everything = tuple(range(num_labels))
    for cell in (3, 1):
        if cell * num_labels <= room:
            bar = min(_MOST_BAR, room - cell * num_labels + _LEAST_BAR)
            return _Frame(everything, False, cell, bar, margin)
    commonest = sorted(everything, key=lambda label: (-report.pool[label], label))
    return _Frame(tuple(commonest[: min(room - 2, _MOST_BLOCKS)]), True, 1, _LEAST_BAR, margin)


def _header(frame: _Frame) -> list[Text]:
    """The numbers of the labels above their columns; in narrow columns, read downwards."""
    from rich.text import Text

    numbers = [str(place + 1) for place in range(len(frame.columns))]
    start = " " * (frame.margin + 1)
    if frame.cell == 3:
        return [Text(start + "".join(f"{number:>3}" for number in numbers), style="dim")]
    depth = max(map(len, numbers), default=0)
    lines = []
    for place in range(depth):
        digits = [number.rjust(depth)[place] for number in numbers]
        lines.append(Text((start + "".join(digits)).rstrip(), style="dim"))
    return lines


def _row(name: str, shares: numpy.ndarray, frame: _Frame) -> Text:
    from rich.text import Text

    line = Text(name.rjust(frame.margin) + " ")
    for label in frame.columns:
        _append(line, float(shares[label]), frame.cell)
    if frame.rest:
        line.append(" ")
        _append(line, max(0.0, 1 - float(shares[list(frame.columns)].sum())), frame.cell)
    return line


def _append(line: Text, share: float, cell: int) -> None:
    """A cell: its characters carry the number, its colour repeats it."""
    if share <= 1e-12:
        line.append("·".rjust(cell), style="dim")
        return
    level = min(len(_BLUES) - 1, int(share**0.5 * len(_BLUES)))
    if cell == 1:
        block = next(block for limit, block in _BLOCKS if share <= limit + 1e-9)
        line.append(block, style=_BLUES[level])
        return
    percent = "<1" if share < 0.01 else f"{share:.0%}"[:-1]
    ink = "black" if level < 4 else "white"
    line.append(percent.rjust(cell), style=f"{ink} on {_BLUES[level]}")


def _bar(share: float, width: int) -> str:
    halves = round(share * width * 2)
    return ("█" * (halves // 2) + "▌" * (halves % 2)).ljust(width)


def _legend(report: SplitReport, frame: _Frame, num_shown: int, width: int) -> list[Text]:
    from rich.text import Text

    num_clients, num_labels = report.counts.shape
    nouns = plural(report.axis)
    if frame.cell == 3:
        scale = f"percent of a client's {nouns}"
    else:
        steps = ", ".join(f"{block} to {limit:.0%}" for limit, block in _BLOCKS)
        scale = f"share of a client's {nouns}: · none, {steps}"
    notes = [f"{scale}; bars: examples"]
    if num_shown < num_clients:
        notes.append(f"first {num_shown} of {num_clients:,} clients, by number")
    if frame.rest:
        notes.append(
            f"{len(frame.columns)} of {num_labels:,} {nouns}, the commonest first; the last "
            "column is all others"
        )
    named = [
        f"{place} {_printable(report.labels[label])}"
        for place, label in enumerate(frame.columns, start=1)
    ]
    return [
        *(Text(line, style="dim") for note in notes for line in _wrapped(note.split(" "), width)),
        *(Text(line, style="dim") for line in _wrapped(named, width, "  ")),
        Text(""),
    ]


def _facts(report: SplitReport) -> list[Text]:
    from rich.text import Text

    facts = report.sentences()
    margin = max(len(what) for what, _ in facts)
    return [Text(f"{what.ljust(margin)}  {text}") for what, text in facts]


def _wrapped(words: list[str], width: int, gap: str = " ") -> list[str]:
    """Lines of whole words, as wide as the screen shows them; a word too long for one is cut."""
    from rich.cells import cell_len, set_cell_size

    lines: list[str] = []
    for word in words:
        fitting = (
            word if cell_len(word) <= width else set_cell_size(word, max(1, width - 3)) + "..."
        )
        if lines and cell_len(lines[-1]) + len(gap) + cell_len(fitting) <= width:
            lines[-1] += gap + fitting
        else:
            lines.append(fitting)
    return lines


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _plain_for(console: Console) -> Callable[[Text], Text]:
    """What turns a line into what the console's encoding can show."""

    def plain(line: Text) -> Text:
        if console.encoding.lower().startswith("utf"):
            return line
        known = line.plain.translate(_ASCII).encode(console.encoding, "replace")
        line.plain = known.decode(console.encoding)
        return line

    return plain
