"""Answer what our JupyterLab extension asks about the notebook's conversation, as JSON.

The extension asks by a silent execution that stores nothing: its code awaits `prepare`, and one of its user
expressions is `take`. A comm would be no help: a message that arrives just as an awaited cell ends makes ipykernel
(7.4.0) report the end of the next cell as that of the first.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.display import JSON

from berlin_magic.concurrency import in_thread
from berlin_magic.errors import BerlinError, clean, printable
from berlin_magic.kernel.cell import cell_of
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.commands import COMMANDS
from berlin_magic.kernel.current_values import changed_since
from berlin_magic.kernel.history_commands import beginning, marks_of
from berlin_magic.kernel.magics import BerlinMagics

if TYPE_CHECKING:
    from berlin_magic.conversations.conversation import Conversation

__all__ = ["prepare", "take"]

Answer = dict[str, Any]

_answer: Answer = {}


async def prepare(question: str, *arguments: str, shell: Any = None) -> None:
    """Find the answer to a question, for `take`.

    Parameters
    ----------
    question : str
        ``state`` (who was asked and how many tokens that took), ``models`` (whose names `use` takes), ``use`` (with the
        name of a model; answers like ``state``) or ``history`` (the turns of all conversations).
    *arguments : str
        What the question needs.
    shell : InteractiveShell, optional
        The shell; IPython's own if absent.
    """
    global _answer  # noqa: PLW0603 - executions come one after the other
    _answer = {}
    shell = shell or get_ipython()
    magics = next((entry for entry in shell.configurables if isinstance(entry, BerlinMagics)), None)
    if magics is None:
        return
    try:
        _answer = await _QUESTIONS[question](magics, *arguments)
    except (BerlinError, UsageError) as error:
        _answer = {"error": clean(str(error), 500)}


def take() -> JSON:
    """Return the answer that `prepare` has found."""
    return JSON(_answer)  # type: ignore[no-untyped-call, unused-ignore]


async def _state(magics: BerlinMagics) -> Answer:
    """Return which model is asked. Before the first question it is the chosen one: to connect would start a server."""
    conversations = (await _conversations(magics)).values()
    asked = [turn for one in conversations for turn in one.every_turn()]  # replaced ones have cost tokens, too
    answer: Answer = {
        "provider": "",
        "model": clean(magics.model, 100),
        "tokens": sum((turn.prompt_tokens or 0) + (turn.completion_tokens or 0) for turn in asked),
        "turns": sum(map(len, conversations)),
    }
    if "berlin_magic.providers.resolve" in sys.modules:
        from berlin_magic.providers.resolve import connect  # noqa: PLC0415 - it is loaded already

        connection = await connect(magics.model, **magics.conversation.connection)
        answer |= {"provider": clean(connection.provider.name, 40), "model": clean(connection.model, 100)}
    return answer


async def _models(magics: BerlinMagics) -> Answer:
    await _run(magics, "models")
    return {"models": list(magics.listed), "used": magics.model}


async def _use(magics: BerlinMagics, model: str) -> Answer:
    await _run(magics, "use", model=model)
    return await _state(magics)


async def _run(magics: BerlinMagics, name: str, **arguments: object) -> None:
    output = COMMANDS[name].run(CommandContext(magics, "", cell_of(magics.shell)), Namespace(**arguments))
    if isinstance(output, Awaitable):
        await output


async def _history(magics: BerlinMagics) -> Answer:
    found = await _conversations(magics)
    names = getattr(magics.shell, "user_ns", {})
    changed = await changed_since(names, [turn for one in found.values() for turn in one])
    return await in_thread(
        lambda: {"conversations": [_shown(name, one, changed) for name, one in found.items() if len(one)]}
    )


async def _conversations(magics: BerlinMagics) -> dict[str, Conversation]:
    """Return the notebook's conversations by name, none if it is not known yet which notebook this is."""
    notebook = magics.notebook
    if not notebook.is_known:
        return {}
    await in_thread(notebook.open)  # reads files
    return {name: notebook.conversation(name) for name in notebook.names()}


def _shown(name: str, conversation: Conversation, changed: Mapping[str, Sequence[str]]) -> Answer:
    """Return what is shown of a conversation: text, and safe HTML of the beginning of each reply."""
    from berlin_magic.display.markdown import to_html  # noqa: PLC0415 - a slow import

    stale = conversation.stale()
    turns = []
    for turn in conversation:
        reply = beginning(turn.reply)
        versions = len(conversation.place_of(turn).versions)
        turns.append(
            {
                "id": turn.id,
                "cell": turn.cell,
                "question": printable(beginning(turn.prompt)),
                "answerer": clean(turn.model, 40) or "assistant",
                "marks": marks_of(turn, versions, stale=turn.id in stale, changed=changed.get(turn.id, ())),
                "stale": turn.id in stale or turn.id in changed,
                "html": to_html(reply or "(nothing)"),
                "rest": len(turn.reply) - len(reply),
            }
        )
    return {"name": clean(name, 60), "turns": turns}


_QUESTIONS: Mapping[str, Callable[..., Awaitable[Answer]]] = {
    "state": _state,
    "models": _models,
    "use": _use,
    "history": _history,
}
