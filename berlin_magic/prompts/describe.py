"""Describe a value in the form in which it goes into a prompt."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from berlin_magic.concurrency import in_thread
from berlin_magic.errors import PromptError
from berlin_magic.messages import TextPart
from berlin_magic.prompts.built_in import built_in
from berlin_magic.prompts.bundles import parts_of_bundle
from berlin_magic.prompts.cutting import without_addresses
from berlin_magic.prompts.description import Bounds, Description, Limit, type_name
from berlin_magic.prompts.expressions import Level
from berlin_magic.prompts.forms import in_form
from berlin_magic.prompts.muting import muted

__all__ = ["GROUP", "Describe", "Describer", "describe"]

GROUP = "berlin_magic.describers"
"""The group of entry points, each ``package.module.Class = "package.module:describer"``."""

Describer = Callable[[Any], Any]
"""Gets a value, and returns a text, a MIME bundle, a `Description` or None; it may be a coroutine function."""

_DEFAULT = Bounds()
_IMAGES = {"_repr_png_": "image/png", "_repr_jpeg_": "image/jpeg"}


class Describe:
    """Describe a value as it goes into a prompt: ``await berlin_magic.describe(df)``.

    The first of these that has something to say is taken:

    1. the object's own ``_ai_repr_`` (Jupyter's enhancement proposals 128 and 129), then its ``_repr_llm_``;
    2. what was registered for its type with `register`, then by an entry point of ``berlin_magic.describers``;
    3. the describers of this package;
    4. its ``image/png`` or ``image/jpeg``, its ``text/markdown``, its ``repr``.

    Whatever is not a coroutine runs in a thread, so that a slow one can be given up; what is printed meanwhile is lost.
    """

    def __init__(self) -> None:
        self._registered = functools.singledispatch(_nothing)

    async def __call__(
        self, value: Any, level: Level | None = None, *, limit: Limit = "full", bounds: Bounds = _DEFAULT
    ) -> Description:
        """Return the description of `value`.

        Parameters
        ----------
        value : object
            Anything. It is not changed, awaited or consumed.
        level : Level, optional
            How much of it is wanted, or in which form; by default a sample.
        limit : {"full", "sample", "schema"}
            The most that may leave the machine. At ``schema`` the value is not asked for a description of its own.
        bounds : Bounds
            How large the description may be.

        Raises
        ------
        PromptError
            If the value does not have the form that was asked for (``source``, ``json``).
        """
        allowed = _lowered(level, limit)
        failures: list[str] = []
        found = None
        with muted():
            try:
                async with asyncio.timeout(bounds.seconds):
                    found = await self._described(value, level, allowed, bounds, failures)
            except TimeoutError:
                failures.append(f"it took more than {bounds.seconds:g} s")
        cut = "; ".join([found.cut, *failures] if found and found.cut else failures)
        if found:
            return replace(found, cut=cut)
        name = type_name(value)
        text = f"{name} (not described: {cut})" if cut and allowed != "schema" else name
        return Description(name, (TextPart(text),), allowed, cut)

    def register(self, type_: type, describer: Describer | None = None) -> Any:
        """Let `describer` describe the values of `type_` and of its subclasses; without one, return a decorator.

        It is not asked at the level ``schema``.
        """
        return self._registered.register(type_, describer)

    async def _described(
        self, value: Any, level: Level | None, allowed: Limit, bounds: Bounds, failures: list[str]
    ) -> Description | None:
        """Return the description of the first describer that has one; add the describers that fail to `failures`."""
        own = functools.partial(_by_method, value)
        steps: dict[str, Callable[[], Any]] = {
            "its _ai_repr_": lambda: own("_ai_repr_"),
            "its _repr_llm_": lambda: own("_repr_llm_"),
            "the describer of its type": lambda: self._of_type(value)(value),
            "the describer of this package": lambda: built_in(value, allowed, bounds),
            "its image": lambda: {mime: found for name, mime in _IMAGES.items() if (found := own(name))},
            "its _repr_markdown_": lambda: own("_repr_markdown_"),
            "its repr": lambda: {"text/plain": without_addresses(repr(value))},
        }
        if allowed == "schema":
            steps = {"": steps["the describer of this package"]}
        elif level in {"repr", "json", "source"}:
            steps = {f"its {level}": lambda: in_form(value, level, allowed, bounds)}
        for what, step in steps.items():
            try:
                # A thread is for what may take its time; a table has thousands of texts and numbers.
                found = _guarded(step) if type(value) in _PLAIN else await in_thread(functools.partial(_guarded, step))
                if inspect.isawaitable(found):
                    found = await found
                if found is not None and (description := await _as_description(found, value, allowed, bounds)):
                    return description
            except PromptError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - an object's own code can fail in any way
                raised = error.args[0] if isinstance(error, _FailedError) else type_name(error)
                failures.append(f"{what} raised {raised}")
        return None

    def _of_type(self, value: Any) -> Describer:
        """Return what was registered for the type of `value`, here or by an entry point."""
        registered: Describer = self._registered.dispatch(type(value))
        if registered is not _nothing:
            return registered
        brought = _entry_points()
        for cls in type(value).__mro__:
            if entry := brought.get(f"{cls.__module__}.{cls.__qualname__}"):
                found: Describer = entry.load()
                return found
        return _nothing


_PLAIN = {str, int, float, bool, type(None)}


class _FailedError(Exception):
    """What a value's own code raised, whatever it was; an interrupt of its own making ends nothing here."""


def _guarded(step: Callable[[], Any]) -> Any:
    """Return what `step` returns; it may go on in its thread when nobody waits any more, and is still muted then."""
    with muted():
        try:
            return step()
        except PromptError:
            raise
        except BaseException as error:  # noqa: BLE001 - see above
            raise _FailedError(type_name(error)) from None


def _by_method(value: Any, name: str) -> Any:
    """Return what a method of `value` returns, None if its type has no such method.

    An instance is not asked for it: a mock, or a client that passes on every name, has everything.
    """
    if not any(name in vars(cls) for cls in type(value).__mro__):
        return None
    method = getattr(type(value), name)
    return None if method is None else method(value)


async def _as_description(found: Any, value: Any, level: Limit, bounds: Bounds) -> Description | None:
    """Return what a describer has returned as a description."""
    if isinstance(found, Description):
        return found

    def read() -> tuple[str, Any]:
        known = built_in(value, "schema", bounds)
        return known.kind if known else type_name(value), parts_of_bundle(
            found, bounds.characters(level), bounds.image_tokens
        )

    kind, (parts, cut) = await in_thread(functools.partial(_guarded, read))
    return Description(kind, tuple(parts), level, cut) if parts else None


def _lowered(level: Level | None, limit: Limit) -> Limit:
    """Return how much may be shown."""
    if "schema" in {level, limit}:
        return "schema"
    return "sample" if limit == "sample" or level in {None, "sample"} else "full"


def _nothing(_value: Any) -> None:
    """Describe nothing: the value's type has no describer."""


@functools.cache
def _entry_points() -> Mapping[str, EntryPoint]:
    """Return the describers that other packages bring, by the type that they describe; none is imported."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


describe = Describe()
"""Describe a value as it goes into a prompt; see `Describe`."""
