"""Hooks of mkdocs: links to files outside docs/ lead to the repository on the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\]\((?P<ups>(?:\.\./)+)(?P<path>[^)#]+)(?P<anchor>#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Return the page's text with absolute links in place of those that leave docs/.

    On GitHub a link such as `../../deploy/compose.yaml` works as it stands; the site has no such file.
    A link to a file that does not exist stays as it is, so that the strict build names it.
    """
    folder = Path(page.file.abs_src_path).parent

    def absolute(link: re.Match[str]) -> str:
        target = (folder / (link["ups"] + link["path"])).resolve()
        inside = target.is_relative_to(TOP / "docs")
        if inside or not target.exists() or not target.is_relative_to(TOP):
            return link[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"]({config['extra']['repository']}/{kind}/main/{target.relative_to(TOP)}{link['anchor'] or ''})"

    return OUTSIDE.sub(absolute, markdown)
