"""Run `%berlin login` and `%berlin logout`, which ask for account and password outside of any cell."""

from __future__ import annotations

import getpass
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from IPython.core.error import StdinNotImplementedError, UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import BerlinError, NotConfiguredError, clean

if TYPE_CHECKING:
    from berlin_magic.results.conversation import Conversation

__all__ = ["log_in", "log_out"]


class Settings(Protocol):
    """The part of the magics that the commands use."""

    @property
    def conversation(self) -> Conversation:
        """The notebook's conversation, whose connection names the server."""
        ...


async def log_in(settings: Settings, argument: str) -> str:
    """Ask for an account and its password, log in with them, and store them; return the text to show.

    Parameters
    ----------
    settings
        The magics.
    argument : str
        The server's address; empty for the one that is configured.

    Raises
    ------
    UsageError
        If no server is named, or more than an address is given.
    BerlinError
        If nothing can be asked here, or the server does not accept the account: nothing is stored then.
    """
    await in_thread(_import_login)
    from berlin_magic.providers.berlin import login  # noqa: PLC0415 - the HTTP client is a slow import

    connection = settings.conversation.connection
    access = login.server_of(connection, _address(argument))
    if access is None:
        raise UsageError("%berlin login ADDRESS: which server? Give its address, such as https://berlin.example.org")
    # The account is not shown while it is typed either: front ends save shown input with the notebook.
    account = access.account or _ask(f"Account at {access.where}: ")
    password = _ask(f"Password at {access.where}: ")
    kept = await login.log_in(access, account, password)
    place = "the keyring" if kept else "a file that only you can read"
    lines = [f"Logged in to {clean(access.where)}.", f"The password is in {place}; `%berlin logout` deletes it."]
    if login.goes_elsewhere(connection, access):
        lines.append("BERLIN_URL or a setting names another server: questions go there.")
    return "\n".join(lines)


async def log_out(settings: Settings, argument: str) -> str:
    """Delete the stored login and the tokens for a server; return the text to show.

    Raises
    ------
    BerlinError
        If something can't be deleted.
    """
    await in_thread(_import_login)
    from berlin_magic.providers.berlin import login  # noqa: PLC0415 - as above

    access = login.server_of(settings.conversation.connection, _address(argument))
    if access is None:
        return "No login is stored."
    found = await login.log_out(access)
    lines = [f"Logged out of {clean(access.where)}." if found else f"No login is stored for {clean(access.where)}."]
    if os.environ.get("BERLIN_PASSWORD") or os.environ.get("BERLIN_TOKEN"):
        lines.append("BERLIN_PASSWORD or BERLIN_TOKEN is still in the environment of this kernel.")
    return "\n".join(lines)


def _address(argument: str) -> str:
    given = argument.split()
    # It may be a password, so it is not repeated.
    if len(given) > 1 or (given and "://" not in given[0]):
        raise UsageError("%berlin login and logout take an address such as https://berlin.example.org, and no more.")
    return given[0] if given else ""


def _ask(prompt: str) -> Secret:
    """Return what the user types, without showing it. This blocks: a kernel reads nothing else meanwhile."""
    try:
        with _interruptible(), warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it says that the password would be shown
            answer = Secret(getpass.getpass(prompt).strip("\r\n"))
    except (StdinNotImplementedError, EOFError, getpass.GetPassWarning):
        raise NotConfiguredError(
            "Nothing can be asked here: nobody can type a password unseen.\n"
            "Log in from a notebook or a terminal, or set BERLIN_ACCOUNT and BERLIN_PASSWORD in the environment."
        ) from None
    if not answer:
        raise BerlinError("Nothing was typed, and nothing is stored.\nRun `%berlin login` again.")
    return answer


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let an interrupt end the question at once.

    While a cell is awaited, ipykernel lets SIGINT cancel the cell's task, which happens only after the question.
    """
    before = signal.getsignal(signal.SIGINT)
    if (
        before is None or threading.current_thread() is not threading.main_thread()
    ):  # not set by Python, or not settable
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _import_login() -> None:
    import_module("berlin_magic.providers.berlin.login")
