"""The prompt of a cell, composed with what is in the notebook."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.secret import secrets_of_environment
from berlin_magic.errors import PromptError, clean
from berlin_magic.messages import TextPart
from berlin_magic.prompts.compose import Composed, compose
from berlin_magic.prompts.describe import describe
from berlin_magic.prompts.description import Bounds, Description, Limit
from berlin_magic.prompts.expressions import Level
from berlin_magic.prompts.leaks import secret_in, suspicious_name

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics

__all__ = ["NotebookCell", "NotebookCells", "compose_prompt", "recorded", "warnings_of"]

_CREDENTIAL = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD")
_LARGEST_FILE = 400_000  # bytes of a text file that is read at most


@dataclass(frozen=True, slots=True)
class NotebookCell:
    """A cell that was run: ``{{ cells[-1] }}`` is its source and its value."""

    source: str
    output: Any = None

    async def _ai_repr_(self, **_kwargs: Any) -> dict[str, str]:
        value = "" if self.output is None else f"\nIts value:\n\n{(await describe(self.output)).text}\n"
        return {"text/markdown": f"```python\n{self.source}\n```\n{value}"}


async def compose_prompt(
    magics: BerlinMagics, prompt: str, *, expand: bool = True, names: str = "", secrets: bool = False
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

    Raises
    ------
    PromptError
        If an expression can't be evaluated, or its value holds a secret; nothing has been sent.
    """
    beside = [name.strip() for name in names.split(",") if name.strip()]
    if (not expand or "{{" not in prompt) and not beside:
        return Composed(prompt, (TextPart(prompt),))
    bounds = Bounds(text=magics.describe_text, table_rows=magics.describe_rows)

    limit: Limit = magics.data  # type: ignore[assignment]  # one of the three: the trait sees to it

    async def described(value: Any, level: Level | None) -> Description:
        return await describe(value, level, limit=limit, bounds=bounds)

    shell: Any = magics.shell
    more = {"cells": _cells(shell), "last_error": getattr(sys, "last_value", None), "file": _File()}
    text = prompt if expand else prompt.replace("{{", "\\{{")
    composed = await compose(text, shell.user_ns, described, more=more, values=beside)
    composed = replace(composed, source=prompt)
    if not secrets:
        await in_thread(lambda: _refuse_secrets(composed))
    return composed


def recorded(composed: Composed) -> list[dict[str, str]]:
    """Return what is recorded of the values of a prompt; nothing of their data."""
    return [
        {"code": value.code, "kind": value.description.kind, "level": value.description.level}
        for value in composed.values
    ]


def warnings_of(composed: Composed) -> list[str]:
    """Return what the status line says of the values of a prompt."""
    named = [value.code for value in composed.values if suspicious_name(value.code)]
    return [f"`{clean(code, 40)}` was sent, and its name looks like a secret's" for code in named]


def _refuse_secrets(composed: Composed) -> None:
    known = [str(secret) for secret in secrets_of_environment()]
    known += [value for name, value in os.environ.items() if any(word in name.upper() for word in _CREDENTIAL)]
    for value in composed.values:
        texts = [part.text for part in value.description.parts if isinstance(part, TextPart)]
        if found := secret_in(texts, known):
            where = f"Line {value.line}: " if value.line else ""
            raise PromptError(
                f"{where}the value of {{{{ {clean(value.code, 60)} }}}} holds {found}; nothing was sent.\n"
                "Take it out, name a part of the value, or send it on purpose with --allow-secrets."
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


class _File:
    """``file('notes.md')`` in a prompt: the text of a file."""

    def __call__(self, path: str | os.PathLike[str]) -> str:
        """Return the text of the file at `path`.

        Raises
        ------
        OSError
            If it can't be read.
        ValueError
            If it is too large, or no text.
        """
        file = Path(path).expanduser()
        content = file.read_bytes()[: _LARGEST_FILE + 1]
        if len(content) > _LARGEST_FILE:
            raise ValueError(f"{file.name} has more than {_LARGEST_FILE:,} bytes: read a part of it")
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{file.name} is no text in UTF-8") from None
