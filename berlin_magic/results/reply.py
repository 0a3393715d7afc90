"""A reply: its text, with its turn, code and tables as attributes."""

from __future__ import annotations

from typing import Any, Self

from berlin_magic.conversations.turn import Finish, Turn
from berlin_magic.messages import ImagePart, Usage
from berlin_magic.results.code import CodeBlock, code_blocks
from berlin_magic.results.tables import as_frame, frame_library, tables_in

__all__ = ["Reply"]


class Reply(str):
    """The text of a reply, with its turn, code and tables.

    It is a `str`: it compares, prints and is saved as one. Pickled or copied, it is only the text.

    Parameters
    ----------
    turn : Turn
        The question and its reply, which has ended.
    """

    __slots__ = ("turn",)

    turn: Turn
    """The question and its reply, in the conversation."""

    def __new__(cls, turn: Turn) -> Self:
        """Return the text of the turn's reply."""
        reply = super().__new__(cls, turn.reply)
        reply.turn = turn
        return reply

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)

    @property
    def model(self) -> str:
        """The model that was asked."""
        return self.turn.model

    @property
    def usage(self) -> Usage | None:
        """The tokens of the question and of the reply, as the engine counted them; None if it did not."""
        turn = self.turn
        counted = turn.prompt_tokens is not None or turn.completion_tokens is not None
        return Usage(turn.prompt_tokens, turn.completion_tokens) if counted else None

    @property
    def finish(self) -> Finish:
        """How it ended: ``"complete"``, ``"stopped"`` by the user, or ``"cut"`` by network or server."""
        return self.turn.finish

    @property
    def reasoning(self) -> str:
        """The model's reasoning, if the provider gives it."""
        return self.turn.reasoning

    @property
    def code(self) -> list[CodeBlock]:
        """Its code blocks, each with its `language` and its `text`."""
        return code_blocks(self)

    @property
    def images(self) -> list[ImagePart]:
        """Its images; `url` holds the data of each, or its address."""
        return [part for part in self.turn.parts if isinstance(part, ImagePart)]

    @property
    def tables(self) -> list[Any]:
        """Its tables: as DataFrames if pandas or polars is imported, else as lists of rows, a dict each."""
        library = frame_library()
        found = tables_in(self)
        if not library:
            return [table.rows for table in found]
        return [as_frame(table.rows, library, table.columns) for table in found]
