"""Check which installed providers answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.redaction import redacted
from berlin_magic.errors import BerlinError, NotConfiguredError, ServerUnreachableError, clean
from berlin_magic.providers.base import Provider
from berlin_magic.providers.registry import load, refresh_installed
from berlin_magic.providers.resolve import Connection, connect

__all__ = ["Availability", "check_availability"]

_TIMEOUT = 2.0  # seconds, for all of them together


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether one provider answers. Each text is one line without a secret.

    Attributes
    ----------
    name : str
        The provider's name, as in ``-m NAME:MODEL``.
    answer : str
        Whether it answers, in a few words.
    where : str
        The address of its server.
    why : str
        Why it does not answer; empty if nothing listens at the address.
    needs : str
        What the user must install, start or set before it can answer.
    """

    name: str
    answer: str
    where: str = ""
    why: str = ""
    needs: str = ""


async def check_availability(settings: Mapping[str, Any]) -> list[Availability]:
    """Ask all providers at once for their models, and return the results within about two seconds.

    Parameters
    ----------
    settings : mapping
        Keywords of `resolve.connect`. Each provider gets its own settings only, and a key goes to its issuer only.
    """
    names = await in_thread(refresh_installed)
    return list(await asyncio.gather(*(_check(name, settings) for name in names)))


async def _check(name: str, settings: Mapping[str, Any]) -> Availability:
    where = needs = why = ""
    answer = "does not answer"
    try:
        async with asyncio.timeout(_TIMEOUT):
            provider = await in_thread(lambda: load(name))
            where, needs = clean(provider.url, 120), clean(provider.needs, 120)
            connection = await connect(f"{name}:", **settings)
            where = clean(connection.where, 120) + (" (embedded)" if connection.embedded else "")
            answer = await _answer(connection)
    except TimeoutError:
        why = f"said nothing for {_TIMEOUT:g} s"
    except NotConfiguredError as error:
        answer = "is not set up" if needs else "can't be used"
        why = _first_line(error)
    except ServerUnreachableError as error:
        why = "" if error.passing else _first_line(error)  # nothing listens there, as is usual
    except BerlinError as error:
        why = _first_line(error)
    except Exception as error:  # noqa: BLE001 - from another package; its message may hold a secret
        why = clean(type(error).__name__, 60)
    return Availability(clean(name, 40), answer, where, why, needs)


async def _answer(connection: Connection) -> str:
    if "models" not in _defined_names(connection.provider):
        return "is there; it lists no models"
    try:
        names = await connection.provider.models(**connection.settings)
    except BerlinError as error:
        raise redacted(error, connection.secrets) from None
    return f"answers: {len(names)} model{'' if len(names) == 1 else 's'}"


def _defined_names(provider: type[Provider]) -> set[str]:
    """Return the names that `provider`, or a base class of it below `Provider`, defines."""
    own = provider.__mro__[: provider.__mro__.index(Provider)]
    return {name for one in own for name in vars(one)}


def _first_line(error: BerlinError) -> str:
    return clean(str(error).partition("\n")[0], 140)
