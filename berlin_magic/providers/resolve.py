"""Resolve model and settings to the provider and server that a question goes to."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any, Protocol, Self

from yarl import URL

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.secret import Secret, secrets_among, secrets_of_environment, unseen
from berlin_magic.errors import BerlinError, NotConfiguredError, clean
from berlin_magic.providers.base import Provider
from berlin_magic.providers.berlin.provider import DEFAULT_MODEL, Berlin
from berlin_magic.providers.berlin.settings import DEFAULT_URL, access_to
from berlin_magic.providers.local.models import is_ready
from berlin_magic.providers.options import ENGINE_SETTINGS, SERVER_SETTINGS
from berlin_magic.providers.registry import load, named_provider
from berlin_magic.transport.proxies import proxy_secrets
from berlin_magic.transport.request import address

__all__ = ["EMBEDDED_MODEL", "Connection", "close_embedded", "connect"]

EMBEDDED_MODEL = "berlin-guide"
"""The model of the embedded server: a guide to this package, not a language model."""

_GUIDE = "guide"
"""The model name of the guide, whatever is configured, unless a server is named in the settings."""

_OPTIONAL = {"silence", "retries", "reply_limit"} | ENGINE_SETTINGS
"""Settings that a provider gets only if it has a parameter for them; others would become the engine's options."""

_OPENAI = {"key", "headers"}
_BERLIN = SERVER_SETTINGS - _OPENAI


@dataclass(frozen=True, slots=True)
class Connection:
    """A provider and how to reach its server.

    Attributes
    ----------
    provider : type of Provider
        The provider to ask.
    settings : mapping
        Keywords for its `stream`; passwords, tokens and keys among them are each a `Secret`.
    where : str
        The server's address, for messages.
    model : str
        The model to ask, without the provider's name; empty for the provider's own choice.
    name : str
        The provider's name, as in ``-m NAME:MODEL``.
    reason : str
        Why this provider was chosen, in a few words.
    embedded : bool
        Whether it is the embedded server.
    """

    provider: type[Provider]
    settings: Mapping[str, Any] = field(repr=False)
    where: str
    model: str
    name: str = "berlin"
    reason: str = ""
    embedded: bool = False

    @property
    def secrets(self) -> list[Secret]:
        """The secrets that no message may show: the settings' own, and those of the environment."""
        given = [value for name, value in self.settings.items() if name != "proxy"]  # only its password is secret
        of_proxy = proxy_secrets(URL(self.where or DEFAULT_URL), self.settings.get("proxy"))
        return [*secrets_among(given), *secrets_of_environment(), *of_proxy]

    def options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the `options` of a question for the provider; a schema only if it has that parameter."""
        takes_schema = "reply_schema" in self.provider.parameters()
        return {name: value for name, value in options.items() if name != "reply_schema" or takes_schema}


async def connect(model: str = "", provider: str = "", **given: Any) -> Connection:
    """Return the connection for a model and `given` settings; start the embedded server if nothing is configured.

    The provider is the first of: the one that `model` begins with (or ``BERLIN_MODEL``, if no `provider` is given);
    `provider`; ``BERLIN_PROVIDER``; Berlin, if the user has named a Berlin server or logged in to one; OpenAI, if
    ``OPENAI_BASE_URL`` or ``OPENAI_API_KEY`` is set; `Local`, if a model is on this machine; the embedded server. The
    model ``guide``, with no server in the settings, is always the embedded server's.

    Parameters
    ----------
    model : str
        The model to ask, ``NAME:MODEL`` with a provider's name; empty for ``BERLIN_MODEL``, or the default one.
    provider : str
        The name of the provider that the settings are for; empty for OpenAI, if a ``key`` is among them, else for
        Berlin. If `model` names another provider, that one gets only ``proxy``, ``silence``, ``retries`` and
        ``reply_limit``.
    **given
        ``url``, ``account``, ``password``, ``token``, ``key``, ``headers``, ``proxy``, ``silence``, ``retries``,
        ``reply_limit`` (0 for no limit), and the provider's own settings; empty ones count as not given.

    Raises
    ------
    BerlinError
        If there is no such provider, it has no such setting, or the embedded server can't be started.
    """
    # Assigned to the same name: a verbose traceback shows the arguments of this frame.
    given = {name: unseen(name, value) for name, value in given.items()}
    settings = {name: value for name, value in given.items() if value not in (None, "", {})}
    if settings.get("reply_limit") == 0:
        settings["reply_limit"] = None
    provider = provider.strip().lower()
    wanted = model or os.environ.get("BERLIN_MODEL", "")
    prefix, rest = await in_thread(lambda: named_provider(wanted))
    if not model and provider and prefix not in {"", provider}:
        prefix, rest = "", ""  # the provider that is set has precedence over the environment's model
    if wanted == _GUIDE and not provider and not settings.keys() & SERVER_SETTINGS:
        settings = {key: value for key, value in settings.items() if key == "proxy" or key in _OPTIONAL}
        return await _embedded(settings, "", "the guide is named")
    default, reason = await in_thread(lambda: _default(provider, settings))
    if default == "local" and wanted == EMBEDDED_MODEL:
        default, reason = "berlin", "the guide is named"
    name = prefix or default
    owner = provider or os.environ.get("BERLIN_PROVIDER", "").strip().lower()
    owner = owner or ("openai" if settings.keys() & _OPENAI else "berlin")
    if name != owner:
        settings = {key: value for key, value in settings.items() if key == "proxy" or key in _OPTIONAL}
    if prefix:
        reason = f"the model begins with {prefix}:"
    if name == "berlin" and not (settings.keys() & _BERLIN or Berlin.configured()):
        return await _embedded(settings, rest, reason)
    chosen = Berlin if name == "berlin" else await in_thread(lambda: load(name))
    settings = _settings_for(chosen, settings)
    if chosen is Berlin:
        access = access_to(settings.get("url"), class_url=Berlin.url)
        return Connection(Berlin, settings, access.where, rest or DEFAULT_MODEL, name, reason)
    rest = rest or await in_thread(chosen.usual_model)
    return Connection(chosen, settings, _public(chosen.where(**settings)), rest, name, reason)


def _default(provider: str, settings: Mapping[str, Any]) -> tuple[str, str]:  # noqa: PLR0911 - one for each rule
    """Return the provider to use if the model names none, and the reason for it."""
    if provider:
        return provider, "the setting `provider`"
    if configured := os.environ.get("BERLIN_PROVIDER", "").strip().lower():
        return configured, "BERLIN_PROVIDER"
    if settings.keys() & _OPENAI:
        return "openai", "a key is given"
    if settings.keys() & _BERLIN or Berlin.configured():
        return "berlin", "a Berlin server is named"
    from berlin_magic.providers.openai.services import OpenAI  # noqa: PLC0415 - whoever has a Berlin server needs none

    if OpenAI.configured():
        return "openai", "OPENAI_BASE_URL" if os.environ.get("OPENAI_BASE_URL") else "OPENAI_API_KEY"
    if is_ready():
        return "local", "nothing is configured, and a model is on this machine"
    return "berlin", "nothing is configured"


def _settings_for(provider: type[Provider], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `settings` that `provider` has parameters for.

    Raises
    ------
    NotConfiguredError
        If an address or a credential is among those that it does not have.
    """
    parameters = provider.parameters()
    if wrong := sorted((settings.keys() & SERVER_SETTINGS) - parameters):
        raise NotConfiguredError(
            f"{clean(provider.name, 40)} has no setting {wrong[0]!r}.\n"
            "Name the provider that it is for, or leave it out: `%config BerlinMagics`."
        )
    return {name: value for name, value in settings.items() if name in parameters or name not in _OPTIONAL}


def _public(where: str) -> str:
    """Return an address without user name and password; empty if it is not an address."""
    try:
        return str(address(where, "the provider's address")) if where else ""
    except BerlinError:
        return ""


async def _embedded(settings: Mapping[str, Any], model: str, reason: str) -> Connection:
    server = await in_thread(_embedded_server)
    own = {"url": server.url, "account": server.account, "password": server.password, "shared": False}
    # No proxy reaches our own loopback.
    settings = {name: value for name, value in settings.items() if name not in {"proxy", *ENGINE_SETTINGS}}
    return Connection(Berlin, settings | own, server.url, model or EMBEDDED_MODEL, reason=reason, embedded=True)


class EmbeddedServer(Protocol):
    """A Berlin server in this process; this package's entry point of the group `EMBEDDED` names its class."""

    url: str
    account: str
    password: Secret

    @classmethod
    def start(cls) -> Self:
        """Start a server and return it once it answers; may block for a few seconds."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        ...

    def close(self) -> None:
        """Stop it."""
        ...


EMBEDDED = "berlin_magic.embedded_server"
"""The group of the entry point. The server imports the providers, so they can't import the server."""

_server: EmbeddedServer | None = None
_starting = threading.Lock()


def _embedded_server() -> EmbeddedServer:
    global _server  # noqa: PLW0603 - one for each process, for all of its notebooks and conversations
    with _starting:
        if _server is None or not _server.alive:
            _server = _embedded_class().start()
        return _server


def _embedded_class() -> type[EmbeddedServer]:
    try:
        (entry,) = distribution("berlin-magic").entry_points.select(group=EMBEDDED)
    except (PackageNotFoundError, ValueError):
        raise NotConfiguredError(
            "berlin_magic is not installed as a package, so its embedded server can't be found.\n"
            "Install it: `pip install berlin-magic`, or `pip install -e .` in its source."
        ) from None
    found: type[EmbeddedServer] = entry.load()
    return found


def close_embedded() -> None:
    """Stop the embedded server if it runs; the next question starts another."""
    global _server  # noqa: PLW0603
    with _starting:
        if _server is not None:
            _server.close()
            _server = None
