"""Describe functions, classes and modules by their source."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import types
from typing import Any

from berlin_magic.messages import TextPart
from berlin_magic.prompts.cutting import cut_middle, fenced, on_one_line
from berlin_magic.prompts.description import Bounds, Description, Limit

__all__ = ["describe_code", "source_of"]


def describe_code(value: Any, level: Limit, bounds: Bounds) -> Description | None:
    """Return the description of `value` if it is a function, a class or a module.

    At the level ``schema`` it is the name, the names of the parameters and the number of lines: a default, a docstring
    and a constant are data.
    """
    if isinstance(value, types.ModuleType):
        return _module(value, level, bounds)
    if not (isinstance(value, type | functools.partial) or inspect.isroutine(value)):
        return None
    source = source_of(value)
    lines = f", {source.count(chr(10)):,} lines" if source else ""
    name = _name(value)
    kind = f"{'class' if isinstance(value, type) else 'function'} {name}{_parameters(value)}{lines}"
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    if source:
        text, cut = cut_middle(source, bounds.characters(level))
        return Description(kind, (TextPart(fenced(text, "python")),), level, cut)
    text = f"{_heading(value, name)}\n\n{_docstring(value)}".rstrip()
    return Description.of_text(kind, text, level, bounds.text)


def source_of(value: Any) -> str:
    """Return the source of a function, a class or a module, "" if there is none to be had."""
    while isinstance(value, functools.partial):
        value = value.func
    try:
        return inspect.getsource(value)
    except (OSError, TypeError, IndexError, SyntaxError):
        return _class_in_cell(value) if isinstance(value, type) else ""


def _class_in_cell(cls: type) -> str:
    """Return the source of a class of the notebook.

    `inspect` looks for it in the file of its module, and a notebook's has none (until Python 3.13). The cells are in
    `linecache`, the newest last.
    """
    name = cls.__qualname__
    files = {code.co_filename for one in vars(cls).values() if (code := getattr(one, "__code__", None))}
    if cls.__module__ == "__main__":
        files.update(file for file in linecache.cache if "ipykernel" in file or file.startswith("<ipython"))
    for file in sorted(files, key=list(linecache.cache).index if files <= linecache.cache.keys() else None)[::-1]:
        lines = linecache.getlines(file)
        try:
            tree = ast.parse("".join(lines))
        except (SyntaxError, ValueError):  # a cell with magics in it
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == name.rpartition(".")[2]:
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                return "".join(lines[first - 1 : node.end_lineno])
    return ""


def _name(value: Any) -> str:
    while isinstance(value, functools.partial):
        value = value.func
    name = getattr(value, "__qualname__", None)
    return on_one_line(name, 80).replace("<locals>.", "") if isinstance(name, str) else ""


def _parameters(value: Any) -> str:
    """Return the names of the parameters; no defaults or annotations, which are data."""
    if isinstance(value, type):
        return ""
    try:
        parameters = inspect.signature(value, follow_wrapped=False).parameters.values()
    except (ValueError, TypeError):
        return ""
    stars: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return f"({', '.join(stars.get(one.kind, '') + one.name for one in parameters)})"


def _heading(value: Any, name: str) -> str:
    try:
        return f"{name}{inspect.signature(value)}"
    except (ValueError, TypeError):
        return name


def _docstring(value: Any) -> str:
    doc = getattr(value, "__doc__", None)
    return inspect.cleandoc(doc) if isinstance(doc, str) else ""


def _module(module: types.ModuleType, level: Limit, bounds: Bounds) -> Description:
    content = dict(vars(module))  # and not `getattr`: that may import what the module brings when it is asked
    listed = content.get("__all__")
    names = [str(name) for name in listed] if isinstance(listed, list | tuple) else []
    names = names or [name for name in content if not name.startswith("_")]
    kind = f"module {on_one_line(str(content.get('__name__', '')), 80)}, {len(names):,} public names"
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    doc = inspect.cleandoc(content["__doc__"]) if isinstance(content.get("__doc__"), str) else ""
    version = content.get("__version__")
    head = kind + (f", version {on_one_line(version, 40)}" if isinstance(version, str) else "")
    most = len(names) if level == "full" else 10 * bounds.items
    shown = ", ".join(names[:most]) + (f", … {len(names) - most:,} more …" if len(names) > most else "")
    paragraph = doc if level == "full" else doc.partition("\n\n")[0]
    text, cut = cut_middle("\n\n".join(part for part in (head, paragraph, shown) if part), bounds.characters(level))
    return Description(
        kind, (TextPart(text),), level, cut or (f"{len(names) - most:,} names" if len(names) > most else "")
    )
