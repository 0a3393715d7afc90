"""Read the package's documentation as sections."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["Section", "documentation", "questions", "sections"]


@dataclass(frozen=True, slots=True)
class Section:
    """One headed section of the documentation.

    Attributes
    ----------
    source : str
        The file that it is in, e.g. ``"output-and-stopping.md"``.
    topic : str
        The title of that file.
    heading : str
        The section's own heading.
    text : str
        Its Markdown, verbatim, without the heading.
    questions : tuple of str
        Questions that this section answers, from ``questions.toml``.
    """

    source: str
    topic: str
    heading: str
    text: str
    questions: tuple[str, ...]


def sections(source: str, markdown: str, questions: Mapping[str, Sequence[str]]) -> list[Section]:
    """Return the ``##`` sections of one documentation file, in their order.

    Parameters
    ----------
    source : str
        The name of the file.
    markdown : str
        The text of the file.
    questions : mapping of str to sequence of str
        The questions that a section answers, by its heading.
    """
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
    return [
        Section(source, topic, heading, "\n".join(lines).strip(), tuple(questions.get(heading, ())))
        for heading, lines in parts
    ]


def questions() -> dict[str, Any]:
    """Return the questions that each section answers, by its heading."""
    return tomllib.loads(resources.files(__package__).joinpath("questions.toml").read_text(encoding="utf-8"))


@cache
def documentation() -> tuple[Section, ...]:
    """Return every section of the documentation that is shipped with the package."""
    asked = questions()
    folder = resources.files("berlin_magic") / "documentation"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".md")), key=lambda file: file.name)
    return tuple(section for file in files for section in sections(file.name, file.read_text("utf-8"), asked))
