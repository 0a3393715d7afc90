"""The prompt of a cell, composed with what is in the notebook."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.secret import secrets_of_environment
from berlin_magic.errors import PromptError, clean
from berlin_magic.kernel.current_values import CurrentValues
from berlin_magic.kernel.prompt_file import read_document
from berlin_magic.messages import TextPart
from berlin_magic.prompts.compose import Composed, Describe, compose
from berlin_magic.prompts.cutting import fenced
from berlin_magic.prompts.description import Bounds, Description, Limit
from berlin_magic.prompts.documents import Document
from berlin_magic.prompts.expressions import Level
from berlin_magic.prompts.leaks import secret_in, suspicious_name
from berlin_magic.prompts.templates import Filled

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics

__all__ = ["NotebookCell", "NotebookCells", "compose_about_error", "compose_prompt", "recorded", "warnings_of"]

_CREDENTIAL = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD")


@dataclass(frozen=True, slots=True)
class NotebookCell:
    """A cell that was run: ``{{ cells[-1] }}`` is its source and its value."""

    source: str
    output: Any = None

    async def _ai_repr_(self, **_kwargs: Any) -> dict[str, str]:
        from berlin_magic.prompts.describe import describe  # noqa: PLC0415 - as below

        value = "" if self.output is None else f"\nIts value:\n\n{(await describe(self.output)).text}\n"
        return {"text/markdown": f"{fenced(self.source, 'python')}\n{value}"}


async def compose_prompt(
    magics: BerlinMagics,
    prompt: str,
    *,
    expand: bool = True,
    names: str = "",
    secrets: bool = False,
    template: Filled | None = None,
    row: tuple[Any, ...] = (),
) -> Composed:
    """Return what `prompt` makes of the values that it names in the user's namespace.

    Parameters
    ----------
    magics : BerlinMagics
        The shell and the settings.
    prompt : str
        The text of the cell that is run now; no other text is ever looked through for expressions.
    expand : bool
        Whether ``{{ … }}`` is evaluated.
    names : str
        Expressions with commas between them, whose values come before the prompt.
    secrets : bool
        Whether what looks like a secret is sent.
    template : Filled, optional
        A template that the user has chosen; it comes before the prompt.
    row : tuple
        The value that is called ``row`` in the prompt, if there is one.

    Raises
    ------
    PromptError
        If an expression can't be evaluated, or its value holds a secret; nothing has been sent.
    """
    beside = [name.strip() for name in names.split(",") if name.strip()]
    if (not expand or "{{" not in prompt) and not beside and template is None:
        return Composed(prompt, (TextPart(prompt),))
    shell: Any = magics.shell
    more = {"cells": _cells(shell), "last_error": _last_error(magics), "file": read_document}
    text = prompt if expand else prompt.replace("{{", "\\{{")
    described = _describing(magics)
    namespace = {**shell.user_ns, "row": row[0]} if row else shell.user_ns
    composed = replace(await compose(text, namespace, described, more=more, values=beside), source=prompt)
    if template is not None:
        filled = await compose(template.pieces, namespace, described, more=more)
        composed = filled.followed_by(composed) if composed.parts else filled
    return await _checked(magics, composed, "" if secrets else "--allow-secrets")


async def compose_about_error(magics: BerlinMagics, question: str, text: str) -> Composed:
    """Return a question about the last error of the user's code, and the cell that raised it.

    Parameters
    ----------
    magics : BerlinMagics
        The shell, the settings and the error.
    question : str
        Names `failed_cell` and `last_error`.
    text : str
        What the user has written for it; expressions in it are evaluated as in a prompt.

    Raises
    ------
    UsageError
        If there is no error, or the level of the notebook keeps both on this machine.
    PromptError
        As for `compose_prompt`.
    """
    failure = magics.last_failure.found
    if failure is None:
        raise UsageError("There is nothing to ask about: no cell has raised an error in this session.")
    if magics.data == "schema":
        raise UsageError(
            'Nothing was sent: with BerlinMagics.data = "schema" neither the cell nor the message of an error leaves '
            "the machine. Ask about it in a %%berlin cell, in your own words."
        )
    source = failure.source or "(not known: it was run before berlin_magic was loaded)"
    names = {"failed_cell": NotebookCell(source), "last_error": failure.error}
    composed = await compose(question, {}, _describing(magics), more=names)
    if text:
        composed = composed.followed_by(await compose_prompt(magics, text))
    return await _checked(magics, composed, "%%berlin --allow-secrets, and {{ last_error }} below it")


def recorded(composed: Composed) -> list[dict[str, Any]]:
    """Return what is recorded of the values of a prompt; nothing of their data."""
    return [
        {
            "code": value.code,
            "kind": value.description.kind,
            "level": value.description.level,
            **({"uses": dict(value.uses)} if value.uses else {}),
        }
        for value in composed.values
    ]


def warnings_of(composed: Composed) -> list[str]:
    """Return what the status line says of the values of a prompt."""
    named = [value.code for value in composed.values if suspicious_name(value.code)]
    return [f"`{clean(code, 40)}` was sent, and its name looks like a secret's" for code in named]


def _describing(magics: BerlinMagics) -> Describe:
    bounds = Bounds(text=magics.describe_text, table_rows=magics.describe_rows)
    limit: Limit = magics.data  # type: ignore[assignment]  # one of the three: the trait sees to it

    async def described(value: Any, level: Level | None) -> Description:
        if isinstance(value, Document) and limit == "sample":
            level = "schema"  # there is no sample of it
        from berlin_magic.prompts.describe import describe  # noqa: PLC0415 - a prompt without values leaves the sooner

        return await describe(value, level, limit=limit, bounds=bounds)

    return described


async def _checked(magics: BerlinMagics, composed: Composed, on_purpose: str) -> Composed:
    """Return `composed` with the fingerprints of what it was made of, if it may be sent.

    Parameters
    ----------
    magics : BerlinMagics
        The shell.
    composed : Composed
        The question.
    on_purpose : str
        How a secret is sent on purpose; empty if the user has said so.
    """
    shell: Any = magics.shell

    def look() -> Composed:
        if on_purpose:
            _refuse_secrets(composed, on_purpose)
        if not composed.values:
            return composed
        now = CurrentValues(shell.user_ns)
        values = [one if one.uses else replace(one, uses=now.used_by(one.code)) for one in composed.values]
        return replace(composed, values=tuple(values))

    return await in_thread(look)


def _refuse_secrets(composed: Composed, on_purpose: str) -> None:
    known = [str(secret) for secret in secrets_of_environment()]
    known += [value for name, value in os.environ.items() if any(word in name.upper() for word in _CREDENTIAL)]
    for value in composed.values:
        texts = [part.text for part in value.description.parts if isinstance(part, TextPart)]
        if found := secret_in(texts, known):
            where = f"Line {value.line}: " if value.line else ""
            raise PromptError(
                f"{where}the value of {{{{ {clean(value.code, 60)} }}}} holds {found}; nothing was sent.\n"
                f"Take it out, name a part of the value, or send it on purpose with {on_purpose}."
            )


class NotebookCells(tuple[NotebookCell, ...]):
    """Cells that were run; a slice of them is described as the cells in it."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return NotebookCells(part) if isinstance(index, slice) else part

    async def _ai_repr_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/markdown": "\n".join([(await cell._ai_repr_(**kwargs))["text/markdown"] for cell in self])}


def _cells(shell: Any) -> NotebookCells:
    """Return the cells that were run in this session, oldest first, without the one that runs now."""
    sources = shell.history_manager.input_hist_raw  # as typed; `In` has what IPython made of it
    outputs = shell.history_manager.output_hist
    numbered = list(enumerate(sources))[1:-1]
    return NotebookCells(NotebookCell(source, outputs.get(number)) for number, source in numbered if source.strip())


def _last_error(magics: BerlinMagics) -> BaseException | None:
    failure = magics.last_failure.found
    return None if failure is None else failure.error
