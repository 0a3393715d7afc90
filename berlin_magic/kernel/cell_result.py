"""The result of a cell besides its output: a variable, `Out`, the text of the next cell."""

from __future__ import annotations

import typing
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.errors import ReplyFormatError, clean
from berlin_magic.kernel.arguments import evaluated
from berlin_magic.kernel.next_cell import put_into_next_cell
from berlin_magic.kernel.reply import ReplyResult, ReplyTask, short
from berlin_magic.messages import Part
from berlin_magic.results.code import python_code
from berlin_magic.results.conversation import worth_repair
from berlin_magic.results.reply import Reply
from berlin_magic.results.tables import as_frame, frame_library
from berlin_magic.results.typed import TypedSpec, any_json, any_rows, schema_of

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics

__all__ = ["CellResult", "result_of", "set_out"]

_TYPE_FORMS = {name: getattr(typing, name) for name in ("Any", "Literal", "Optional", "Union")}
"""What an expression of ``--as`` may use without an import."""


async def result_of(magics: BerlinMagics, options: Namespace) -> CellResult:
    """Return the result that the options of a cell ask for.

    Raises
    ------
    UsageError, PromptError
        If they can't be met; nothing has been sent.
    """
    form = options.format or ""
    if form == "code" and options.as_:
        raise UsageError("-f code and --as don't go together: the reply is either code or a value.")
    if form == "code" and options.bg:
        raise UsageError(
            "-f code and --bg don't go together: other cells run meanwhile. `%berlin insert`, afterwards, does it."
        )
    library = await in_thread(lambda: frame_library(needed=True)) if form == "df" else ""
    spec = None
    if options.as_:
        names = {**_TYPE_FORMS, **(magics.shell.user_ns if magics.shell is not None else {})}
        advice = "Name a type of the notebook: run the cell that defines it, or check the name."
        type_ = evaluated("--as", options.as_, names, advice)
        spec = await in_thread(lambda: schema_of(type_, options.as_))
    elif form in {"json", "df"}:
        spec = any_json() if form == "json" else any_rows()
    return CellResult(magics, options.into, form, spec, library, once=options.once)


class CellResult:
    """The result that a cell asks of its reply.

    Parameters
    ----------
    magics : BerlinMagics
        The shell.
    into : str or None
        The variable of ``-o``.
    form : str
        The form of ``-f``; empty if none is given.
    spec : TypedSpec or None
        The type that the reply has to fit.
    library : str
        The library of the DataFrame, for the form ``df``.
    once : bool
        Whether it is asked outside of the conversation.

    Attributes
    ----------
    misfit : ReplyFormatError or None
        Why the reply does not fit.
    """

    def __init__(
        self,
        magics: BerlinMagics,
        into: str | None,
        form: str,
        spec: TypedSpec | None,
        library: str = "",
        *,
        once: bool = False,
    ) -> None:
        self._magics = magics
        self._into = into
        self._form = form
        self.spec = spec
        self._library = library
        self._once = once
        self._value: Any = None
        self._number: int = 0 if magics.shell is None else magics.shell.displayhook.prompt_count
        self.misfit: ReplyFormatError | None = None

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the request for this type, such as ``reply_schema``."""
        return {} if self.spec is None else self.spec.options

    def add_instruction(self, question: tuple[Part, ...]) -> tuple[Part, ...]:
        """Return the parts of a question, with the instruction about the type."""
        return question if self.spec is None else self.spec.add_instruction(question)

    @property
    def repair(self) -> str:
        """The question that asks to correct a reply that does not fit; empty if it fits."""
        return self.spec.repair(self.misfit) if self.spec is not None and self.misfit is not None else ""

    def take(self, reply: ReplyTask) -> None:
        """Take a reply that has been read and is not finished yet: set the variable, put code into the next cell.

        Parameters
        ----------
        reply : ReplyTask
            The reply; remarks about it go to its status line.
        """
        turn = reply.turn
        self.misfit = None
        if self.spec is None:
            if turn.reply:
                self._keep(Reply(turn))
        elif turn.finish == "complete" or turn.reply:
            try:
                self._keep(self._formed(self.spec.parse(turn.reply, cut=turn.reason == "length")))
            except ReplyFormatError as error:
                self.misfit = error
                reply.note(f"does not fit {self.spec.name}: {clean(error.faults[0], 120)}")
            reply.show_instead(self.spec.readable(turn.reply))
        if self._form == "code" and turn.finish == "complete":
            reply.note(put_into_next_cell(self._magics, python_code(Reply(turn).code)))

    def may_repair(self, result: ReplyResult) -> bool:
        """Return whether to ask for the reply once more, because it does not fit."""
        return bool(self.repair) and result.error is None and worth_repair(result.turn)

    def ended(self, result: ReplyResult, *, background: bool) -> ReplyResult:
        """Return how the cell ends: with an error if no reply fits; else set ``Out``, and ``_`` if the cell runs."""
        if self.misfit is not None and result.error is None:
            return ReplyResult(result.turn, short(self.misfit, self._unchanged()))
        if result.error is None and self._value is not None:
            set_out(self._magics.shell, self._value, self._number if background else None)
        return result

    def _unchanged(self) -> str:
        kept = "The replies are kept" if self._once else "The replies are kept, in the conversation too"
        return f"{kept}; {self._into} is as it was." if self._into else f"{kept}."

    def _formed(self, value: Any) -> Any:
        assert self.spec is not None  # noqa: S101 - it is what the value fits
        if self._form == "json":
            return self.spec.plain(value)
        if self._form == "df":
            return as_frame(_rows(self.spec.plain(value)), self._library)
        return value

    def _keep(self, value: Any) -> None:
        self._value = value
        if self._into and self._magics.shell is not None:
            self._magics.shell.user_ns[self._into] = value  # before the finished output is shown


def set_out(shell: Any, value: Any, number: int | None = None) -> None:
    """Set ``Out[n]`` and ``_n`` to a value that has been shown; for the running cell ``_`` and its result as well.

    IPython sets them when it displays a value, in two methods of its display hook that display nothing themselves.

    Parameters
    ----------
    shell : InteractiveShell
        The user's shell.
    value : object
        The value.
    number : int, optional
        The number of a cell that has ended; None for the one that is running.
    """
    if shell is None:
        return
    if number is None:
        shell.displayhook.update_user_ns(value)
        shell.displayhook.fill_exec_result(value)
    else:
        shell.user_ns["_oh"][number] = shell.user_ns[f"_{number}"] = value


def _rows(plain: Any) -> list[Mapping[str, Any]]:
    listed = plain if isinstance(plain, list) else [plain]
    return [one if isinstance(one, dict) else {"value": one} for one in listed]
