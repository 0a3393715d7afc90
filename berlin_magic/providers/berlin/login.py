"""Log in to a Berlin server, and log out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials import logins
from berlin_magic.credentials.private_file import state_folder
from berlin_magic.credentials.redaction import redacted
from berlin_magic.credentials.secret import Secret
from berlin_magic.credentials.shared_token import forget_tokens
from berlin_magic.errors import BerlinError
from berlin_magic.providers.berlin.provider import DEFAULT_SILENCE, Berlin
from berlin_magic.providers.berlin.settings import DEFAULT_URL, Access, access_to

__all__ = ["goes_elsewhere", "log_in", "log_out", "server_of"]


def server_of(connection: Mapping[str, Any], url: str) -> Access | None:
    """Return the server to log in to, with the account that is set for it; None if no server is named.

    Parameters
    ----------
    connection : mapping
        The notebook's settings: ``url``, ``account``, ``proxy``, ``silence``.
    url : str
        The address that the user gave; empty for the server that the next question goes to.

    Raises
    ------
    NotConfiguredError
        If it is not an address.
    """
    known = url or connection.get("url") or ""
    access = access_to(
        known or None,
        account=connection.get("account") or None,
        class_url=Berlin.url,
        proxy=connection.get("proxy") or None,
        silence=connection.get("silence") or DEFAULT_SILENCE,
    )
    if not known and access.where == DEFAULT_URL:
        return None
    # The stored account is not a setting: a user who logs in again may want another one.
    set_account = connection.get("account") or os.environ.get("BERLIN_ACCOUNT")
    return access if set_account else replace(access, account="")


async def log_in(access: Access, account: str, password: Secret) -> bool:
    """Log in, and store account and password if the server accepts them; return whether the keyring has them.

    Raises
    ------
    BerlinError
        If it does not accept them, or they can't be stored.
    """
    try:
        await Berlin.log_in(replace(access, account=account, password=password, stored=False, in_keyring=False))
    except BerlinError as error:
        raise redacted(error, [password, *access.secrets]) from None
    try:
        return await logins.store(access.where, account, password)
    except OSError as error:
        raise _folder_error(error) from None


async def log_out(access: Access) -> bool:
    """Delete what is stored for the server, and forget its tokens; return whether a login was stored.

    Raises
    ------
    BerlinError
        If it can't be deleted.
    """
    server, _ = access.key
    try:
        found = await logins.forget(access.where)  # first: see `KeptTokens._new_token`
        Berlin.forget_tokens(server)
        await in_thread(lambda: forget_tokens(state_folder(), server))
    except OSError as error:
        raise _folder_error(error) from None
    return found


def goes_elsewhere(connection: Mapping[str, Any], access: Access) -> bool:
    """Return whether the notebook's next question goes to another server than that of `access`."""
    next_access = access_to(connection.get("url") or None, class_url=Berlin.url)
    return next_access.url != access.url


def _folder_error(error: OSError) -> BerlinError:
    reason = error.strerror or type(error).__name__
    return BerlinError(
        f"{state_folder()} can't be written to ({reason}).\n"
        "Make it writable, or name another folder in BERLIN_STATE_DIR, and run the cell again."
    )
