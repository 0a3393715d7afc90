"""The questions that commands such as `%berlin fix` ask."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COMMAND_QUESTIONS", "command_question"]

_ABOUT = "The cell:\n\n{{ failed_cell | full }}\n\nThe error:\n\n{{ last_error }}"

COMMAND_QUESTIONS: Mapping[str, str] = {
    "fix": "A cell of my notebook has raised an error. Say in one or two sentences what is wrong, then give the whole "
    f"corrected cell in one code block.\n\n{_ABOUT}",
    "explain": "A cell of my notebook has raised an error. Explain what the error means, where it comes from, and how "
    f"I find such an error myself the next time.\n\n{_ABOUT}",
}
"""Questions by command; `failed_cell` and `last_error` are the cell and its error."""


def command_question(command: str, text: str = "") -> str:
    """Return the question of a command, with the text that the user wrote after it; empty if it asks nothing."""
    question = COMMAND_QUESTIONS.get(command, "")
    return "\n\n".join(filter(None, [question, question and text]))
