"""Draw the output of a terminal as an SVG that needs nothing else, no font and no network."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

__all__ = ["CHARACTER", "THEMES", "draw"]

Colour = tuple[int, int, int]


def _colour(text: str) -> Colour:
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


def _theme(background: str, foreground: str, normal: str, bright: str) -> TerminalTheme:
    """Return a theme. `normal` and `bright` are eight colours each: black, red, green, yellow,
    blue, magenta, cyan, white."""
    eights = ([_colour(one) for one in some.split()] for some in (normal, bright))
    return TerminalTheme(_colour(background), _colour(foreground), *eights)


THEMES: Mapping[str, TerminalTheme] = {
    "light": _theme(
        "ffffff",
        "1f2328",
        "24292f cf222e 116329 7d4e00 0969da 8250df 1b7c83 6e7781",
        "57606a a40e26 1a7f37 633c01 218bff a475f9 3192aa 8c959f",
    ),
    "dark": _theme(
        "0d1117",
        "e6edf3",
        "484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4",
        "8b949e ffa198 56d364 e3b341 79c0ff d2a8ff 56d4dd ffffff",
    ),
}

_TEMPLATE = """\
<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"
 xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
_NOTHING = re.compile(r' clip-path="[^"]*"|<text [^>]*>\s*</text>')
"""What rich puts into a drawing and what is not seen in it: limits of lines, and their ends."""

_SPACES = re.compile(r'x="([\d.]+)" (y="[\d.]+") textLength="([\d.]+)">((?:&#160;)+)')
"""Text that begins with spaces, which not everything that shows an SVG leaves room for."""

CHARACTER = 12.2
"""How wide rich draws one."""

_EDGE = "rgba(255,255,255,0.35)", "rgba(128,128,128,0.5)"
"""What rich draws around a terminal, and what is seen on a light page too."""


def draw(shown: str, name: str, theme: str, columns: int) -> str:
    """Return an SVG of the text `shown`, which has escape sequences for colours."""
    console = Console(
        record=True, width=columns, file=io.StringIO(), color_system="truecolor", highlight=False
    )
    console.print(Text.from_ansi(shown.rstrip("\n")), no_wrap=True, overflow="crop")
    svg = console.export_svg(
        title="", theme=THEMES[theme], code_format=_TEMPLATE, unique_id=f"{name}-{theme}"
    )
    svg = _NOTHING.sub("", svg.replace(*_EDGE)).replace("><text", ">\n<text")
    svg = _SPACES.sub(_further_right, svg)
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines() if line.strip())


def _further_right(found: re.Match[str]) -> str:
    """Return the text without its leading spaces, moved to where they end."""
    indent = found[4].count(";") * CHARACTER
    x, length = float(found[1]) + indent, float(found[3]) - indent
    return f'x="{x:g}" {found[2]} textLength="{length:g}">'
