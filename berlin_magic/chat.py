"""A conversation: turns, and the provider that answers them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from berlin_magic.turns import Turn, Turns

__all__ = ["Conversation"]


class Conversation(Turns):
    """Questions and answers that build on each other, from code as from cells.

    Parameters
    ----------
    system : str
        The system prompt.
    model : str
        The model to ask; empty for ``BERLIN_MODEL``, or the server's usual one.
    **connection
        Where to ask, as keywords of `berlin_magic.Berlin.create_async_generator`: ``url``, ``account``, ``password``,
        ``token``, ``proxy``, ``silence``. With none of them here, in `Berlin.url` or in the environment, the embedded
        server is asked.

    Examples
    --------
    >>> talk = Conversation()
    >>> async for piece in talk.stream("How do I stop a reply?"):
    ...     print(piece, end="")
    >>> answer = await talk.ask("And from the keyboard?")
    >>> answer = talk.ask_sync("And in a script?")
    """

    def __init__(self, system: str = "", *, model: str = "", **connection: Any) -> None:
        super().__init__(system)
        self.model = model
        self.connection = connection

    def __repr__(self) -> str:
        return f"<Conversation of {len(self)} turn{'' if len(self) == 1 else 's'}>"

    async def stream(
        self, prompt: str, *, model: str = "", system: str | None = None, **options: Any
    ) -> AsyncGenerator[str, None]:
        """Ask `prompt` with everything before it as context, and yield the answer piece by piece.

        Parameters
        ----------
        prompt : str
            The question.
        model, system : str, optional
            For this question only.
        **options
            The engine's: ``temperature``, ``max_tokens``, …

        Raises
        ------
        BerlinError
            Whatever kept the reply from being whole; what had arrived is kept, in the conversation too.
        """
        turn = self.begin(prompt, model=model or self.model, system=system)
        async with aclosing(self.answer(turn, **options)) as pieces:
            async for piece in pieces:
                yield piece

    async def ask(self, prompt: str, **options: Any) -> str:
        """Ask `prompt` and return the whole answer; as `stream` otherwise."""
        async with aclosing(self.stream(prompt, **options)) as pieces:
            return "".join([piece async for piece in pieces])

    def ask_sync(self, prompt: str, **options: Any) -> str:
        """Ask `prompt` and return the whole answer, from code that can't await; as `ask` otherwise."""
        from berlin_magic.blocking import run  # noqa: PLC0415 - patches asyncio: only where it is asked for

        return run(self.ask(prompt, **options))

    async def answer(
        self, turn: Turn, *, connected: Callable[[Any], None] | None = None, **options: Any
    ) -> AsyncGenerator[str, None]:
        """Answer a turn that `begin` gave, yield the pieces, and leave it finished, whatever happens.

        Parameters
        ----------
        turn : Turn
            Running, and nobody else's.
        connected : callable, optional
            Is told the `Connection` that is used, before anything is sent.
        **options
            The engine's.
        """
        try:
            # In a thread: importing what speaks HTTP takes a while, and the user's loop goes on meanwhile.
            network = await asyncio.to_thread(_network)
            there = await network.connect(**self.connection)
            turn.model = turn.model or there.model
            if connected is not None:
                connected(there)
            pieces = there.provider.create_async_generator(turn.model, turn.asked, **there.settings, **options)
            async with aclosing(pieces):
                async for piece in pieces:
                    turn.add(piece)
                    yield piece
            turn.finish = "complete"
        except (asyncio.CancelledError, GeneratorExit):
            turn.finish = "stopped"
            raise
        except BaseException:
            turn.finish = "cut" if turn.length else "failed"
            raise


def _network() -> Any:
    from berlin_magic import connection  # noqa: PLC0415 - see where it is called

    return connection
