"""A real JupyterLab or Notebook 7, and the notebooks in it, as a test drives them."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from playwright.async_api import Locator, Page

ROOT = Path(__file__).resolve().parents[2]
IN_KERNEL = Path(__file__).with_name("in_kernel")
START_LIMIT = 60.0
RUN_LIMIT = 120.0
KERNEL_LIMIT = 20.0


class Lab:
    """One JupyterLab server on a free port, with its own settings, runtime files and notebooks under `folder`.

    Parameters
    ----------
    extension : bool
        Whether our extension, as it is in this checkout, is switched on.
    notebook_7 : bool
        Whether the front end is Notebook 7 instead, which has one page for each notebook.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str] | None = None,
        *,
        extension: bool = True,
        notebook_7: bool = False,
    ) -> None:
        module, app, self.page = (
            ("notebook", "JupyterNotebookApp", "notebooks") if notebook_7 else ("jupyterlab", "LabApp", "lab/tree")
        )
        self.notebooks = folder / "notebooks"
        self.database = folder / "conversations" / "conversations.db"
        self._runtime = folder / "runtime"
        self._data = folder / "data"
        self.token = secrets.token_hex(16)
        for path in (self.notebooks, self._runtime):
            path.mkdir(parents=True)
        # This comes before what is installed, which may be another version.
        links = folder / "links"
        (links / "labextensions").mkdir(parents=True)
        (links / "labextensions" / "berlin-magic").symlink_to(ROOT / "labextension")
        if not extension:
            switched_off = folder / "config" / "labconfig" / "page_config.json"
            switched_off.parent.mkdir(parents=True)
            switched_off.write_text(json.dumps({"disabledExtensions": {"berlin-magic": True}}))
        # No question about news in front of what a test looks at.
        settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
        self._log_path = folder / "jupyterlab.log"
        self._log = self._log_path.open("w")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", module, "--no-browser", "--port=0", "--ip=127.0.0.1"),
                *("--allow-root", f"--IdentityProvider.token={self.token}"),
                *(f"--ServerApp.root_dir={self.notebooks}", f"--{app}.expose_app_in_browser=True"),
            ],
            env={
                **os.environ,
                "JUPYTER_RUNTIME_DIR": str(self._runtime),
                "JUPYTER_CONFIG_DIR": str(folder / "config"),
                "JUPYTER_DATA_DIR": str(self._data),
                "JUPYTER_PATH": str(links),
                "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
                "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
                "IPYTHONDIR": str(folder / "ipython"),
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(IN_KERNEL)]),
                "BERLIN_DATABASE": str(self.database),
                **(environment or {}),
            },
            cwd=folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.url = self._wait_for_url()

    def _wait_for_url(self) -> str:
        limit = time.monotonic() + START_LIMIT
        while time.monotonic() < limit and self._process.poll() is None:
            for path in self._runtime.glob("jpserver-*.json"):
                try:
                    return str(json.loads(path.read_text())["url"]).rstrip("/")
                except (ValueError, KeyError):
                    continue
            time.sleep(0.1)
        self.close()
        message = f"The front end did not start: {self._log_path.read_text()[-2000:]}"
        raise RuntimeError(message)

    def add_kernel(self, name: str, *packages: str, folder: Path) -> None:
        """Offer a kernel in which other versions of some packages come before the installed ones."""
        if not any(folder.iterdir()):
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", f"--target={folder}"]
            subprocess.run([*command, *packages], check=True, timeout=300, capture_output=True)
        spec = {
            "argv": [sys.executable, "-W", "ignore", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": name,
            "language": "python",
            "env": {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT), str(IN_KERNEL)])},
        }
        path = self._data / "kernels" / name
        path.mkdir(parents=True, exist_ok=True)
        (path / "kernel.json").write_text(json.dumps(spec))

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class Notebook:
    """One notebook, open in a page."""

    def __init__(self, lab: Lab, page: Page, path: Path) -> None:
        self.lab = lab
        self.page = page
        self.path = path

    @classmethod
    async def new(cls, lab: Lab, page: Page, *sources: str, name: str = "", kernel: str = "python3") -> Notebook:
        """Write a notebook with one code cell for each of `sources`, and open it."""
        content = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in sources],
            metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
        )
        path = lab.notebooks / f"{name or secrets.token_hex(6)}.ipynb"
        nbformat.write(content, path)
        notebook = cls(lab, page, path)
        await notebook.open()
        return notebook

    async def open(self) -> None:
        """Open the file in a fresh page, and wait until its kernel can run something."""
        await self.open_page()
        try:
            await self._kernel_ready()
        except TimeoutError:  # one of ipykernel 7.0.1 now and then does not survive its own start
            await self._evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.restartKernel()")
            await self._kernel_ready()

    async def open_page(self) -> None:
        """Open the file in a fresh page, whatever its kernel does."""
        await self.page.goto(f"{self.lab.url}/{self.lab.page}/{self.path.name}?reset&token={self.lab.token}")
        await self.page.wait_for_function(
            """name => {
                const panel = window.jupyterapp?.shell.currentWidget;
                return panel?.context?.path === name && panel.context.isReady && panel.content.widgets.length > 0;
            }""",
            arg=self.path.name,
            timeout=60_000,
        )

    async def _kernel_ready(self) -> None:
        await self._evaluate(
            """async () => {
                const context = jupyterapp.shell.currentWidget.context;
                await context.sessionContext.ready;
                await context.sessionContext.session.kernel.info;
                await context.sessionContext.session.kernel.requestExecute({code: "", silent: true}).done;
                jupyterapp.shell.collapseLeft();
            }""",
            limit=KERNEL_LIMIT,
        )

    async def _evaluate(self, script: str, argument: Any = None, limit: float = RUN_LIMIT) -> Any:
        """Run JavaScript in the page, for no more than `limit` seconds: a promise there may never be kept."""
        async with asyncio.timeout(limit):
            return await self.page.evaluate(script, argument)

    def output(self, cell: int) -> Locator:
        """Return the output area of the cell with this index."""
        return self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{cell}'] .jp-OutputArea").first

    async def start(self, *cells: int) -> None:
        """Run cells in this order without waiting for their end."""
        await self._evaluate(
            """cells => {
                const notebook = jupyterapp.shell.currentWidget.content;
                window.berlinRuns ??= {};
                for (const cell of cells) {
                    notebook.activeCellIndex = cell;
                    notebook.deselectAll();
                    window.berlinRuns[cell] = jupyterapp.commands.execute("notebook:run-cell");
                }
            }""",
            list(cells),
        )

    async def wait(self, cell: int) -> None:
        """Wait until a run of `cell` that was started has ended."""
        await self._evaluate("async cell => { await window.berlinRuns[cell]; }", cell)

    async def run(self, *cells: int) -> None:
        """Run cells, one after the other, to their end."""
        for cell in cells:
            await self.start(cell)
            await self.wait(cell)

    async def interrupt(self) -> None:
        """Interrupt the kernel as the ■ button does."""
        await self._evaluate("() => { jupyterapp.commands.execute('notebook:interrupt-kernel'); }")

    async def outputs(self, cell: int) -> list[dict[str, Any]]:
        """Return the outputs of a cell as JupyterLab's model holds them now."""
        found: list[dict[str, Any]] = await self._evaluate(
            "cell => jupyterapp.shell.currentWidget.content.widgets[cell].model.outputs.toJSON()", cell
        )
        return found

    async def execution_count(self, cell: int) -> int | None:
        """Return the number that a cell shows in brackets, None for ``[ ]`` and ``[*]``."""
        count: int | None = await self._evaluate(
            "cell => jupyterapp.shell.currentWidget.content.widgets[cell].model.executionCount", cell
        )
        return count

    async def save(self) -> Any:
        """Save the notebook and return what is in the file."""
        await self._evaluate("() => jupyterapp.shell.currentWidget.context.save()")
        return nbformat.read(self.path, as_version=4)

    async def hide_source(self, cell: int) -> None:
        """Collapse the input of a cell, to leave the page to its output."""
        await self._evaluate(
            "cell => { jupyterapp.shell.currentWidget.content.widgets[cell].inputHidden = true; }", cell
        )

    async def theme(self, name: str) -> None:
        """Switch JupyterLab's theme, e.g. to ``JupyterLab Dark``."""
        await self._evaluate("name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        shown = "false" if "Dark" in name else "true"
        await self.page.wait_for_function("shown => document.body.dataset.jpThemeLight === shown", arg=shown)

    async def shut_down(self) -> None:
        """End the notebook's kernel."""
        await self._evaluate(
            "async () => { await jupyterapp.shell.currentWidget?.context?.sessionContext?.shutdown(); }"
        )
