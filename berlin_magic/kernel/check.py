"""The checks of one cell: run after each reply, until one has passed or the model has had its rounds."""

from __future__ import annotations

import inspect
import types
from argparse import Namespace
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from berlin_magic.conversations.replay import OWN
from berlin_magic.errors import CheckFailedError, clean
from berlin_magic.kernel.arguments import nearest
from berlin_magic.kernel.check_card import Card
from berlin_magic.kernel.reply import ReplyResult, ReplyTask
from berlin_magic.results.check_names import Names, names_for
from berlin_magic.results.check_process import run_check
from berlin_magic.results.checks import Check, Limits, Verdict, repair_question
from berlin_magic.results.code import code_blocks, python_code

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics
    from berlin_magic.prompts.compose import Composed

__all__ = ["Checking", "checking_of"]


def checking_of(magics: BerlinMagics, options: Namespace, composed: Composed) -> Checking:
    """Return the checks that a cell asks for.

    Raises
    ------
    UsageError
        If it asks for what can't be checked; nothing has been sent.
    """
    if options.as_ or options.format in {"json", "df"}:
        raise UsageError("--check is for code: leave --as and -f out, or take -f code.")
    if options.bg:
        raise UsageError("--check waits for the reply and its check: leave --bg out.")
    rounds = magics.check_rounds if options.rounds is None else options.rounds
    if rounds < 0:
        raise UsageError("--rounds must be at least 0.")
    try:
        check = Check.of(options.check)
    except ValueError as error:
        raise UsageError(f"--check takes an assertion or the name of a function; {error}.") from None
    namespace = magics.shell.user_ns if magics.shell is not None else {}
    if check.function and not isinstance(namespace.get(check.function), types.FunctionType):
        functions = [name for name, value in namespace.items() if isinstance(value, types.FunctionType)]
        meant = nearest(check.function, functions) or " Define it with def, or write an assertion."
        raise UsageError(f"--check: there is no function {check.function}.{meant}")
    if check.function and not _runs_when_called(namespace[check.function]):
        raise UsageError(
            f"--check: {check.function} is async or a generator, so calling it runs nothing: use plain def."
        )
    named = [*options.beside.split(","), *(value.code for value in composed.values)]
    limits = Limits(seconds=magics.check_seconds, memory=magics.check_memory * 1_000_000)
    shared = [name for name in map(str.strip, named) if name.isidentifier()]
    return Checking(check, limits, rounds, namespace, shared, quotes=magics.data != "schema")


def _runs_when_called(function: object) -> bool:
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return not any(is_kind(function) for is_kind in kinds)


class Checking:
    """A check, and the rounds in which the model may correct its code.

    Parameters
    ----------
    check : Check
        The check, from the cell that is run now.
    limits : Limits
        What the code may use.
    rounds : int
        How often the model is asked again.
    namespace : dict
        The user's; nothing in it is changed.
    shared : list of str
        The variables that the code may use.
    quotes : bool
        Whether what came out may be sent to the model: error messages hold values of variables.
    """

    def __init__(
        self,
        check: Check,
        limits: Limits,
        rounds: int,
        namespace: dict[str, object],
        shared: list[str],
        *,
        quotes: bool = True,
    ) -> None:
        self._check = check
        self._limits = limits
        self._rounds = rounds
        self._namespace = namespace
        self._shared = shared
        self.quotes = quotes
        self._round = 0
        self._correction = ""
        self._card: Card | None = None
        self._verdict: Verdict | None = None

    async def passes(self, reply: ReplyTask) -> bool:
        """Check a reply that has arrived and is in view, and return whether it passes; its turn keeps the verdict."""
        self._card, self._verdict, self._correction = None, None, ""
        turn = reply.turn
        if turn.finish != "complete":
            return False
        code, names = python_code(code_blocks(turn.reply)), Names()
        if turn.replayed_from not in {"", *OWN}:
            verdict = Verdict(
                "error", f"The reply is from {clean(turn.replayed_from, 80)}: code from a file is not run."
            )
        elif not code and not self._check.function:
            verdict = Verdict("failed", "The reply has no block of Python code.")
        else:
            names = names_for(self._check, code, self._namespace, self._shared)
            work = run_check(self._check, turn.reply, code, names, limits=self._limits)
            verdict = await reply.work(work, "running the code and its check") or Verdict("ended", "It was stopped.")
        self._verdict = verdict
        turn.check = verdict.record(self._check, code)
        again = verdict.kind in {"failed", "ended"} and not reply.is_stopped and self._round < self._rounds
        self._correction = repair_question(self._check, verdict, quoted=self.quotes) if again else ""
        self._card = Card(
            self._check,
            code,
            verdict,
            self._limits,
            names.left_out,
            self._round,
            self._rounds,
            asked_again=again,
            quoted=self.quotes,
        )
        self._round += 1
        return verdict.passed

    def show(self, shell: object) -> None:
        """Show the verdict below the reply."""
        if self._card is not None:
            self._card.output().show(shell)

    def question(self, result: ReplyResult) -> str:
        """Return what the model is asked next; empty if it is asked no more."""
        return "" if result.error is not None else self._correction

    def result(self, result: ReplyResult) -> ReplyResult:
        """Return how the cell ends: with an error, unless the code has passed."""
        verdict = self._verdict
        if verdict is None or verdict.passed or result.error is not None:
            return result
        return ReplyResult(result.turn, _failure(self._check, verdict))


def _failure(check: Check, verdict: Verdict) -> CheckFailedError:
    what = {"error": "could not be made", "ended": "was ended"}.get(verdict.kind, "failed")
    lines = [line for line in verdict.said.splitlines() if line.strip()]
    reason = (
        lines[0]
        if verdict.kind != "failed" or len(lines) == 1
        else next((line for line in lines if line and line[0].isalpha() and "Error" in line), lines[-1])
    )
    return CheckFailedError(
        f"The check `{clean(check.text, 80)}` {what}: {clean(reason, 200)}\n"
        "What it found is below the reply. Change the question or the check, or allow more corrections with --rounds."
    )
