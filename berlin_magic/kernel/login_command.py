"""`%berlin login` and `%berlin logout`: the account and password are asked for, and never stand in a cell."""

from __future__ import annotations

import getpass
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from IPython.core.error import StdinNotImplementedError, UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import BerlinError, NotConfiguredError, clean

__all__ = ["log_in", "log_out"]


class Settings(Protocol):
    """What is needed of the magics: where their conversation is asked."""

    @property
    def conversation(self) -> Any:
        """The notebook's conversation."""
        ...


async def log_in(settings: Settings, argument: str) -> str:
    """Ask for an account and its password, log in with them, and store them; return what to tell.

    Parameters
    ----------
    settings
        The magics.
    argument : str
        The server's address; empty for the one that is configured.

    Raises
    ------
    UsageError
        Where no server is named, or more than an address stands there.
    BerlinError
        Where nothing can be asked here, or the server does not let the account in: nothing is stored then.
    """
    network = await in_thread(_network)
    connection = settings.conversation.connection
    access = network.server_of(connection, _address(argument))
    if access is None:
        raise UsageError("%berlin login ADDRESS: which server? Give its address, such as https://berlin.example.org")
    # Not even the account is shown while it is typed: front ends save what is, with the notebook.
    account = access.account or _asked(f"Account at {access.where}: ")
    password = _asked(f"Password at {access.where}: ")
    kept = await network.log_in(access, account, password)
    place = "the keyring" if kept else "a file that only you can read"
    told = [f"Logged in to {clean(access.where)}.", f"The password is in {place}; `%berlin logout` deletes it."]
    if network.goes_elsewhere(connection, access):
        told.append("BERLIN_URL or a setting names another server, and goes before it.")
    return "\n".join(told)


async def log_out(settings: Settings, argument: str) -> str:
    """Delete the stored login and the tokens for a server; return what to tell.

    Raises
    ------
    BerlinError
        Where something can't be deleted.
    """
    network = await in_thread(_network)
    access = network.server_of(settings.conversation.connection, _address(argument))
    if access is None:
        return "No login is stored."
    found = await network.log_out(access)
    told = [f"Logged out of {clean(access.where)}." if found else f"No login is stored for {clean(access.where)}."]
    if os.environ.get("BERLIN_PASSWORD") or os.environ.get("BERLIN_TOKEN"):
        told.append("BERLIN_PASSWORD or BERLIN_TOKEN is still in the environment of this kernel.")
    return "\n".join(told)


def _address(argument: str) -> str:
    given = argument.split()
    # What it is instead may be a password, so it is not repeated.
    if len(given) > 1 or (given and "://" not in given[0]):
        raise UsageError("%berlin login and logout take an address such as https://berlin.example.org, and no more.")
    return given[0] if given else ""


def _asked(prompt: str) -> Secret:
    """Return what the user types, unseen.

    Blocks: a kernel reads nothing else while it waits for an answer.
    """
    try:
        with _interruptible(), warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # that it would be echoed
            answer = Secret(getpass.getpass(prompt).strip("\r\n"))
    except (StdinNotImplementedError, EOFError, getpass.GetPassWarning):
        raise NotConfiguredError(
            "Nothing can be asked for here: there is nobody to type it unseen.\n"
            "Log in from a notebook or a terminal, or set BERLIN_ACCOUNT and BERLIN_PASSWORD in the environment."
        ) from None
    if not answer:
        raise BerlinError("Nothing was typed, and nothing is stored.\nRun `%berlin login` again.")
    return answer


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let an interrupt end the question at once.

    While a cell is awaited, ipykernel only has SIGINT cancel the cell's task, which happens when the question is over.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():  # not Python's, or not to be had
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _network() -> Any:
    from berlin_magic.providers.berlin import login  # noqa: PLC0415 - the HTTP client is a slow import

    return login
