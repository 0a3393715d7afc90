"""Long replies of a given size."""

from __future__ import annotations

__all__ = ["code_reply", "long_reply"]


def long_reply(characters: int) -> str:
    """Return Markdown of about this length: paragraphs, lists, a table and code in turn."""
    parts: list[str] = []
    length = 0
    while length < characters:
        n = len(parts) + 1
        part = (
            f"### Section {n}\n\nThe {n}th paragraph has **bold** words, some `code` and a [link](https://example.org/{n})."
            " It goes on for a while, as the paragraphs of a model do, and comes to an end at last.\n\n"
            f"- the first point of {n}\n- the second one, with *emphasis*\n- the third\n\n"
            f"```python\ndef step_{n}(value: int) -> int:\n    return value * {n}  # times {n}\n```\n\n"
            f"| name | value |\n|---|--:|\n| a | {n} |\n| b | {n * n} |\n\n"
        )
        parts.append(part)
        length += len(part)
    return "".join(parts)[:characters]


def code_reply(characters: int) -> str:
    """Return one code block of about this length, which only ends at the end."""
    lines = "".join(f"def step_{n}(value):\n    return value * {n}  # times {n}\n\n" for n in range(characters // 50))
    return f"```python\n{lines[:characters]}\n```\n"
