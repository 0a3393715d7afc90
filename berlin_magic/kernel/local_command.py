"""The command `%berlin local get`: fetch a small model that runs on this machine."""

from __future__ import annotations

import threading
from argparse import Namespace

from berlin_magic.concurrency import in_thread
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.command_output import CommandOutput

__all__ = ["get"]


async def get(_context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """Download the model, and return how to ask it. An interrupt ends the download and leaves no file."""
    from berlin_magic.providers.local import download, engine_options, models  # noqa: PLC0415 - only this command needs them

    print(download.announcement(), flush=True)  # noqa: T201 - what a line magic is for
    cancelled = threading.Event()
    try:
        await in_thread(lambda: download.get(lambda line: print(line, flush=True), cancelled))  # noqa: T201
    finally:
        cancelled.set()
    await in_thread(engine_options.check_installed)
    return CommandOutput(
        f"`%%berlin -m local:` asks {models.SMALL.name}; so does `%%berlin`, if nothing is configured."
    )
