"""A conversation: turns, each answered by a provider."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations import export
from berlin_magic.conversations.replay import Digests, Mode, Replays, StoredReply
from berlin_magic.conversations.server_side_context import continued
from berlin_magic.conversations.thinking import ThinkingParser
from berlin_magic.conversations.turns import Turn, Turns
from berlin_magic.credentials.secret import unseen
from berlin_magic.errors import BerlinError, IncompleteReplyError, NotStoredError
from berlin_magic.messages import Event, Image, Part, Reasoning, Started, Text, TextWasReasoning
from berlin_magic.providers.base import events_of, text_of
from berlin_magic.providers.options import CONNECTION_SETTINGS, SERVER_SETTINGS, hide_secrets, merge_settings
from berlin_magic.providers.registry import named_provider

if TYPE_CHECKING:
    from berlin_magic.providers.resolve import Connection

__all__ = ["Conversation", "Host", "RecordCost"]


def _no_cell() -> tuple[None, None]:
    return None, None


async def _no_wait() -> None:
    """Wait for nothing."""


async def _without_budget(_turn: Turn, _connection: Connection) -> RecordCost:
    return lambda _refused: None


RecordCost = Callable[[bool], None]
"""Records the cost of a request; its argument says whether the server refused it, which then costs nothing."""


@dataclass(frozen=True, slots=True)
class Host:
    """The notebook of a conversation, as far as the conversation uses it; by default there is none.

    Attributes
    ----------
    cell : callable
        Returns the id of the running cell, and the id of this execution of it; None if one is not known.
    replays : callable
        Returns further sources of stored replies.
    stored : callable
        Waits until the journal is on disk, for a short time at most.
    reserve : callable
        Receives a turn before it is sent, with its connection; raises a `BudgetError` if the budget has no room for it.
    """

    cell: Callable[[], tuple[str | None, str | None]] = _no_cell
    replays: Callable[[], list[Replays]] = list
    stored: Callable[[], Awaitable[object]] = _no_wait
    reserve: Callable[[Turn, Connection], Awaitable[RecordCost]] = _without_budget


class Conversation(Turns):
    """Questions and answers that build on each other, from code as from cells.

    It is a sequence of turns: iterate over it, index it; a slice is a conversation of its own, to be continued.

    Parameters
    ----------
    system : str
        The system prompt.
    model : str
        The model to ask, ``"ollama:llama3.2"`` for a model of a certain provider; empty for ``BERLIN_MODEL``, or the
        server's default.
    host : Host, optional
        The notebook of the conversation; None for a conversation of no notebook.
    **connection
        The connection settings: ``provider``, by its name, and the keywords of its class: ``url``, ``account``,
        ``password``, ``token`` for Berlin, ``url``, ``key``, ``headers`` for OpenAI's protocol, ``proxy``,
        ``silence``, ``retries`` and ``reply_limit`` (bytes; 0 for no limit) for all.
        If no server is named here, in `Berlin.url` or in the environment, the embedded server is asked.

    Attributes
    ----------
    replay : str
        ``"off"``: never replay; ``"auto"``: give the stored reply if the same request was answered before;
        ``"only"``: the same, with an error if there is no stored reply.
    context : str
        ``"client"``: each question is sent with the turns before it. ``"server"``: the server keeps the context,
        and only the newest message is sent (Berlin's servers alone).
    data : str
        The highest level at which a value of an earlier prompt is sent again: ``"full"``, ``"sample"`` or ``"schema"``.
    context_limit : int or None
        The most tokens that are sent with a question, estimated from characters; the oldest turns are left out.

    Examples
    --------
    >>> talk = Conversation()
    >>> async for piece in talk.stream("How do I stop a reply?"):
    ...     print(piece, end="")
    >>> other = talk[:1]
    """

    def __init__(self, system: str = "", *, model: str = "", host: Host | None = None, **connection: Any) -> None:
        super().__init__(system)
        self.model = model
        if any(connection.get(name) for name in SERVER_SETTINGS) and (prefix := named_provider(model)[0]):
            connection = {
                "provider": prefix,
                **connection,
            }  # server settings belong to the provider that the model names
        self.connection = {name: unseen(name, value) for name, value in connection.items()}
        self.context: Literal["client", "server"] = "client"
        self.renewed = False
        self.data: Literal["full", "sample", "schema"] = "full"
        self.replay: Mode = "off"
        self._host = host or Host()
        self._digests = Digests()

    def __repr__(self) -> str:
        return f"<Conversation of {len(self)} turn{'' if len(self) == 1 else 's'}>"

    def stream(
        self, prompt: str, *, model: str = "", system: str | None = None, **options: Any
    ) -> AsyncGenerator[str, None]:
        """Ask `prompt` with everything before it as context, and yield the text of the reply as it arrives.

        Parameters
        ----------
        prompt : str
            The question.
        model, system : str, optional
            For this question only.
        **options
            Options of the engine: ``temperature``, ``max_tokens``, …

        Raises
        ------
        BerlinError
            If the reply is not complete; the part that arrived is kept, in the conversation too.
        """
        return text_of(self.events(prompt, model=model, system=system, **hide_secrets(options)))

    async def events(
        self, prompt: str, *, model: str = "", system: str | None = None, **options: Any
    ) -> AsyncGenerator[Event, None]:
        """Ask `prompt` as `stream` does, and yield each `berlin_magic.messages.Event` of the reply.

        The first is a `Started`, unless the reply is a stored one.
        """
        turn, settings = self._put(prompt, model, system, hide_secrets(options))
        async with aclosing(self.answer(turn, **settings)) as events:
            async for event in events:
                yield event

    def _put(
        self,
        prompt: str,
        model: str,
        system: str | None,
        options: Mapping[str, Any],
        question: Sequence[Part] = (),
    ) -> tuple[Turn, dict[str, Any]]:
        """Add a question at the place of the running cell; return its turn and the connection settings in `options`."""
        cell, run = self._host.cell()
        given = {name: value for name, value in options.items() if name not in CONNECTION_SETTINGS}
        settings = {name: value for name, value in options.items() if name in CONNECTION_SETTINGS}
        turn = self.ask_in(
            cell, run, prompt, model=model or self.model, system=system, options=given, question=question
        )
        return turn, settings

    def ask_in(
        self,
        cell: str | None,
        run: str | None,
        prompt: str,
        *,
        model: str = "",
        system: str | None = None,
        options: Mapping[str, Any] | None = None,
        question: Sequence[Part] = (),
        values: Sequence[Mapping[str, Any]] = (),
    ) -> Turn:
        """Add a question at the place of its cell and return its turn, for `answer`.

        Raises
        ------
        ValueError
            If the options are not JSON; nothing has changed.
        ContextOnServerError
            If the server keeps the context, and its context is not that of this place; nothing has changed.
        """
        given = {name: value for name, value in (options or {}).items() if value is not None}
        try:
            json.dumps(given)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the options must be numbers, texts, lists and dicts: {error}") from None
        parent = ""
        if self.context == "server":
            earlier = [turn for turn in self.earlier(cell, run) if turn.context_messages]
            chosen = self.system_for(cell) if system is None else system
            parent = continued(self.every_turn(), earlier, chosen, renewed=self.renewed)
        turn = self.begin(
            prompt,
            cell=cell,
            run=run,
            model=model,
            system=system,
            options=given,
            begun=time.time(),
            question=question,
            values=values,
        )
        if self.context == "server":
            turn.server, turn.alone, self.renewed = parent or uuid.uuid4().hex, bool(parent), False
            self.note(turn)
        return turn

    async def resolved(self, turn: Turn) -> Connection:
        """Return the connection that `turn` would be sent over; nothing is sent."""
        connect = await in_thread(_connect)
        return await connect(turn.model, **merge_settings(self.connection, {}, turn.model))

    async def answer(
        self, turn: Turn, *, replay: Mode | None = None, connection: Connection | None = None, **settings: Any
    ) -> AsyncGenerator[Event, None]:
        """Answer a turn that `ask_in` has returned, and yield the events of its reply; the turn has ended afterwards.

        Parameters
        ----------
        turn : Turn
            A running turn. Each event is added to it before it is yielded. Call `answer` once for each turn.
        replay : str, optional
            The mode for this turn, in place of `Conversation.replay`.
        connection : Connection, optional
            A connection that `resolved` has returned, so that many questions can share it.
        **settings
            Connection settings for this turn, in place of the conversation's; they are not recorded.
        """
        settings = hide_secrets(settings)
        turn.request = self._digests.of(turn, turn.model or os.environ.get("BERLIN_MODEL", ""))
        try:
            stored = self._stored(turn, replay or self.replay)
            reply = self._asked(turn, settings, connection) if stored is None else _replayed(turn, stored)
            async with aclosing(reply) as events:
                async for event in events:
                    self._take(turn, event)
                    yield event
            self.end(turn, "complete", ended=time.time())
        except (asyncio.CancelledError, GeneratorExit):
            self.end(turn, "stopped", ended=time.time())
            raise
        except BaseException:
            self.end(turn, "cut" if turn.length or turn.images else "failed", ended=time.time())
            raise
        await self._host.stored()  # a turn is durable when it ends

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the conversation, former versions included, to a JSON file that `load` reads."""
        Path(path).write_text(json.dumps(self.record(), ensure_ascii=True, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str], **settings: Any) -> Self:
        """Return the conversation in a file: one of `save`, a list of messages, or a notebook.

        Parameters
        ----------
        path : path
            ``.json`` of `save` or of an export, ``.jsonl``, or ``.ipynb``, whose unnamed conversation is read.
        **settings
            The keywords of the class.

        Raises
        ------
        ValueError
            If the file has another format.
        """
        file = Path(path)
        talk = cls(**settings)
        if file.suffix == ".ipynb":
            from berlin_magic.conversations.storage import notebook_file  # noqa: PLC0415  # few need it

            talk.read(notebook_file.read(file).record())
            return talk
        content = export.contents(file.read_text(encoding="utf-8"), file.suffix)
        if isinstance(content, list):
            talk.add_messages(content)
        elif problems := talk.read(content):
            raise ValueError(f"{file} is damaged: {'; '.join(problems)}")
        return talk

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the current turns to a file: ``.md``, ``.json`` (the list of messages) or ``.jsonl``."""
        file = Path(path)
        file.write_text(export.exported(self, self.messages, file.suffix), encoding="utf-8")

    async def _asked(
        self, turn: Turn, settings: Mapping[str, Any], connection: Connection | None
    ) -> AsyncGenerator[Event, None]:
        caution = ""
        if connection is None:
            # In a thread: importing the HTTP client takes a while, and the user's event loop goes on meanwhile.
            connect = await in_thread(_connect)
            connection = await connect(turn.model, **merge_settings(self.connection, settings, turn.model))
            caution = await in_thread(partial(connection.provider.caution, connection.model))
        from berlin_magic.credentials.redaction import redacted, untraced  # noqa: PLC0415 - loaded by `connect`

        provider = connection.provider
        turn.wanted = turn.model
        yield Started(provider.name, connection.model, connection.embedded, caution, connection.where)
        if turn.server and "parent" not in provider.parameters():
            turn.server, turn.alone = "", False  # the server keeps no context
        kept = {"parent": turn.server} if turn.server else {}
        asked = turn.asked_within(self.data)
        messages = asked[-1:] if turn.alone else asked
        provider.refuse_files(messages)
        record_cost, refused = await self._host.reserve(turn, connection), False
        try:
            stream = events_of(
                provider.stream(
                    turn.model, messages, **connection.settings, **kept, **connection.options(turn.options)
                ),
                provider.name,
            )
            parser = ThinkingParser()
            async with aclosing(stream):
                async for event in stream:
                    if isinstance(event, Text):
                        for part in parser.feed(event.text):
                            yield part
                    else:
                        yield event
            for part in parser.flush():
                yield part
        except BerlinError as error:
            refused = not turn.parts and not isinstance(error, IncompleteReplyError)
            raise redacted(error, connection.secrets) from None  # another package's provider may quote anything
        except asyncio.CancelledError as error:
            raise untraced(error) from None  # the caller that cancels sees the frames that were waiting
        finally:
            record_cost(refused)

    def _stored(self, turn: Turn, mode: Mode) -> StoredReply | None:
        if mode == "off":
            return None
        own = Replays("this conversation")
        own.add_turns(self.every_turn())
        asked = turn.asked
        everywhere = [own, *self._host.replays()]
        for replays in everywhere:
            if (found := replays.find(asked, turn.request, turn.uses)) is not None:
                return found
        if mode == "only":
            question = " ".join(turn.prompt.split())
            subject = f"The question of cell {turn.cell}" if turn.cell else "The question"
            if names := sorted({name for replays in everywhere for name in replays.changed_since(turn)}):
                shown = ", ".join(f"`{name[:60]}`" for name in names)
                raise NotStoredError(
                    f"{subject} was answered on other data: {question[:80]!r}.\n"
                    f'{shown} changed since; replay = "auto" asks it anew.'
                )
            raise NotStoredError(
                f"{subject} is not stored: {question[:80]!r}.\n"
                'It, or a turn before it, has changed since it was answered; replay = "auto" asks it anew.'
            )
        return None

    def _take(self, turn: Turn, event: Event) -> None:
        turn.take(event)
        if isinstance(event, TextWasReasoning):
            self.note(turn)
        elif self.journal is not None and self.find(turn.id) is not None:
            match event:
                case Text(text):
                    self.journal.delta(turn.id, "text", text)
                case Reasoning(text):
                    self.journal.delta(turn.id, "reasoning", text)
                case Image(url):
                    self.journal.delta(turn.id, "image", url)

    def _empty_copy(self) -> Self:
        other = super()._empty_copy()
        other.model, other.connection = self.model, dict(self.connection)
        other.replay, other.context, other.renewed, other.data = self.replay, self.context, True, self.data
        other._host = Host(reserve=self._host.reserve)  # noqa: SLF001 - its own class; the same budget pays
        return other


async def _replayed(turn: Turn, stored: StoredReply) -> AsyncGenerator[Event, None]:
    turn.replayed, turn.replayed_from = True, stored.found_in
    turn.model, turn.provider, turn.reason = stored.model or turn.model, stored.provider, stored.reason
    if stored.text:
        yield Text(stored.text)
    for url in stored.images:
        yield Image(url)


def _connect() -> Callable[..., Awaitable[Connection]]:
    from berlin_magic.providers.resolve import connect  # noqa: PLC0415 - see where it is called

    return connect
