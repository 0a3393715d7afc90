"""Have IPython load the extension whenever it starts: ``python -m berlin_magic enable``."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from berlin_magic.errors import clean

__all__ = ["disable", "enable", "main"]

_NAME = "berlin_magic"
_BEGIN = "# berlin_magic: begin (written by `python -m berlin_magic enable`; `disable` removes it)"
_END = "# berlin_magic: end"
# The folder of IPython's configuration belongs to the user: environments without the package use the same file.
_BLOCK = f"""{_BEGIN}
from importlib.util import find_spec as _find_spec
if _find_spec("{_NAME}"):
    get_config().InteractiveShellApp.extensions.append("{_NAME}")
{_END}"""


class ConfigurationError(Exception):
    """A configuration file that can't be changed; it is left as it is."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m berlin_magic", description="Load %%berlin whenever IPython or a notebook's kernel starts."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="enable|disable")
    commands.add_parser("enable", help="load it from now on; changes ipython_config.py of the default profile")
    commands.add_parser("disable", help="do not load it any more")
    chosen = parser.parse_args(arguments).command
    from IPython.paths import get_ipython_dir  # noqa: PLC0415 - a slow import: `--help` needs none

    profile = Path(get_ipython_dir()) / "profile_default"
    try:
        print(enable(profile) if chosen == "enable" else disable(profile))  # noqa: T201 - what a command is for
    except (ConfigurationError, OSError) as error:
        print(f"Nothing was changed: {clean(str(error), 500)}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


def enable(profile: Path) -> str:
    """Let every IPython that uses `profile` load the extension when it starts; return what to print.

    Parameters
    ----------
    profile : Path
        The folder of an IPython profile; made if it is not there.

    Raises
    ------
    ConfigurationError
        If the configuration can't be read, so that IPython does not read it either.
    OSError
        If it can't be written.
    """
    path = profile / "ipython_config.py"
    text = _read(path)
    source = _without_block(text)
    if (line := _mentioned(source, path)) is not None:
        return f"Line {line} of {path} loads {_NAME} already; nothing was changed."
    listed = _json_list(profile)
    if listed is not None and _NAME in listed[1]:
        return f"{listed[0]} loads {_NAME} already; nothing was changed."
    if listed is not None:  # IPython prefers the JSON file, whose list replaces that of the other
        _write_json(profile, [*listed[1], _NAME])
        return _changed(listed[0], "Restart a kernel, and `%%berlin` is there.")
    if source != text:
        return f"{path} loads {_NAME} already; nothing was changed."
    profile.mkdir(parents=True, exist_ok=True)
    ends = not text or text.endswith("\n")
    _write(path, f"{text}{_BLOCK}\n" if ends else f"{text}\n{_BLOCK}", text)
    return _changed(path, "Restart a kernel, and `%%berlin` is there.")


def disable(profile: Path) -> str:
    """Undo what `enable` has done; return what to print.

    Raises
    ------
    ConfigurationError
        If the configuration can't be read.
    OSError
        If it can't be written.
    """
    path = profile / "ipython_config.py"
    text = _read(path)
    source = _without_block(text)
    changed = []
    if source != text:
        if source:
            _write(path, source, text)
        else:
            path.unlink()  # nothing else was in it
        changed.append(path)
    listed = _json_list(profile)
    if listed is not None and _NAME in listed[1]:
        _write_json(profile, [name for name in listed[1] if name != _NAME])
        changed.append(listed[0])
    if (line := _mentioned(source, path)) is not None:
        raise ConfigurationError(f"line {line} of {path} loads {_NAME}, and was written by somebody else: remove it.")
    if not changed:
        return f"{_NAME} is not loaded by {path}; nothing was changed."
    return f"Changed {' and '.join(map(str, changed))}: {_NAME} is not loaded any more when IPython starts."


def _changed(path: Path, advice: str) -> str:
    return f"Changed {path}: {_NAME} is loaded when IPython starts. {advice}\n`python -m {_NAME} disable` undoes it."


def _without_block(text: str) -> str:
    """Return the configuration as it was before `enable`, to the byte."""
    for block in (f"{_BLOCK}\n", f"\n{_BLOCK}"):
        for written in (block, block.replace("\n", "\r\n")):
            text = text.replace(written, "")
    return text


def _mentioned(source: str, path: Path) -> int | None:
    """Return the line of `source` that names the package in a string, or None.

    Raises
    ------
    ConfigurationError
        If it is not Python.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        where = f"line {error.lineno} of " if isinstance(error, SyntaxError) and error.lineno else ""
        raise ConfigurationError(f"{where}{path} is not Python, and IPython does not read it. Repair it.") from None
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == _NAME]
    return min(lines, default=None)


def _json_list(profile: Path) -> tuple[Path, list[Any]] | None:
    """Return the JSON file beside the configuration, and the extensions that it lists; None if it lists none."""
    path = profile / "ipython_config.json"
    content = _json(path)
    application = content.get("InteractiveShellApp") if isinstance(content, dict) else None
    listed = application.get("extensions") if isinstance(application, dict) else None
    return (path, listed) if isinstance(listed, list) else None


def _json(path: Path) -> Any:
    text = _read(path)
    try:
        return json.loads(text) if text else None
    except ValueError:
        raise ConfigurationError(f"{path} is not JSON, and IPython does not read it. Repair it.") from None


def _write_json(profile: Path, extensions: list[Any]) -> None:
    """Put `extensions` in the place of the list in the JSON file, and leave its other lines as they are."""
    path = profile / "ipython_config.json"
    text = _read(path)
    content = json.loads(text)
    content["InteractiveShellApp"]["extensions"] = extensions
    second = text.split("\n")[1] if "\n" in text else ""
    indent = len(second) - len(second.lstrip(" ")) or None
    ending = "\n" if text.endswith("\n") else ""
    _write(path, json.dumps(content, indent=indent, ensure_ascii=text.isascii()) + ending, text)


def _read(path: Path) -> str:
    """Return a file as it is, line ends included; nothing if there is none."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not in UTF-8.") from None


def _write(path: Path, text: str, before: str) -> None:
    r"""Write a file in place, so that a link stays one; with the line ends that it had."""
    newline = "\r\n" if "\r\n" in before else "\n"
    if newline == "\r\n":
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    path.write_bytes(text.encode())
