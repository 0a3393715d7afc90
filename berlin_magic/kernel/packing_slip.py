"""The packing slip of a question, drawn up and shown in a cell."""

from __future__ import annotations

import re

from berlin_magic.conversations.turn import Turn
from berlin_magic.display.markdown import text_to_html
from berlin_magic.kernel.command_output import CommandOutput
from berlin_magic.kernel.costs import Costs
from berlin_magic.kernel.current_values import changed_notes
from berlin_magic.kernel.prompt import warnings_of
from berlin_magic.prompts.compose import Composed
from berlin_magic.prompts.slip import Packed, Slip, packed
from berlin_magic.results.conversation import Conversation

__all__ = ["short_slip", "slip_of", "slip_output"]

_THUMBNAIL = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_PRE = "white-space:pre-wrap;overflow-wrap:break-word;text-align:left;margin:0 0 0.5em 0"


async def slip_of(conversation: Conversation, turn: Turn, composed: Composed, costs: Costs | None = None) -> Slip:
    """Return what would be sent for `turn`, and where.

    Parameters
    ----------
    conversation : Conversation
        Of which `turn` is the newest; it is only asked whom it would ask.
    turn : Turn
        The question, not asked.
    composed : Composed
        The values in it.
    costs : Costs, optional
        Knows what it would cost.

    Raises
    ------
    BerlinError
        If it is not known whom to ask, or the provider can't take what would be sent.
    """
    connection = await conversation.resolved(turn)
    asked = turn.asked_within(conversation.data)
    asked = asked[-1:] if turn.alone else asked
    connection.provider.refuse_files(asked)
    messages = connection.provider.as_sent(asked)
    notes = [*warnings_of(composed), *changed_notes(turn)]
    if turn.alone:
        notes.append("the server has the context; only the newest message is sent")
    if connection.embedded:
        notes.append("the embedded server is a part of this kernel: nothing leaves the machine")
    if costs is not None:
        notes += await costs.estimate(turn, connection)
    return Slip(
        packed([{"role": message["role"], "content": message["content"]} for message in messages]),
        composed.values,
        connection.provider.name,
        connection.model,
        connection.where,
        connection.options(turn.options),
        turn.left_out,
        tuple(notes),
    )


def short_slip(turn: Turn, composed: Composed, data: str, where: str) -> str:
    """Return in a few lines what was sent for a turn, for its finished output: sizes and levels, none of the data.

    Parameters
    ----------
    turn : Turn
        The question, asked.
    composed : Composed
        The values in it.
    data : str
        The level of the notebook.
    where : str
        The address that was asked, for messages.

    Returns
    -------
    str
        Empty for a stored reply, for which nothing was sent, and if the question and all turns before it were sent as
        they stand: the notebook shows these.
    """
    if turn.replayed or not turn.provider or turn.finish == "failed" or not (composed.values or turn.left_out):
        return ""
    asked = turn.asked_within(data)
    counted = turn.prompt_tokens is not None and turn.completion_tokens is not None
    price = f"it has cost {turn.cost}{'' if counted else ' (an estimate)'}" if turn.cost else ""
    notes = tuple(filter(None, [price, "the server has the context; only the newest message is sent" * turn.alone]))
    messages = packed(asked[-1:] if turn.alone else asked)
    return "\n".join(Slip(messages, composed.values, turn.provider, turn.model, where, {}, turn.left_out, notes).head)


def slip_output(slip: Slip) -> CommandOutput:
    """Return a slip as it is shown: its head, then each message as it is sent, images as thumbnails."""
    head = text_to_html("\n".join(slip.head))
    blocks = [f'<pre style="{_PRE}">{head}</pre>', *map(_message, slip.messages)]
    return CommandOutput(slip.as_text(), "\n".join(blocks))


def _message(message: Packed) -> str:
    shown = [
        _image(text) if number in message.images else text_to_html(message.named(number) or text)
        for number, text in enumerate(message.texts)
    ]
    title = f"{text_to_html(message.role)} (about {message.tokens:,} tokens)"
    return f'<details open><summary>{title}</summary><pre style="{_PRE}">{"".join(shown)}</pre></details>'


def _image(url: str) -> str:
    """Return a small picture of an image that is in its address; anything else as text, as nothing is loaded here."""
    if _THUMBNAIL.fullmatch(url):
        return f'<img src="{url}" alt="image" style="max-width:16em;max-height:12em;display:block">'
    return text_to_html(f"[image at {url[:200]}]")
