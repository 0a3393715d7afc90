"""The formats of exported conversations: Markdown, JSON and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from berlin_magic.conversations.serialization import FORMAT, Record
from berlin_magic.conversations.turn import Turn
from berlin_magic.messages import Message, text_in, with_parts

__all__ = ["SUFFIXES", "contents", "exported"]

SUFFIXES = (".md", ".json", ".jsonl")
"""The suffixes of the files to which a conversation can be exported."""


def exported(turns: Iterable[Turn], messages: Iterable[Message], suffix: str) -> str:
    """Return a conversation as the text of a file.

    Parameters
    ----------
    turns : iterable of Turn
        The conversation; for ``.md``.
    messages : iterable of Message
        The same conversation as messages, the system prompt first.
    suffix : str
        ``.md``, to read; ``.json``, the usual list of messages; ``.jsonl``, a message a line.

    Raises
    ------
    ValueError
        For another suffix.
    """
    if suffix == ".json":
        return _json(list(messages), indent=1) + "\n"
    if suffix == ".jsonl":
        return "".join(_json(message) + "\n" for message in messages)
    if suffix == ".md":
        return _markdown(turns, list(messages)).encode("utf-8", "replace").decode()
    raise ValueError(
        f"a conversation is exported to {', '.join(SUFFIXES)}, not to {suffix or 'a file with no suffix'!r}"
    )


def _json(value: object, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: only an escape can hold it
        return json.dumps(value, indent=indent)
    return text


def _markdown(turns: Iterable[Turn], messages: list[Message]) -> str:
    blocks = []
    if messages and messages[0]["role"] == "system":
        lines = text_in(messages[0]["content"]).split("\n")
        blocks.append("\n".join(f"> {line}" if line else ">" for line in lines))
    for turn in turns:
        if turn.given is not None:
            blocks += [f"## {message['role'].capitalize()}\n\n{text_in(message['content'])}" for message in turn.given]
            continue
        ending = "" if turn.finish == "complete" else f"\n\n*({turn.finish})*"
        blocks.append(f"## You\n\n{turn.prompt}")
        blocks.append(f"## {turn.model or 'Assistant'}\n\n{turn.reply}{ending}")
    return "\n\n".join(blocks) + "\n"


def contents(text: str, suffix: str) -> Record | list[Message]:
    """Return what a file holds: the record of a saved conversation, or messages (a ``.json`` list, ``.jsonl`` lines).

    Raises
    ------
    ValueError
        If there are no messages, an item is not a message, or a newer version has saved the record.
    """
    if suffix == ".jsonl":
        return _messages([_parsed(line) for line in text.split("\n") if line.strip()])
    content: Any = _parsed(text)
    if isinstance(content, dict) and "events" in content and isinstance(content.get("format"), int):
        if content["format"] > FORMAT:
            raise ValueError(f"it was saved by a newer berlin_magic (format {content['format']}, ours {FORMAT})")
        return content
    if isinstance(content, dict) and isinstance(content.get("messages"), list):
        content = content["messages"]  # the body of a chat completion request
    return _messages(content)


def _messages(content: Any) -> list[Message]:
    return [{"role": one["role"], "content": one["content"] or ""} for one in with_parts(content)]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
