"""Keep the tokens for Berlin servers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.logins import password_from_keyring, stored_login
from berlin_magic.credentials.private_file import state_folder
from berlin_magic.credentials.redaction import redacted, untraced
from berlin_magic.credentials.secret import Secret
from berlin_magic.credentials.shared_token import SharedToken
from berlin_magic.errors import BerlinError
from berlin_magic.providers.berlin import api
from berlin_magic.providers.berlin.settings import Access, sendable

__all__ = ["KeptTokens", "shared_token"]

_FILE_TIMEOUT = 10.0  # seconds


class KeptTokens:
    """The tokens of `berlin_magic.Berlin`, and the login that gives another one."""

    _token: ClassVar[str | None] = None
    # A token goes to the server that issued it and to no other: one for each origin and account. `_token` is the
    # latest of them; None means that none is kept.
    _tokens: ClassVar[Mapping[tuple[str, str], Secret]] = {}
    _forgotten: ClassVar[Mapping[tuple[str, str], Secret]] = {}  # tokens in the file that must not be used any more
    # One login at a time: each new one ends the token of the one before. A lock belongs to one loop.
    _locks: ClassVar[MutableMapping[asyncio.AbstractEventLoop, dict[tuple[str, str], asyncio.Lock]]] = (
        WeakKeyDictionary()
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give a subclass, which may be for another server, a token of its own."""
        super().__init_subclass__(**kwargs)
        cls._token = cls.__dict__.get("_token")
        cls._tokens = cls._forgotten = {}

    @classmethod
    async def log_in(cls, access: Access) -> None:
        """Log in with account and password, even if there is a token, and share the new token.

        Raises
        ------
        BerlinError
            As `api.login`.
        """
        async with cls._lock(access):
            shared = shared_token(access)
            async with shared.login_lock():
                await cls._new_token(access, shared)

    @classmethod
    def forget_tokens(cls, server: str) -> None:
        """Drop the tokens that this process keeps for the server with that address."""
        gone = {key: token for key, token in cls._tokens.items() if key[0] == server}
        cls._tokens = {key: token for key, token in cls._tokens.items() if key not in gone}
        if cls._token in gone.values():
            cls._token = next(reversed(cls._tokens.values()), None)

    @classmethod
    async def _first_token(cls, access: Access) -> tuple[Secret, bool]:
        known = access.token or cls._known(access) or access.environment_token
        return (known, False) if known else await cls._other_token(access, ())

    @classmethod
    async def _other_token(cls, access: Access, refused: Sequence[Secret]) -> tuple[Secret, bool]:
        """Return a token that is not one of `refused`, and whether it is new; an empty one if there is none.

        A token that is not new comes from another task or process, which has logged in meanwhile.
        """
        async with cls._lock(access):
            known = cls._known(access)
            if known and known not in refused:
                return known, False
            shared = shared_token(access)
            unwanted = {"", *refused, cls._forgotten.get(access.key, "")}
            if (token := await shared.read()) not in unwanted:
                return cls._keep(access, token), False
            if not access.can_login:
                return (Secret() if access.environment_token in refused else access.environment_token), False
            async with shared.login_lock():
                if (token := await shared.read()) not in unwanted:
                    return cls._keep(access, token), False
                return await cls._new_token(access, shared), True

    @classmethod
    async def _new_token(cls, access: Access, shared: SharedToken) -> Secret:
        """Log in, and share the new token; call it with the lock held."""
        if not access.password:
            password = await password_from_keyring(access.where, access.account)
            access = replace(access, password=password)
        try:
            token = cls._keep(access, await api.login(access))
        except BerlinError as error:
            raise redacted(error, access.secrets) from None
        except asyncio.CancelledError as error:
            raise untraced(error) from None  # the frames hold the account's record
        await shared.write(token)
        if access.stored and await _logged_out(access):
            # `%berlin logout` came meanwhile. It deletes the login first and then the tokens, so that a token which was
            # written before this check is deleted by it or here. With a lock, a logout would wait for the server.
            cls.forget_tokens(access.key[0])
            await shared.forget()
        return token

    @classmethod
    def _lock(cls, access: Access) -> asyncio.Lock:
        return cls._locks.setdefault(asyncio.get_running_loop(), {}).setdefault(access.key, asyncio.Lock())

    @classmethod
    def _keep(cls, access: Access, token: Secret) -> Secret:
        cls._tokens = {**cls._tokens, access.key: token}
        cls._token = token
        return token

    @classmethod
    def _known(cls, access: Access) -> Secret | None:
        """Return the token of an earlier login; one set by hand is bound to the server that it first goes to."""
        if cls._token is None:
            cls._forgotten = {**cls._forgotten, **cls._tokens}
            cls._tokens = {}
        elif cls._token not in cls._tokens.values():
            cls._token = token = sendable(cls._token)
            cls._tokens = {access.key: token}
        return cls._tokens.get(access.key)


async def _logged_out(access: Access) -> bool:
    try:
        stored = await in_thread(lambda: stored_login(access.where), timeout=_FILE_TIMEOUT)
    except TimeoutError:
        return False
    return stored is None or stored.account != access.account


def shared_token(access: Access) -> SharedToken:
    """Return the token for `access` that the user's processes share; if it is not shared, nothing is kept."""
    return SharedToken(access.key, state_folder() if access.shared else None)
