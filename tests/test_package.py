"""The package as a whole: what it shows, what it costs to load, and which way its imports go."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import berlin_magic

PACKAGE = Path(berlin_magic.__file__).parent
VAGUE = {"utils", "helpers", "manager", "handler", "common", "misc"}


def test_every_public_name_is_there() -> None:
    for name in berlin_magic.__all__:
        assert getattr(berlin_magic, name) is not None
    assert callable(berlin_magic.conversation)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        berlin_magic.nothing  # noqa: B018


def test_loading_the_extension_imports_no_http_client_and_no_widgets() -> None:
    code = (
        "import sys, IPython\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "before = set(sys.modules)\n"
        "import berlin_magic; berlin_magic.load_ipython_extension(shell)\n"
        "print(sorted({m.partition('.')[0] for m in set(sys.modules) - before}"
        " & {'aiohttp', 'ipywidgets', 'anywidget', 'markdown_it', 'nest_asyncio2', 'sqlite3'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stdout + done.stderr


def test_every_module_says_in_its_first_line_what_it_is() -> None:
    for path in PACKAGE.rglob("*.py"):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert docstring, path
        assert path.stem not in VAGUE


def imports_of(module: str) -> set[str]:
    tree = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            if not node.level:
                names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize(
    "module",
    [
        "messages",
        "decoder",
        "envelope",
        "event_stream",
        "errors",
        "turn",
        "places",
        "turns",
        "layout",
        "arrangement",
        "staleness",
        "budget",
        "records",
    ],
)
def test_pure_modules_know_no_network_kernel_widget_or_clock(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports_of(module)}
    assert not tops & {"aiohttp", "socket", "IPython", "ipykernel", "ipywidgets", "anywidget", "time", "datetime"}
    assert "asyncio" not in tops


@pytest.mark.parametrize(
    "module", ["messages", "decoder", "envelope", "transport", "berlin", "turns", "chat", "showing"]
)
def test_nothing_further_down_imports_the_magics(module: str) -> None:
    assert not imports_of(module) & {"berlin_magic.magics", "berlin_magic.commands", "berlin_magic.extension"}


def test_every_import_is_the_standard_librarys_or_a_declared_dependency() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=\[ ]", entry)[0].lower() for entry in project["dependencies"]}
    distributions = metadata.packages_distributions()
    # What a declared one cannot be without: IPython brings traitlets, aiohttp yarl, ipywidgets comm.
    declared |= {"traitlets", "yarl", "comm"}
    for path in PACKAGE.rglob("*.py"):
        for name in imports_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts)):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names or top in {"berlin_magic", "ipykernel"}:
                continue
            assert {entry.lower() for entry in distributions[top]} & declared, f"{path.name} imports {name}"
