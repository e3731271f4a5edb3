"""Draws the pictures of README and docs/: `make pictures`.

docs/images/flow.svg   how a run flows, from the boxes and arrows below
docs/images/plan.svg   the plan that `sauce-janitor demo` prints on a terminal
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

IMAGES = Path(__file__).parent / "images"
COLUMNS, ROWS = 92, 50

# --- the flow ---------------------------------------------------------------------------------------------------------

STYLE = """
  :root { --page: #ffffff; --edge: #d0d7de; --box: #f6f8fa; --line: #57606a; --ink: #1f2328; --soft: #57606a;
          --safe: #dafbe1; --safe-edge: #4ac26b; --stop: #ffebe9; --stop-edge: #ff8182; }
  @media (prefers-color-scheme: dark) {
    :root { --page: #0d1117; --edge: #30363d; --box: #161b22; --line: #8b949e; --ink: #e6edf3; --soft: #8b949e;
            --safe: #12261e; --safe-edge: #2ea043; --stop: #2d1417; --stop-edge: #f85149; } }
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); text-anchor: middle; }
  .title { font-size: 15px; font-weight: 600; }
  .soft { fill: var(--soft); }
  .head { font-weight: 600; fill: var(--soft); text-anchor: start; letter-spacing: .03em; }
  rect { fill: var(--box); stroke: var(--edge); }
  .page { fill: var(--page); }
  .safe { fill: var(--safe); stroke: var(--safe-edge); }
  .stop { fill: var(--stop); stroke: var(--stop-edge); }
  path { stroke: var(--line); stroke-width: 1.6; fill: none; marker-end: url(#tip); }
  marker path { fill: var(--line); stroke: none; marker-end: none; }
"""


@dataclass(frozen=True)
class Box:
    """A step: its left upper corner and width in pixels, its title, the lines below, and its kind (a class of STYLE)."""

    x: int
    y: int
    width: int
    title: str
    lines: tuple[str, ...]
    kind: str = ""
    height: int = 84

    def draw(self) -> str:
        """Return the box as SVG."""
        middle = self.x + self.width // 2
        place = f'x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}"'
        parts = [f'<rect class="{self.kind}" {place} rx="8"/>']
        top = self.y + self.height // 2 - 9 * len(self.lines) + 4
        parts.append(f'<text class="title" x="{middle}" y="{top}">{escape(self.title)}</text>')
        for number, line in enumerate(self.lines, start=1):
            parts.append(
                f'<text class="soft" x="{middle}" y="{top + 2 + 18 * number}">{escape(line)}</text>'
            )
        return "".join(parts)


BOXES = (
    Box(24, 56, 190, "Policies", ("what to keep, archive", "and delete, in YAML")),
    Box(252, 56, 190, "List", ("jobs and builds; later", "only what is new")),
    Box(480, 56, 190, "Decide", ("each job, with reasons;", "what is unclear is kept")),
    Box(708, 56, 190, "Plan", ("a dry run ends here;", "over a limit, it is refused"), "stop"),
    Box(24, 206, 190, "Archive", ("fetch the files", "that the policies want"), "safe"),
    Box(252, 206, 190, "Verify", ("length, hash, format;", "flush; write a receipt"), "safe"),
    Box(480, 206, 190, "Ask again", ("is the job still", "as it was decided on?"), "safe"),
    Box(708, 206, 190, "Delete", ("at Sauce Labs,", "and confirm that it is gone")),
    Box(24, 318, 418, "Archive on disk: files, job records, receipts", (), "safe", height=40),
    Box(480, 318, 418, "Journal: a line before and after each change", (), height=40),
)
ARROWS = (
    "M214 98 H246", "M442 98 H474", "M670 98 H702",
    "M803 140 V172 H119 V200",
    "M214 248 H246", "M442 248 H474", "M670 248 H702",
    "M347 290 V312", "M803 290 V312",
)  # fmt: skip


FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 378" role="img" aria-labelledby="title">
<title id="title">A run lists the jobs, decides on each one and makes a plan. With --execute it archives and verifies
each job, asks Sauce Labs again, deletes, and writes a journal.</title>
<style>{style}</style>
<defs><marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 L10 5 L0 10 z"/></marker></defs>
<rect class="page" x="0.5" y="0.5" width="919" height="377" rx="8"/>
<text class="head" x="24" y="36">Every run</text>
<text class="head" x="136" y="191">With --execute, for each job</text>
{drawn}
</svg>
"""


def flow() -> str:
    """Return the flow as SVG, readable on light and dark pages."""
    drawn = [*(box.draw() for box in BOXES), *(f'<path d="{arrow}"/>' for arrow in ARROWS)]
    return FRAME.format(style=STYLE, drawn="\n".join(drawn))


# --- the plan ---------------------------------------------------------------------------------------------------------

DARK = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34),
     (88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)],
    [(110, 118, 129), (255, 161, 152), (86, 211, 100), (227, 179, 65),
     (121, 192, 255), (210, 168, 255), (86, 212, 221), (255, 255, 255)],
)  # fmt: skip


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """Run sauce-janitor in a folder with stdout on a terminal of COLUMNS x ROWS; return what it prints, ANSI codes too."""
    leader, follower = pty.openpty()
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "COLUMNS": str(COLUMNS),
        "LINES": str(ROWS),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "sauce_janitor", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.DEVNULL,
    )
    os.close(follower)
    printed = bytearray()
    while True:
        try:
            found = os.read(leader, 65536)
        except OSError:  # the program has ended and closed its end
            break
        if not found:
            break
        printed += found
    os.close(leader)
    if process.wait() != 0:
        raise SystemExit(
            f"sauce-janitor {' '.join(arguments)} ended with"
            f" {process.returncode}:\n{printed.decode()}"
        )
    return printed.decode().replace("\r\n", "\n")


def plan(printed: str) -> str:
    """Return the demo's plan, without its examples, as an SVG of a terminal."""
    lines = printed.splitlines()
    first = next(number for number, line in enumerate(lines) if "as of 20" in line)
    last = next(number for number, line in enumerate(lines) if "For example" in line)
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    console.print(Text.from_ansi("\x1b[1m$\x1b[0m sauce-janitor plan"))
    for line in lines[first:last]:
        console.print(Text.from_ansi(line))
    drawn = console.export_svg(title="sauce-janitor plan", theme=DARK, unique_id="plan")
    # rich names a font on another server; the machine's own monospaced font does as well
    drawn = re.sub(r"@font-face \{.*?\}\n", "", drawn, flags=re.DOTALL)
    drawn = drawn.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def main() -> None:
    """Draw both pictures."""
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "flow.svg").write_text(flow(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        (IMAGES / "plan.svg").write_text(
            plan(on_a_terminal(Path(folder), "demo")), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
