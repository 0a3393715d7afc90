"""The `%berlin` commands that show the turns of a conversation."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.turn import Turn
from berlin_magic.display.markdown import text_to_html
from berlin_magic.display.view import State, Status
from berlin_magic.errors import clean, printable
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.command_output import CommandOutput, paragraph, quantity, table
from berlin_magic.kernel.current_values import changed_since, has_changed
from berlin_magic.kernel.reply_images import image_outputs

__all__ = ["beginning", "history", "marks_of", "prompts_of", "show", "stale", "turn_index"]

_EXCERPT = 300  # characters of a turn, as text
_HTML_EXCERPT = 1000  # characters of a reply, rendered


async def history(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """Show the turns of the conversation, each cut to a readable length."""
    conversation = context.conversation
    outdated = conversation.stale()
    now_other = await changed_since(context.names, list(conversation))
    system = f"system: {clean(conversation.system, _EXCERPT)}" if conversation.system else ""
    turns = [
        (
            turn,
            marks_of(
                turn,
                len(conversation.place_of(turn).versions),
                stale=turn.id in outdated,
                changed=now_other.get(turn.id, ()),
            ),
        )
        for turn in conversation
    ]
    lines = [system] if system else []
    for count, (turn, marks) in enumerate(turns, 1):
        about = f" [{', '.join(marks)}]" if marks else ""
        name = clean(turn.model, 40) or "assistant"
        lines.append(f"{count:>3}  you: {clean(turn.prompt, _EXCERPT)}")
        lines.append(f"     {name}{about}: {clean(turn.reply, _EXCERPT) or '(nothing)'}")
    if not lines:
        return CommandOutput("Nothing has been asked yet.")
    rendered = await in_thread(lambda: [_turn_html(count, turn, marks) for count, (turn, marks) in enumerate(turns, 1)])
    return CommandOutput("\n".join(lines), "\n".join(filter(None, [paragraph(system), *rendered])))


def _turn_html(count: int, turn: Turn, marks: list[str]) -> str:
    """Return a turn as HTML: the question as text, the beginning of the reply as rendered Markdown."""
    from berlin_magic.display.markdown import to_html  # noqa: PLC0415 - a slow import

    quiet = 'style="opacity:.65;font-size:85%"'
    answerer = " · ".join([clean(turn.model, 40) or "assistant", *marks])
    question, reply = beginning(turn.prompt), beginning(turn.reply)
    rest = len(turn.reply) - len(reply)
    return (
        f'<div class="berlin-turn" style="margin:.8em 0"><div {quiet}>{count} · you</div>'
        f"{paragraph(printable(question) + ' …' * (question != turn.prompt))}"
        f"<div {quiet}>{text_to_html(answerer)}</div>{to_html(reply or '(nothing)')}"
        f"{paragraph(f'… {rest:,} more characters: `%berlin show {count}`') if rest else ''}</div>"
    )


def beginning(text: str) -> str:
    """Return the beginning of a text, cut between two words if it is long."""
    cut = text[:_HTML_EXCERPT]
    return text if cut == text else cut.rpartition(" ")[0] or cut


async def show(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Show the whole reply of a turn again, with its images, as it was shown when it arrived.

    The output has no record of the turn: a notebook that is read from its file holds the turn once.
    """
    turns = list(context.conversation)
    if not turns:
        return CommandOutput("Nothing has been asked yet.")
    turn = turns[turn_index(arguments.number or len(turns), turns)]
    return await in_thread(lambda: _shown_again(turn))


def _shown_again(turn: Turn) -> CommandOutput:
    from berlin_magic.display.static import Rendered, final_output  # noqa: PLC0415 - a slow import

    elapsed = turn.ended - turn.begun if turn.begun is not None and turn.ended is not None else 0.0
    status = Status(_STATES[turn.finish], turn.model, turn.provider, elapsed, turn.length, reasoning=turn.reasoning)
    data, _ = final_output(replace(Rendered.of(turn.reply), needs_html=True), status, {})
    markdown = {"text/markdown": data["text/markdown"]}
    images = tuple(image_outputs(turn.images))
    text = data["text/plain"] or ("(no text)" if images else "(nothing)")
    return CommandOutput(text, data["text/html"], more=markdown, others=images)


_STATES: dict[str, State] = {
    "running": "streaming",
    "complete": "complete",
    "stopped": "stopped",
    "cut": "cut",
    "failed": "failed",
}


async def stale(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """List the turns that quote data which has changed since."""
    turns = list(context.conversation)
    found = await changed_since(context.names, turns)
    rows = [
        (str(count), has_changed(found[turn.id]), clean(turn.prompt, 100))
        for count, turn in enumerate(turns, 1)
        if turn.id in found
    ]
    if rows:
        return table(rows, after="Run their cells again to have them answered on the data as it is now.")
    quoted = sum(bool(turn.uses) for turn in turns)
    return CommandOutput(f"Nothing has changed of the data of {quantity(quoted, 'turn')}." if quoted else _NO_DATA)


_NO_DATA = "No turn quotes data of the notebook: `{{ name }}` in a question does."


def turn_index(number_: int, turns: list[Turn]) -> int:
    """Return the index of turn `number_`, counted from 1.

    Raises
    ------
    UsageError
        If there is no such turn.
    """
    if number_ > len(turns):
        raise UsageError(f"There is no turn {number_}: `%berlin history` shows the numbers.")
    return number_ - 1


def marks_of(turn: Turn, count: int, *, stale: bool, changed: Sequence[str] = ()) -> list[str]:
    """Return short remarks about a turn of a place with `count` versions."""
    marks: list[str] = [] if turn.finish == "complete" else [turn.finish]
    if turn.given is not None:
        marks.append("imported")
    if count > 1:
        marks.append(f"{count} versions")
    if turn.left_out:
        marks.append(f"{quantity(turn.left_out, 'earlier turn')} left out")
    if stale:
        marks.append("answered on an older version")
    if changed:
        marks.append(has_changed(changed))
    return marks


def prompts_of(turns: list[Turn]) -> str:
    """Return the questions of turns, cut short and in quotes."""
    return "; ".join(f"“{clean(turn.prompt, 60)}”" for turn in turns)
