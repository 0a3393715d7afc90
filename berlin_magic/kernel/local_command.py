"""The command `%berlin local`: fetch a small model that runs on this machine."""

from __future__ import annotations

import threading
from typing import Any

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread

__all__ = ["local"]


async def local(_settings: Any, argument: str) -> str:
    """Carry out `%berlin local get`: say what is fetched, fetch it, and say how to ask it."""
    if argument != "get":
        raise UsageError("`%berlin local get` fetches a small model; `%berlin models` lists what is here.")
    from berlin_magic.providers.local import download, engine, models  # noqa: PLC0415 - nobody else needs them

    print(download.announcement(), flush=True)  # noqa: T201 - what a line magic is for
    given_up = threading.Event()
    try:
        await in_thread(lambda: download.get(lambda line: print(line, flush=True), given_up))  # noqa: T201
    finally:
        given_up.set()
    await in_thread(engine.check_installed)
    return f"`%%berlin -m local:` asks {models.SMALL.name}; so does `%%berlin` if nothing else is configured."
