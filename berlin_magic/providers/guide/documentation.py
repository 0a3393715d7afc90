"""The package's own documentation, read into the sections that the embedded engine quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Section", "documentation", "sections"]

_ASKED = re.compile(r"<!--\s*asked:(.*?)-->\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Section:
    """One headed section of the documentation.

    Attributes
    ----------
    source : str
        The file that it stands in, e.g. ``"output-and-stopping.md"``.
    topic : str
        The title of that file.
    heading : str
        The section's own heading.
    text : str
        Its Markdown, verbatim, without the heading and without the comment that holds `asked`.
    asked : tuple of str
        What people say when they look for this section: ``<!-- asked: one; two; three -->`` under the heading.
        No reader of the rendered page sees it.
    """

    source: str
    topic: str
    heading: str
    text: str
    asked: tuple[str, ...]


def sections(source: str, markdown: str) -> list[Section]:
    """Return the ``##`` sections of one documentation file, in their order."""
    topic = ""
    parts: list[tuple[str, list[str]]] = []
    in_code = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        if not in_code and line.startswith("# "):
            topic = line[2:].strip()
        elif not in_code and line.startswith("## "):
            parts.append((line[3:].strip(), []))
        elif parts:
            parts[-1][1].append(line)
    return [_section(source, topic, heading, "\n".join(lines)) for heading, lines in parts]


def _section(source: str, topic: str, heading: str, body: str) -> Section:
    found = _ASKED.search(body)
    asked = [phrase.strip() for phrase in found[1].split(";")] if found else []
    text = _ASKED.sub("", body).strip()
    return Section(source, topic, heading, text, tuple(phrase for phrase in asked if phrase))


@cache
def documentation() -> tuple[Section, ...]:
    """Return every section of the documentation that is shipped with the package."""
    folder = resources.files("berlin_magic") / "documentation"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".md")), key=lambda file: file.name)
    return tuple(section for file in files for section in sections(file.name, file.read_text(encoding="utf-8")))
