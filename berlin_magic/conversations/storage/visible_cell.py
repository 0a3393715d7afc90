"""The visible part of a cell: the parts of its outputs' records that a reader can see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from berlin_magic.conversations.command_questions import command_question
from berlin_magic.conversations.serialization import Record
from berlin_magic.conversations.storage import visible_text
from berlin_magic.conversations.storage.cell_source import commands_in, option_in, questions_in
from berlin_magic.conversations.turns import GO_ON

__all__ = ["VisibleCell", "joined_lines"]


class VisibleCell:
    """The question and the commands that a reader sees in a cell.

    Parameters
    ----------
    cell : mapping
        The cell, as the file holds it.
    source : str
        Its source.

    Attributes
    ----------
    questions : list of str
        The texts that can be its question.
    """

    def __init__(self, cell: Mapping[str, Any], source: str) -> None:
        self._commands = commands_in(source)
        asked = [GO_ON if word == "continue" else command_question(word, text) for word, text in self._commands]
        self.questions = [question for question in asked if question][:1] or questions_in(source)
        self._system = option_in(source, "--system")
        self._new = option_in(source, "--new") is not None
        self._is_shown = _is_shown(cell)
        self._turns = 0

    def visible(self, event: Record, data: Mapping[str, Any]) -> tuple[Record | None, str]:
        """Return the visible part of an event's record; or None, and why there is none."""
        if not self._is_shown:
            return None, "the cell is folded"
        match event.get("kind"):
            case "turn":
                return self._turn(event, data)
            case "system":
                texts = [argument for word, argument in self._commands if word == "system"]
                if not texts:
                    return None, "a system prompt that is not in the cell"
                text = "" if texts[-1] in {"''", '""', "--clear"} else texts[-1].strip("\"'")
                return {**_only(event, "id", "kind"), "text": text, "from_file": "unsaid"}, ""
            case "reset" | "undo" | "drop" as kind:
                if any(word == kind for word, _ in self._commands) or (kind == "reset" and self._new):
                    return _only(event, "id", "kind", "turns"), ""
        return None, "a command that is not in the cell"

    def _turn(self, event: Record, data: Mapping[str, Any]) -> tuple[Record | None, str]:
        if not self.questions or "given" in event:
            return None, "a question that is not in the cell"
        self._turns += 1
        if self._turns > 1:
            return None, "a second answer to the question of a cell"
        if not visible_text.agrees(data):
            return None, "an answer that is not the one which is shown"
        if any(map(visible_text.hides_characters, self.questions)):
            return None, "a question with characters that are not shown"
        question = event["prompt"] if event["prompt"] in self.questions else self.questions[0]
        edited = event.get("edited") is True or event["prompt"] != question
        reply = joined_lines(data.get("text/plain"))
        seen = {**_only(event, *_HARMLESS), "prompt": question, "edited": edited, "from_file": "unsaid"}
        seen["values"] = _codes(event.get("values"), question)
        if self._system is not None and self._system == event.get("system"):
            seen["system"] = self._system
        return {**seen, "parts": [{"type": "text", "text": reply}] if reply else []}, ""


def _codes(values: object, prompt: str) -> list[Record]:
    """Return the expressions of a prompt that an output names, if the prompt shows them; nothing of their values."""
    entries = values if isinstance(values, list) else []
    codes = [entry.get("code") for entry in entries if isinstance(entry, dict)]
    return [{"code": code} for code in codes if isinstance(code, str) and code and "{{" in prompt and code in prompt]


# What is taken of a turn although its reader does not see it, as it is never sent: marks of the history, and names.
# Not `request`, `options`: a file does not choose how something is asked, nor what is replayed.
_HARMLESS = (
    *("id", "kind", "finish", "model", "provider", "parent", "chain", "left_out", "stale_before", "reason"),
    *("prompt_tokens", "completion_tokens", "begun", "ended"),
)


def _only(event: Mapping[str, Any], *names: str) -> Record:
    return {name: event[name] for name in names if name in event}


def _is_shown(cell: Mapping[str, Any]) -> bool:
    """Say whether a front end shows the cell's source and outputs, and not a bar in place of them."""
    metadata = cell.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    jupyter, tags = metadata.get("jupyter"), metadata.get("tags")
    folded = [metadata.get(name) for name in ("collapsed", "hidden", "inputHidden")]
    if isinstance(jupyter, dict):
        folded += [jupyter.get("source_hidden"), jupyter.get("outputs_hidden")]
    folded += ["hide" in str(tag) for tag in (tags if isinstance(tags, list) else [])]
    return cell.get("cell_type", "code") == "code" and not any(folded)


def joined_lines(value: object) -> str:
    """Return a text that a notebook may hold as a list of lines."""
    lines = value if isinstance(value, list) else [value]
    return "".join(line for line in lines if isinstance(line, str))
