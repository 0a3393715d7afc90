"""The way into a Berlin server, put together from what the user has said, set, or has in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

from berlin_magic.credentials import stored_login
from berlin_magic.errors import NotConfiguredError
from berlin_magic.proxies import proxy_secrets
from berlin_magic.secret import Secret
from berlin_magic.transport import REPLY_LIMIT, address, origin_of

__all__ = ["Access", "access_to", "sendable"]

_NONE = Secret()


@dataclass(frozen=True, slots=True)
class Access:
    """A server, and what is known to get in there."""

    url: URL
    account: str = ""
    password: Secret = _NONE
    token: Secret = _NONE
    """Given for this one question."""
    standing_token: Secret = _NONE
    """From the environment; a later login's goes before it."""
    proxy: str | None = field(default=None, repr=False)  # its address may hold a password
    silence: float | None = None
    reply_limit: int | None = REPLY_LIMIT
    in_keyring: bool = False
    """Whether the keyring has the password; it is asked when there is no other way in."""
    shared: bool = True
    """Whether its token is for all of the user's processes."""

    @property
    def key(self) -> tuple[str, str]:
        """What a token is good for: an origin, and an account there."""
        return origin_of(self.url), self.account

    @property
    def where(self) -> str:
        """The address, for messages."""
        return str(self.url)

    @property
    def can_login(self) -> bool:
        """Whether there is an account and its password."""
        return bool(self.account and (self.password or self.in_keyring))

    @property
    def secrets(self) -> list[Secret]:
        """What no message may hold."""
        return [self.password, self.token, self.standing_token, *proxy_secrets(self.url, self.proxy)]


def access_to(
    url: str | None,
    *,
    account: str | None = None,
    password: str | None = None,
    token: str | None = None,
    class_url: str,
    default_url: str,
    proxy: str | None = None,
    silence: float | None = None,
    reply_limit: int | None = REPLY_LIMIT,
    shared: bool = True,
) -> Access:
    """Return the way in: each setting from what is given, else from the class, the environment, the stored login.

    What the environment holds is for the server of ``BERLIN_URL``, where that is set, and goes to no other; its
    password is for its account. So is a stored login for its server.

    Raises
    ------
    NotConfiguredError
        Where the address is none, or a token can't be sent.
    ValueError
        Where `silence` is no time.
    """
    if silence is not None and not silence > 0:
        raise ValueError(f"silence must be a number of seconds above 0, or None for no limit, not {silence!r}")
    named = os.environ.get("BERLIN_URL", "")
    own_url = class_url if class_url != default_url else ""
    latest = None if url or own_url or named else stored_login()
    server = address(url or own_url or named or (latest.url if latest else default_url))
    elsewhere = named and origin_of(address(named)) != origin_of(server)
    environment: Mapping[str, str] = {} if elsewhere else os.environ
    standing_account = environment.get("BERLIN_ACCOUNT", "")
    standing = account is None or account == standing_account
    account = account or standing_account
    known = Secret(password or (environment.get("BERLIN_PASSWORD", "") if standing else ""))
    login = None if account and known else stored_login(origin_of(server))
    stored = login if login and account in {"", login.account} and not known else None
    return Access(
        url=server,
        account=stored.account if stored else account,
        password=stored.password if stored else known,
        token=sendable(token or ""),
        standing_token=sendable(environment.get("BERLIN_TOKEN", "") if standing else ""),
        proxy=proxy,
        silence=silence,
        reply_limit=reply_limit,
        in_keyring=bool(stored and stored.in_keyring),
        shared=shared,
    )


def sendable(token: str) -> Secret:
    """Return `token` as a secret without the blanks around it, such as the line break at the end of its file.

    Raises
    ------
    NotConfiguredError
        Where it holds a character that a header can't carry.
    """
    plain = token.strip()
    if any(char in plain for char in "\r\n\0"):
        raise NotConfiguredError("The token has a line break in it, and can't be sent.\nSet BERLIN_TOKEN anew.")
    return Secret(plain)
