"""Find a Berlin server's address and login in arguments, environment and stored logins."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from yarl import URL

from berlin_magic.credentials.logins import stored_login
from berlin_magic.credentials.redaction import untraced
from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import BerlinError, NotConfiguredError
from berlin_magic.transport.proxies import proxy_secrets
from berlin_magic.transport.request import REPLY_LIMIT, address, has_line_break

__all__ = ["DEFAULT_URL", "Access", "access_to", "sendable"]

DEFAULT_URL = "https://ai.berlin4h.top"
"""The server that the protocol comes from. It no longer exists."""

_NONE = Secret()


@dataclass(frozen=True, slots=True)
class Access:
    """A server, and the login or token for it."""

    url: URL
    account: str = ""
    password: Secret = _NONE
    token: Secret = _NONE
    """Given for this question alone."""
    environment_token: Secret = _NONE
    """From the environment; the token of a later login has precedence."""
    proxy: Secret | None = field(default=None, repr=False)  # its address may hold a password
    silence: float | None = None
    reply_limit: int | None = REPLY_LIMIT
    stored: bool = False
    """Whether account and password are those of `%berlin login`."""
    in_keyring: bool = False
    """Whether the keyring has the password, which is read only if it is needed."""
    shared: bool = True
    """Whether its token is shared by the user's processes."""

    @property
    def key(self) -> tuple[str, str]:
        """The server and the account that a token is for. ``localhost`` is another name of ``127.0.0.1``."""
        url = self.url.with_host("127.0.0.1") if self.url.host == "localhost" else self.url
        return str(url), self.account

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
        """The secrets that no message may show."""
        return [self.password, self.token, self.environment_token, *proxy_secrets(self.url, self.proxy)]


def access_to(
    url: str | None,
    *,
    account: str | None = None,
    password: str | None = None,
    token: str | None = None,
    class_url: str = DEFAULT_URL,
    proxy: str | None = None,
    silence: float | None = None,
    reply_limit: int | None = REPLY_LIMIT,
    shared: bool = True,
) -> Access:
    """Return server and login; what is not given is taken from the class, the environment, the stored login.

    If ``BERLIN_URL`` is set, the environment's login goes only to that server; its password is only for its account. A
    stored login goes only to its server.

    Raises
    ------
    NotConfiguredError
        If the address is not one, or a token can't be sent.
    ValueError
        If `silence` is not a time, or one of the others is not a text.
    """
    try:
        _check(silence, url=url, account=account, password=password, token=token, proxy=proxy)
        server, elsewhere = _server(url or (class_url if class_url != DEFAULT_URL else ""))
        login = _login(server, account, Secret(password or ""), elsewhere=elsewhere)
        in_environment = Secret("" if elsewhere or login.foreign else os.environ.get("BERLIN_TOKEN", ""))
        return Access(
            url=server,
            account=login.account,
            password=login.password,
            token=sendable(token or ""),
            environment_token=sendable(in_environment),
            proxy=Secret(proxy) if proxy else None,
            silence=silence,
            reply_limit=reply_limit,
            stored=login.stored,
            in_keyring=login.in_keyring,
            shared=shared,
        )
    except (BerlinError, ValueError) as error:
        raise untraced(error) from None
    finally:
        # A verbose traceback would show them. An address can hold a name and a password, too.
        del url, password, token, proxy


def sendable(token: str) -> Secret:
    """Return `token` as a secret without white space around it, such as the line break of a file.

    Raises
    ------
    NotConfiguredError
        If it holds a character that a header can't carry.
    """
    plain = Secret(token.strip())
    if has_line_break(plain):
        raise NotConfiguredError("The token has a line break in it, and can't be sent.\nSet BERLIN_TOKEN anew.")
    return plain


def _check(silence: object, **texts: object) -> None:
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name} must be a text, not of type {type(value).__name__}")
    if silence is not None and not (isinstance(silence, int | float) and silence > 0):
        raise ValueError(f"silence must be a number of seconds above 0, or None for no limit, not {silence!r}")


def _server(named: str) -> tuple[URL, bool]:
    """Return the server to ask, and whether it differs from that of the environment."""
    usual = os.environ.get("BERLIN_URL", "")
    latest = None if named or usual else stored_login()
    server = address(named or usual or (latest.url if latest else DEFAULT_URL))
    return server, bool(usual) and address(usual) != server


@dataclass(frozen=True, slots=True)
class _Login:
    """An account, with its password if that is known."""

    account: str
    password: Secret
    foreign: bool
    """Whether the account differs from that of the environment."""
    stored: bool = False
    in_keyring: bool = False


def _login(server: URL, account: str | None, password: Secret, *, elsewhere: bool) -> _Login:
    usual = "" if elsewhere else os.environ.get("BERLIN_ACCOUNT", "")
    foreign = account is not None and account != usual
    account = account or usual
    password = password or Secret("" if elsewhere or foreign else os.environ.get("BERLIN_PASSWORD", ""))
    login = None if password else stored_login(str(server))
    if login is None or account not in {"", login.account}:
        return _Login(account, password, foreign)
    return _Login(login.account, login.password, foreign, stored=True, in_keyring=login.in_keyring)
