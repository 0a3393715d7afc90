"""Copy the names that a check uses from a namespace, as data or as source."""

from __future__ import annotations

import inspect
import sys
import textwrap
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from berlin_magic.results.checks import Check, names_defined_in, names_used_in
from berlin_magic.results.child.values import NotDataError, encode

__all__ = ["Names", "names_for"]


@dataclass(slots=True)
class Names:
    """The names that the two processes of a check get.

    Attributes
    ----------
    theirs : set of str
        Names that the check takes from the process of the code.
    shared : dict
        Variables for the code, as data.
    shared_modules : dict
        Modules for the code, by the names that they have in the namespace.
    variables : dict
        Variables that only the check uses, as data.
    modules : dict
        Modules and names in them that only the check imports: the module, and the name or "".
    definitions : list of str
        Source of functions and classes that only the check uses.
    left_out : dict
        Names that are not copied, with the reason.
    """

    theirs: set[str] = field(default_factory=set)
    shared: dict[str, Any] = field(default_factory=dict)
    shared_modules: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    modules: dict[str, tuple[str, str]] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def names_for(check: Check, code: str, namespace: Mapping[str, Any], shared: Iterable[str] = ()) -> Names:
    """Return the names that a check of `code` needs.

    Parameters
    ----------
    check : Check
        The check. Variables, modules and the source of functions are copied for it from the namespace, but not a name
        that the code defines.
    code : str
        The code of the reply.
    namespace : mapping
        The user's namespace; it is not changed.
    shared : iterable of str
        The variables that the code may use: those that were named in the question.
    """
    names = Names(theirs=names_defined_in(code))
    for name in shared:
        if name in namespace:
            _add_data(names.shared, name, namespace[name], names)
    names.theirs |= names.shared.keys()
    for name in names_used_in(code) - names.theirs:
        if isinstance(module := namespace.get(name), types.ModuleType):
            names.shared_modules[name] = module.__name__
    used = {check.function} if check.function else names_used_in(check.statement)
    if check.function:
        names.theirs.discard(check.function)
    _Collector(names, namespace).add(used)
    return names


class _Collector:
    """Adds names, and the names that their source uses."""

    def __init__(self, names: Names, namespace: Mapping[str, Any]) -> None:
        self._names = names
        self._namespace = namespace
        self._known: set[str] = set()

    def add(self, used: Iterable[str]) -> None:
        for name in sorted(used):
            if name in self._known or name in self._names.theirs or name not in self._namespace:
                continue
            self._known.add(name)
            self._add_one(name, self._namespace[name])

    def _add_one(self, name: str, value: Any) -> None:
        if isinstance(value, types.ModuleType):
            self._names.modules[name] = (value.__name__, "")
        elif callable(value) and _is_importable(value):
            self._names.modules[name] = (value.__module__, value.__qualname__)
        elif not isinstance(value, type | types.FunctionType):
            _add_data(self._names.variables, name, value, self._names)
        else:
            try:
                source = textwrap.dedent(inspect.getsource(value))
            except (OSError, TypeError):
                self._names.left_out[name] = "its source is not known"
                return
            if value.__name__ == "<lambda>" and name not in names_defined_in(source):
                self._names.left_out[name] = "a lambda that no line of its own defines: write it with def"
                return
            self.add(names_used_in(source))
            alias = "" if value.__name__ in {name, "<lambda>"} else f"\n{name} = {value.__name__}\n"
            self._names.definitions.append(source + alias)


def _is_importable(value: Any) -> bool:
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return False
    return getattr(sys.modules.get(module), name, None) is value


def _add_data(into: dict[str, Any], name: str, value: Any, names: Names) -> None:
    try:
        into[name] = encode(value)
    except NotDataError as error:
        names.left_out[name] = str(error)
    except RecursionError:
        names.left_out[name] = "it contains itself, or is nested too deeply"
