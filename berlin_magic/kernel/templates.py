"""Templates on disk: plain text files in the user's folder, and those that are named by their path."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from pathlib import Path

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.command_questions import COMMAND_QUESTIONS
from berlin_magic.conversations.turns import GO_ON
from berlin_magic.errors import PromptError, clean, printable
from berlin_magic.kernel.arguments import argument, nearest
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.command_output import CommandOutput, table
from berlin_magic.kernel.prompt_file import read_file
from berlin_magic.prompts.templates import Filled, filled, given_in

__all__ = ["ARGUMENTS", "filled_template", "template", "template_names"]

ARGUMENTS = (
    argument("action", metavar="save|list|show|delete", choices=["save", "list", "show", "delete"]),
    argument("name", metavar="NAME", nargs="?", default=""),
)

_NAME = re.compile(r"\w[\w-]{0,79}")
_PATH = re.compile(r"[./\\~]|[A-Za-z]:")
_SUFFIX = ".txt"


def templates_folder() -> Path:
    """Return ``BERLIN_TEMPLATES``, else the user's own folder for templates; it need not exist yet."""
    if named := os.environ.get("BERLIN_TEMPLATES"):
        return Path(named).expanduser()
    from platformdirs import user_data_path  # noqa: PLC0415 - loading the extension needs no folder

    return user_data_path("berlin_magic", appauthor=False) / "templates"


def template_names() -> list[str]:
    """Return the names of the user's templates."""
    try:
        return sorted(file.stem for file in templates_folder().glob(f"*{_SUFFIX}") if _NAME.fullmatch(file.stem))
    except OSError:
        return []


def filled_template(name: str, line: str) -> tuple[Filled, str]:
    """Return a template filled with the ``key=value`` words at the beginning of `line`, and the rest of the line.

    Parameters
    ----------
    name : str
        The name of one of the user's templates, or a path: ``./review.txt``. What is named by its path may be
        somebody else's: it sees nothing but what is given.
    line : str
        What follows the options of ``%%berlin``.

    Raises
    ------
    PromptError
        If there is no such template, or it can't be filled.
    """
    given, rest = given_in(line)
    is_path = _PATH.match(name) is not None
    try:
        text = read_file(Path(name).expanduser() if is_path else _file(name))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise PromptError(
            f"The template {clean(name, 80)} can't be read: {why}.{nearest(name, template_names())}\n"
            "Use `%berlin template list`, or a path: -T ./review.txt"
        ) from None
    return filled(text.strip("\n"), given, is_foreign=is_path), rest


async def template(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Save the last question of the conversation as a template; list, show or delete templates."""
    action, name = arguments.action, arguments.name
    if action == "list":
        return await in_thread(_listed)
    if not name:
        raise UsageError(f"%berlin template {action} NAME: which template?")
    file = _file(name)
    if action == "save":
        prompt = _last_question(context)
        return await in_thread(lambda: _save(file, prompt))
    try:
        text = await in_thread(lambda: read_file(file))
        if action == "delete":
            file.unlink()
    except (OSError, ValueError):
        raise UsageError(f"There is no template {clean(name, 40)}.{nearest(name, template_names())}") from None
    return CommandOutput(f"Deleted {file}." if action == "delete" else printable(text.rstrip("\n")))


def _file(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{clean(name, 60)!r} can't be a template's name: letters, digits, - and _ can. A file is named by its "
            "path: -T ./review.txt"
        )
    return templates_folder() / f"{name}{_SUFFIX}"


def _last_question(context: CommandContext) -> str:
    commands = (GO_ON, *COMMAND_QUESTIONS.values())
    asked = [turn.prompt for turn in context.conversation if not turn.prompt.startswith(commands)]
    if not asked:
        raise UsageError("There is no question to save: ask it first, or put a text file into the folder of templates.")
    return asked[-1]


def _save(file: Path, prompt: str) -> CommandOutput:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(f"{prompt}\n")
    except FileExistsError:
        raise UsageError(f"There is a template {file.stem} already: `%berlin template delete {file.stem}`.") from None
    except OSError as error:
        raise UsageError(f"The template can't be saved: {error.strerror} ({file}).") from None
    return CommandOutput(f"Saved as {file}. `%%berlin -T {file.stem}` asks it.")


def _listed() -> CommandOutput:
    folder = templates_folder()
    rows = []
    for name in template_names():
        try:
            rows.append((name, clean(" ".join(read_file(folder / f"{name}{_SUFFIX}").split()), 80)))
        except (OSError, ValueError):
            rows.append((name, "(can't be read)"))
    if not rows:
        return CommandOutput(
            f"There are no templates in {folder}: `%berlin template save NAME` saves the last question."
        )
    return table(rows, after=f"They are text files in `{folder}`. `%%berlin -T NAME key=value` uses one.")
