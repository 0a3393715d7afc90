"""Checks of the code in a reply.

Pure: the processes are started in `check_process`.
"""

from __future__ import annotations

import ast
import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

__all__ = [
    "Check",
    "Kind",
    "Limits",
    "Verdict",
    "limits_here",
    "names_defined_in",
    "names_used_in",
    "not_prevented",
    "repair_question",
]

Kind = Literal["passed", "failed", "ended", "error"]
"""It passed; it or the code failed; a limit or the user ended it; or it could not be run."""

_FAILURE_LIMIT = 4000  # characters of a failure that are sent to the model
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")


@dataclass(frozen=True, slots=True)
class Check:
    """A check that the user wrote.

    Attributes
    ----------
    text : str
        As the user wrote it.
    statement : str
        The Python to run; empty for a function.
    function : str
        The name of a function that takes the reply; empty for a statement.
    """

    text: str
    statement: str = ""
    function: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the check that `text` is: a function's name, statements, or an expression that is to be true.

        Raises
        ------
        ValueError
            If it is neither of them, or asserts nothing.
        """
        stripped = text.strip()
        if stripped.isidentifier() and not keyword.iskeyword(stripped):
            return cls(text, function=stripped)
        try:
            body = ast.parse(stripped).body
        except SyntaxError as error:
            raise ValueError(f"it is no Python: {error.msg}") from None
        if not body:
            raise ValueError("it is empty")
        if len(body) == 1 and isinstance(body[0], ast.Expr):
            return cls(text, f"assert {stripped}")  # else it would pass whatever comes out
        if not any(isinstance(node, ast.Assert | ast.Raise | ast.Call) for one in body for node in ast.walk(one)):
            raise ValueError("it asserts nothing")
        return cls(text, stripped)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for the code of a reply.

    Attributes
    ----------
    seconds : float
        From the start of its process to the end of the check.
    memory, disk, output : int
        Bytes: in memory, in its folder, and printed.
    children : int
        Processes at a time, its own included.
    """

    seconds: float = 10.0
    memory: int = 1_000_000_000
    disk: int = 64_000_000
    output: int = 1_000_000
    children: int = 16

    def __str__(self) -> str:
        return (
            f"at most {self.seconds:g} s, {self.memory // 1_000_000:,} MB of memory, "
            f"{self.disk // 1_000_000:,} MB of files, {self.output // 1000:,} kB printed, {self.children} processes"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check.

    Attributes
    ----------
    kind : Kind
        Whether it passed.
    said : str
        Why it did not pass. It quotes output and values of the code, which are untrusted text.
    printed : str
        The beginning and the end of what code and check printed.
    used : tuple of str
        The names of the code that the check used.
    seconds : float
        How long it took.
    confined : bool
        Whether the system kept the code from writing elsewhere and from other processes.
    """

    kind: Kind
    said: str = ""
    printed: str = ""
    used: tuple[str, ...] = ()
    seconds: float = 0.0
    confined: bool = False

    @property
    def passed(self) -> bool:
        """Whether the check passed."""
        return self.kind == "passed"

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the verdict that the judge has written.

        Raises
        ------
        ValueError
            If it is not a verdict.
        """
        kind: Any = record.get("kind")
        used, seconds = record.get("used"), record.get("seconds")
        if kind not in get_args(Kind) or not isinstance(used, list) or not isinstance(seconds, int | float):
            raise ValueError("this is not a verdict")
        return cls(
            kind,
            _ADDRESS.sub("0x…", str(record.get("said", ""))),  # the same failure is the same text, and so is replayed
            str(record.get("printed", "")),
            tuple(map(str, used)),
            float(seconds),
            record.get("confined") is True,
        )

    def record(self, check: Check, code: str) -> dict[str, Any]:
        """Return the record of the verdict that is stored in the turn, as JSON."""
        return {"check": check.text, "code": code, "verdict": self.kind, "said": self.said, "seconds": self.seconds}


def not_prevented(verdict: Verdict) -> str:
    """Return a sentence about what the code was not prevented from."""
    if verdict.confined:
        return "Reading files elsewhere and using the network were not prevented; writing elsewhere was."
    return "It had the rights of your account: files elsewhere, other processes and the network were not out of reach."


def repair_question(check: Check, verdict: Verdict, *, quoted: bool = True) -> str:
    """Return the question that sends a failure to the model, and asks for corrected code.

    Nothing in it changes from run to run, such as a time: the same failure is the same question, and is replayed.

    Parameters
    ----------
    check, verdict : Check and Verdict
        The check, and its failure.
    quoted : bool
        Whether the failure is quoted; it may hold values of the notebook.
    """
    asked = f"\n\n{_fenced(check.statement, 'python')}" if check.statement else f" (`{check.function}`)."
    said = verdict.said.strip() if quoted else "(It may hold data, and is not sent.)"
    if len(said) > _FAILURE_LIMIT:
        said = f"{said[: _FAILURE_LIMIT // 2]}\n…\n{said[-_FAILURE_LIMIT // 2 :]}"
    return (
        f"The Python code of your reply was run, and a check of it failed{'.' if check.statement else ''}{asked}\n\n"
        f"What came out:\n\n{_fenced(said, 'text')}\n\n"
        "Reply with the corrected code: all of it, in one block of Python."
    )


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def names_used_in(source: str) -> set[str]:
    """Return the names that Python source reads; none if it can't be read."""
    return {node.id for one in _parsed(source) for node in ast.walk(one) if isinstance(node, ast.Name)}


def names_defined_in(code: str) -> set[str]:
    """Return the names that code defines at its top level: functions, classes, variables.

    Imported names are not among them: the code could give any object the name of a library, and the check would use it.
    """
    return {name for one in _parsed(code) for name in _bound(one)}


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return
    for child in ast.iter_child_nodes(node):
        yield from _bound(child)


def _parsed(source: str) -> list[ast.stmt]:
    """Return the statements of Python source; none if it can't be parsed."""
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):
        return []


def limits_here(limits: Limits, system: str = sys.platform) -> str:
    """Return a sentence about the limits, and how they are enforced on a system."""
    if system == "linux":
        return f"Limits, kept by the operating system and by a watch: {limits}."
    return f"Limits, kept by a watch that looks 20 times a second: {limits}."
