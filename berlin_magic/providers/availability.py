"""The survey of the providers: which there are, what each needs, and whether it answers now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.redaction import redacted
from berlin_magic.errors import BerlinError, NotConfiguredError, ServerUnreachableError, clean
from berlin_magic.providers.base import Provider
from berlin_magic.providers.registry import found_anew, load
from berlin_magic.providers.resolve import Connection, connect

__all__ = ["Finding", "survey"]

_PATIENCE = 2.0  # seconds, for all of them at once


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of asking one provider; each text is one line, with no secret in it.

    Attributes
    ----------
    name : str
        By which it is asked, as in ``-m NAME:MODEL``.
    answer : str
        Whether it answers, in a few words.
    where : str
        The address of its server.
    why : str
        What there is to say of that it does not; empty where the address says enough.
    needs : str
        What has to be there for it to answer.
    """

    name: str
    answer: str
    where: str = ""
    why: str = ""
    needs: str = ""


async def survey(settings: Mapping[str, Any]) -> list[Finding]:
    """Ask all providers at once for their models; return what came of it, within about two seconds.

    Parameters
    ----------
    settings : mapping
        Keywords of `connection.connect`. Each provider gets those that are its own, and a key only its issuer.
    """
    names = await in_thread(found_anew)
    return list(await asyncio.gather(*(_found(name, settings) for name in names)))


async def _found(name: str, settings: Mapping[str, Any]) -> Finding:
    where = needs = why = ""
    answer = "does not answer"
    try:
        async with asyncio.timeout(_PATIENCE):
            provider = await in_thread(lambda: load(name))
            where, needs = clean(provider.url, 120), clean(provider.needs, 120)
            there = await connect(f"{name}:", **settings)
            where = clean(there.where, 120) + (" (embedded)" if there.embedded else "")
            answer = await _answer(there)
    except TimeoutError:
        why = f"said nothing for {_PATIENCE:g} s"
    except NotConfiguredError as error:
        answer = "is not set up" if needs else "can't be used"
        why = _first_line(error)
    except ServerUnreachableError as error:
        why = "" if error.passing else _first_line(error)  # nothing listens there: the most usual thing
    except BerlinError as error:
        why = _first_line(error)
    except Exception as error:  # noqa: BLE001 - another package's own; what its message holds is not known to be no secret
        why = clean(type(error).__name__, 60)
    return Finding(clean(name, 40), answer, where, why, needs)


async def _answer(there: Connection) -> str:
    if "models" not in _written(there.provider):
        return "is there; it lists no models"
    try:
        names = await there.provider.models(**there.settings)
    except BerlinError as error:
        raise redacted(error, there.secrets) from None
    return f"answers: {len(names)} model{'' if len(names) == 1 else 's'}"


def _written(provider: type[Provider]) -> set[str]:
    """Return the names that `provider` or a base of its own has written."""
    own = provider.__mro__[: provider.__mro__.index(Provider)]
    return {name for one in own for name in vars(one)}


def _first_line(error: BerlinError) -> str:
    return clean(str(error).partition("\n")[0], 140)
