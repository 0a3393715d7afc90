"""The `%berlin` commands that ask about the last error of the user's code."""

from __future__ import annotations

from argparse import Namespace

from berlin_magic.conversations.command_questions import COMMAND_QUESTIONS
from berlin_magic.kernel import ask
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.command_output import CommandOutput
from berlin_magic.kernel.prompt import compose_about_error

__all__ = ["explain", "fix"]


async def fix(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Ask for a corrected cell."""
    return await _ask(context, "fix", arguments)


async def explain(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Ask what the error means."""
    return await _ask(context, "explain", arguments)


async def _ask(context: CommandContext, command: str, arguments: Namespace) -> CommandOutput:
    composed = await compose_about_error(context.magics, COMMAND_QUESTIONS[command], arguments.text)
    result = await ask.ask_composed(
        context.magics, composed, context.name, dry_run=arguments.dry_run, awaited=context.awaited
    )
    result.check()
    return CommandOutput("")
