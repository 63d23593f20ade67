"""The parts of an HTML page: the document with its style, sections, tables and lists. Text is escaped; cells are HTML."""

import math
from collections.abc import Container, Iterable, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --quiet: #66707c; --line: #dfe4ea; --paper: #ffffff;
        --good: #1d7a46; --bad: #b3372c; --warn: #8a5a00; --blue: #1f5fa8; --pale: #8fb8e0 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ef; --quiet: #98a3b0; --line: #36404c; --paper: #151b22;
          --good: #5fc98c; --bad: #f0837a; --warn: #e0b060; --blue: #7db3ee; --pale: #3f6c9c }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 66rem; margin: 2.5rem auto; padding: 0 1.25rem }
h1 { font-size: 1.5rem; margin: 0 0 .2rem }
h2 { font-size: 1.08rem; margin: 2.2rem 0 .6rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600; color: var(--quiet); font-size: .87rem }
td.number, th.number { text-align: right }
code { font: .87em ui-monospace, monospace; overflow-wrap: anywhere }
ul { padding-left: 1.2rem }
svg { width: 100%; min-width: 36rem; height: auto }
.verdict { font-weight: 600 }
.good { color: var(--good) }
.bad { color: var(--bad) }
.warn { color: var(--warn) }
.quiet { color: var(--quiet) }
.wide { overflow-x: auto }
.wide td { white-space: nowrap }
"""


def document(title: str, sections: Iterable[str]) -> str:
    """A whole page. It needs no script and loads nothing."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(sections)
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n'


def heading(text: str) -> str:
    """The title on the page."""
    return f"<h1>{escape(text)}</h1>"


def section(title: str, content: str) -> str:
    """A part of the page, under its title."""
    return f"<h2>{escape(title)}</h2>\n{content}"


def paragraph(text: str, style: str) -> str:
    """Text in one of the page's styles."""
    return f'<p class="{style}">{escape(text)}</p>'


def bullets(items: Iterable[str], style: str = "") -> str:
    """A list; "" where there are no items."""
    lines = "".join(f'<li class="{style}">{escape(item)}</li>' for item in items)
    return f"<ul>{lines}</ul>" if lines else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[int] = ()) -> str:
    """A table. One with a head scrolls sideways where it is too wide, one without breaks its lines.

    numbers  the columns that are aligned to the right
    """
    styles = [' class="number"' if column in numbers else "" for column in range(len(head))]
    lines = ["".join(f"<td{style}>{cell}</td>" for style, cell in zip(styles, row, strict=True)) for row in rows]
    titles = "".join(f"<th{style}>{escape(title)}</th>" for style, title in zip(styles, head, strict=True)) if any(head) else ""
    head_row = f"<tr>{titles}</tr>" if titles else ""
    whole = f"<table>{head_row}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
    return wide(whole) if titles else whole


def wide(content: str) -> str:
    """Content that scrolls sideways where it is too wide for the page."""
    return f'<div class="wide">{content}</div>'


def code(text: str) -> str:
    """A name or a hash, in a cell."""
    return f"<code>{escape(text)}</code>"


def error(value: float) -> str:
    """An error, in a cell."""
    return f"{value:.2e}" if math.isfinite(value) else str(value)


def agreement(first_disagreement: int | None) -> str:
    """Whether values agree, in a cell: from which step on they do not."""
    if first_disagreement is None:
        return '<span class="good">agrees</span>'
    return f'<span class="bad">differs from step {first_disagreement} on</span>'
