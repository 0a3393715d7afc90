"""The public class `Conversation`, whose questions return a reply or a value of a type."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, Self, overload

from berlin_magic.concurrency import run_sync
from berlin_magic.conversations import conversation
from berlin_magic.conversations.turn import Turn
from berlin_magic.errors import ReplyFormatError
from berlin_magic.messages import Event, Part, Text, TextPart
from berlin_magic.providers.options import hide_secrets
from berlin_magic.results.reply import Reply
from berlin_magic.results.typed import schema_of

__all__ = ["Conversation", "IncomingReply", "Presenter", "worth_repair"]


def worth_repair(turn: Turn) -> bool:
    """Return whether to ask again for a reply that does not fit: not if it was stopped, or ended at its limit."""
    return turn.finish == "complete" and turn.reason != "length"


@dataclass(frozen=True, slots=True)
class IncomingReply:
    """A reply that a presenter has to show.

    Attributes
    ----------
    conversation, turn : Conversation and Turn
        The conversation and the turn of the events.
    events : async generator
        The events of the reply; whoever shows it reads them to their end.
    awaited : bool
        Whether the caller is a coroutine on the kernel's loop.
    readable : callable, optional
        Returns the Markdown that is shown for the finished reply, in place of its text.
    """

    conversation: Conversation
    turn: Turn
    events: AsyncGenerator[Event, None]
    awaited: bool
    readable: Callable[[str], str] | None = None


class Presenter(Protocol):
    """Shows a reply while it arrives."""

    async def show(self, incoming: IncomingReply) -> None:
        """Read the events of a reply to their end, show them, and raise their error, if there is one."""
        ...

    def shown(self, value: object) -> None:
        """Note the result of what has been shown, so that it is not shown again."""
        ...


class Conversation(conversation.Conversation):
    """Questions and answers, each with those before it as its context.

    It is a sequence of turns: iterate over it, index it; a slice is a conversation of its own, to be continued.
    Parameters and attributes are those of `berlin_magic.conversations.conversation.Conversation`: ``system``,
    ``model``, ``provider``, ``url`` and the other settings of a provider.

    Examples
    --------
    >>> talk = Conversation()
    >>> async for piece in talk.stream("How do I stop a reply?"):
    ...     print(piece, end="")
    >>> answer = await talk.ask("And from the keyboard?")
    >>> answer.usage
    >>> invoice = await talk.ask(f"Read this invoice: {text}", as_=Invoice)
    >>> answer = talk.ask_sync("And in a script?")
    >>> other = talk[:1]
    """

    presenter: Presenter | None = None
    """Shows replies for ``show=True``; without one, their text is printed."""

    @overload
    async def ask(self, prompt: str, *, as_: None = None, show: bool = False, **options: Any) -> Reply: ...
    @overload
    async def ask(self, prompt: str, *, as_: object, show: bool = False, **options: Any) -> Any: ...
    async def ask(self, prompt: str, *, as_: object = None, show: bool = False, **options: Any) -> Any:
        """Ask `prompt` with everything before it as context, and return the reply.

        Parameters
        ----------
        prompt : str
            The question.
        as_ : type, typing form or mapping, optional
            What the reply has to be: a pydantic model, a dataclass, a TypedDict, ``Literal[…]``, ``list[…]``, or a
            JSON schema as a dict. If the reply does not fit, it is asked for once more, with what is wrong.
        show : bool
            Whether the reply is shown while it arrives, as that of a ``%%berlin`` cell.
        **options
            ``model`` and ``system`` for this question only, and the engine's: ``temperature``, ``max_tokens``, …

        Returns
        -------
        Reply, or a value of the type
            `Reply` is a `str` that knows its turn, usage, code and tables.

        Raises
        ------
        ReplyFormatError
            If no reply fits; they are kept in the conversation.
        PromptError
            If `as_` is not a type of which there is a schema; nothing was sent.
        BerlinError
            If the reply is not complete. What had arrived is kept, also in the conversation.
        """
        options = hide_secrets(options)
        return await self._result(prompt, as_, options, show=show, awaited=True)

    def ask_sync(self, prompt: str, *, as_: object = None, show: bool = False, **options: Any) -> Any:
        """Ask `prompt` and return the reply, from code that can't await; as `ask` otherwise."""
        options = hide_secrets(options)
        return run_sync(self._result(prompt, as_, options, show=show, awaited=False))

    async def _result(self, prompt: str, as_: object, options: dict[str, Any], *, show: bool, awaited: bool) -> Any:
        result = await self._value(prompt, as_, options, show=show, awaited=awaited)
        if show and self.presenter is not None:
            self.presenter.shown(result)
        return result

    async def _value(self, prompt: str, as_: object, options: dict[str, Any], *, show: bool, awaited: bool) -> Any:
        if as_ is None:
            return Reply(await self._answered(prompt, options, show=show, awaited=awaited))
        spec = schema_of(as_)
        options = {**options, **spec.options}
        question = spec.add_instruction((TextPart(prompt),))
        readable = spec.readable
        turn = await self._answered(prompt, options, show=show, awaited=awaited, question=question, readable=readable)
        try:
            return spec.parse(turn.reply, cut=turn.reason == "length")
        except ReplyFormatError as error:
            if not worth_repair(turn):
                raise
            repair = spec.repair(error)
        turn = await self._answered(repair, options, show=show, awaited=awaited, readable=readable)
        return spec.parse(turn.reply, cut=turn.reason == "length")

    async def _answered(
        self,
        prompt: str,
        options: dict[str, Any],
        *,
        show: bool,
        awaited: bool,
        question: Sequence[Part] = (),
        readable: Callable[[str], str] | None = None,
    ) -> Turn:
        """Ask a question, wait until its reply has ended, and return its turn."""
        given = dict(options)
        model, system = given.pop("model", ""), given.pop("system", None)
        turn, where = self._put(prompt, model, system, given, question)
        if show and self.presenter is not None:
            await self.presenter.show(IncomingReply(self, turn, self.answer(turn, **where), awaited, readable))
            return turn
        async with aclosing(self.answer(turn, **where)) as events:
            async for event in events:
                if show and isinstance(event, Text):
                    print(event.text, end="", flush=True)  # noqa: T201 - the caller wants it printed
        if show:
            print()  # noqa: T201 - as above
        return turn

    def _empty_copy(self) -> Self:
        other = super()._empty_copy()
        other.presenter = self.presenter
        return other
