"""The package as a whole: what it shows, what it costs to load, and which way its imports go."""

from __future__ import annotations

import ast
import os
import re
import shutil
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


@pytest.mark.parametrize(
    "statement",
    [
        "from berlin_magic.events import Event, Finish, Notice, Reasoning, Usage",
        "import berlin_magic.events; Reasoning = berlin_magic.events.Reasoning",
        "import berlin_magic.events as events; Reasoning = events.Reasoning",
        "from berlin_magic import events; Reasoning = events.Reasoning",
    ],
)
def test_a_provider_written_for_release_0_1_finds_the_events_where_they_were(statement: str) -> None:
    code = f"{statement}\nimport berlin_magic\nassert Reasoning is berlin_magic.Reasoning"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_loading_the_extension_imports_only_what_loading_needs() -> None:
    later = ["aiohttp", "ipywidgets", "anywidget", "markdown_it", "nest_asyncio2", "sqlite3", "importlib.metadata"]
    later += ["berlin_magic.credentials.redaction"]
    later += [f"berlin_magic.conversations.storage.{name}" for name in ("database", "notebook_file", "opened_notebook")]
    later += ["berlin_magic.prompts.slip", "berlin_magic.results.conversation"]
    later += [f"berlin_magic.kernel.{name}" for name in ("ask", "commands", "reply", "autoload")]
    code = (
        "import sys, IPython\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "before = set(sys.modules)\n"
        "import berlin_magic; berlin_magic.load_ipython_extension(shell)\n"
        f"print(sorted((set(sys.modules) - before) & {set(later)}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stdout + done.stderr


def test_a_plain_question_imports_only_what_it_needs() -> None:
    code = "import sys, berlin_magic.kernel.ask, berlin_magic.providers.resolve; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    unneeded = {"kernel.rows", "kernel.check", "kernel.commands", "prompts.built_in", "providers.openai.services"}
    assert not {f"berlin_magic.{name}" for name in unneeded} & set(done.stdout.split())


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
        "errors",
        "providers.berlin.stream",
        "providers.berlin.envelope",
        "transport.sse",
        "conversations.turn",
        "conversations.cells",
        "conversations.order",
        "conversations.places",
        "conversations.turns",
        "conversations.context_window",
        "conversations.deserialization",
        "conversations.serialization",
    ],
)
def test_pure_modules_know_no_network_kernel_widget_or_clock(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports_of(module)}
    assert not tops & {"aiohttp", "socket", "IPython", "ipykernel", "ipywidgets", "anywidget", "time", "datetime"}
    assert "asyncio" not in tops


@pytest.mark.slow
def test_an_import_that_points_up_breaks_the_contract(tmp_path: Path) -> None:
    """The contract stands in pyproject.toml; here it is seen to hold, and to fail."""
    copy = tmp_path / "berlin_magic"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE.parent / "pyproject.toml", tmp_path)
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def kept() -> bool:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert "Analyzed" in done.stdout, done.stdout + done.stderr
        return done.returncode == 0

    assert kept()
    for module, imported in (
        ("transport/client.py", "berlin_magic.providers.base"),
        ("conversations/turns.py", "berlin_magic.kernel.cell"),
        ("display/static.py", "berlin_magic.credentials.secret"),
        ("providers/resolve.py", "berlin_magic.server.local"),
    ):
        before = (copy / module).read_text(encoding="utf-8")
        (copy / module).write_text(f"{before}\n\ndef _up() -> None:\n    import {imported}\n", encoding="utf-8")
        assert not kept(), module
        (copy / module).write_text(before, encoding="utf-8")


def test_the_top_of_the_package_has_few_entries() -> None:
    entries = {path.name for path in PACKAGE.iterdir()} - {"__pycache__", "py.typed", "documentation"}
    rooms = {
        "conversations",
        "credentials",
        "display",
        "kernel",
        "prompts",
        "providers",
        "results",
        "server",
        "transport",
    }
    files = {"__init__.py", "__main__.py", "concurrency.py", "errors.py", "events.py", "messages.py"}
    assert entries <= rooms | files, entries - rooms - files


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
