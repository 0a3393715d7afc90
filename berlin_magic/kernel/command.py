"""What a `%berlin` command is: its name, its arguments, and the function that runs it."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from berlin_magic.conversations.storage.notebook_file import command_record
from berlin_magic.kernel.arguments import CommandParser, argument, split_words
from berlin_magic.kernel.cell import Cell
from berlin_magic.kernel.command_output import CommandOutput
from berlin_magic.kernel.notebook import Notebook
from berlin_magic.results.conversation import Conversation

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics

__all__ = ["Argument", "Command", "CommandContext", "Run"]

Argument = tuple[tuple[str, ...], dict[str, Any]]
"""The declaration of an argument, as returned by `argument`."""

_CONVERSATION = argument("-c", "--conversation", metavar="NAME", default="", help=argparse.SUPPRESS)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The surroundings in which a command runs.

    Attributes
    ----------
    magics : BerlinMagics
        The settings, and what has been asked with them.
    name : str
        The name of the conversation that the command is about; empty for the notebook's usual one.
    cell : Cell
        The cell that is running.
    awaited : bool
        Whether the cell is awaited on the kernel's loop.
    """

    magics: BerlinMagics
    name: str
    cell: Cell
    awaited: bool = False

    @property
    def notebook(self) -> Notebook:
        """The notebook."""
        return self.magics.notebook

    @property
    def conversation(self) -> Conversation:
        """The conversation."""
        return self.notebook.conversation(self.name)

    @property
    def names(self) -> Mapping[str, Any]:
        """The user's variables."""
        return getattr(self.magics.shell, "user_ns", {})

    def changed(self, text: str) -> CommandOutput:
        """Return `text`, with a record of what this run of the cell has done to the conversation."""
        conversation = self.conversation
        self.notebook.move_cell(self.cell, conversation)
        if conversation.context == "server":
            text += "\nThe server still has what it was sent: `%berlin renew` begins a new conversation there."
        place = conversation.places[-1] if self.cell.id is None else conversation.place_of_cell(self.cell.id)
        if place is None:
            return CommandOutput(text)
        record = command_record(conversation, place.current.events, notebook=self.notebook.id, conversation=self.name)
        return CommandOutput(text, record=record)


Run = Callable[[CommandContext, Namespace], CommandOutput | Awaitable[CommandOutput]]
"""The function of a command; it may be a coroutine function."""


@dataclass(frozen=True)
class Command:
    """One word after `%berlin`.

    Attributes
    ----------
    name : str
        The word.
    help : str
        What the command does, for `%berlin help`: one line that begins with a verb.
    run : callable
        Runs the command, and returns its output; may be a coroutine function.
    arguments : tuple
        Its arguments, each made by `argument`; the parser refuses everything else.
    text : str
        For a command that takes the rest of the line as it is, quotes included: what `%berlin help` calls it. If the
        command has arguments too, they are options that are written before it.
    about_conversation : bool
        Whether `-c NAME` says which conversation it is about.
    """

    name: str
    help: str
    run: Run
    arguments: tuple[Argument, ...] = ()
    text: str = ""
    about_conversation: bool = False

    @cached_property
    def parser(self) -> CommandParser:
        """The parser of its arguments."""
        text = (argument("text", metavar=self.text, nargs="?"),) if self.text else ()
        named = (_CONVERSATION,) if self.about_conversation else ()
        return CommandParser(self.name, (*named, *self.arguments, *text))

    @property
    def usage(self) -> str:
        """The command with its arguments, without the ``-c NAME`` of all commands about a conversation."""
        return self.parser.usage_line

    @property
    def choices(self) -> list[str]:
        """The words that its arguments are limited to, if they are."""
        return [str(choice) for _, options in self.arguments for choice in options.get("choices", ())]

    def parse(self, line: str, conversation: str = "") -> Namespace:
        """Return the arguments in `line`, which is what follows the command's name.

        Raises
        ------
        UsageError
            For anything else.
        """
        before = ["-c", conversation] if conversation else []
        if self.text:
            words, text = [], line
            while self.arguments and text.startswith("-"):
                word, _, text = text.partition(" ")
                words.append(word)
                text = text.lstrip()
            arguments = self.parser.parse_words([*before, *words])
            arguments.text = text
            return arguments
        return self.parser.parse_words([*before, *split_words(line)])
