"""A real kernel, driven as a front end drives it: cells in, timed messages out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canaries import betrayed, told
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[2]
OLD_IPYKERNEL = ("ipykernel==6.29.5", "nest-asyncio==1.6.0")

LONGEST_GAP = 0.1
"""Seconds for which the user's own tasks may be held up."""

TICKING = """\
import asyncio, time
gaps = []
async def tick():
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.01)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
ticking = asyncio.ensure_future(tick())
"""
"""A cell that starts a task of the user's, which writes down how long it was held up each time."""


@dataclass
class Message:
    """One message on iopub, and when it came, in seconds after the cell was sent."""

    at: float
    kind: str
    content: dict[str, Any]


@dataclass
class Run:
    """What became of one cell."""

    status: str
    messages: list[Message]
    reply: dict[str, Any] = field(default_factory=dict)

    @property
    def stdout(self) -> str:
        """What was printed, and what commands showed, as a terminal would have it."""
        shown = [
            m.content["data"]["text/plain"]
            for m in self.messages
            if m.kind == "display_data" and not m.content["transient"]
        ]
        return self._stream("stdout") + "".join(f"{text}\n" for text in shown)

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    def _stream(self, name: str) -> str:
        return "".join(m.content["text"] for m in self.messages if m.kind == "stream" and m.content["name"] == name)

    @property
    def error(self) -> str:
        """The lines of the error as the front end shows them, or nothing."""
        errors = [m.content for m in self.messages if m.kind == "error"]
        assert len(errors) <= 1, errors
        return "\n".join(errors[0]["traceback"]) if errors else ""

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """The outputs as a notebook would save them: a display updated in place is one."""
        shown: list[dict[str, Any]] = []
        for message in self.messages:
            content = message.content
            if message.kind in {"display_data", "execute_result"}:
                shown.append(content)
            elif message.kind == "update_display_data":
                name = content["transient"]["display_id"]
                for index, old in enumerate(shown):
                    if old.get("transient", {}).get("display_id") == name:
                        shown[index] = {**content, "transient": old["transient"]}
        return shown

    @property
    def answer(self) -> dict[str, Any]:
        """The data of the only output."""
        assert len(self.outputs) == 1, [list(output["data"]) for output in self.outputs]
        return self.outputs[0]["data"]

    @property
    def metadata(self) -> dict[str, Any]:
        return self.outputs[0]["metadata"]["berlin"]


class Kernel:
    """A kernel process and a client to it."""

    def __init__(self, *paths: str, env: dict[str, str] | None = None) -> None:
        # Ours alone: what the machine has configured of Berlin is not the test's business.
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("BERLIN_", "OPENAI_"))}
        path = os.pathsep.join([*paths, str(ROOT)])
        self._folder = tempfile.TemporaryDirectory(prefix="berlin-kernel-", ignore_cleanup_errors=True)
        database = str(Path(self._folder.name) / "conversations.db")  # and not the user's
        own = {"PYTHONPATH": path, "IPYTHONDIR": clean.get("IPYTHONDIR", ""), "BERLIN_DATABASE": database}
        own["BERLIN_MODELS"] = str(Path(self._folder.name) / "models")
        own |= {"BERLIN_STATE_DIR": self._folder.name, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        self._env = {**clean, **own, **(env or {})}
        if not self._env["IPYTHONDIR"]:
            del self._env["IPYTHONDIR"]
        try:
            self._start()
        except RuntimeError:  # another process has taken a port that was free when it was chosen
            self._end()
            try:
                self._start()
            except RuntimeError:
                self._end()
                self._folder.cleanup()
                raise

    def _start(self) -> None:
        self.manager = KernelManager()
        self.manager.kernel_spec.argv[:] = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
        ]
        self.manager.start_kernel(env=self._env, stderr=subprocess.DEVNULL)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def _end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def send(self, code: str, *, cell: str | None = None, allow_stdin: bool = True, stop_on_error: bool = True) -> str:
        """Send a cell as JupyterLab does; return the request's id."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": allow_stdin,
            "stop_on_error": stop_on_error,
        }
        # A notebook's front end sends something in any case; who sends nothing is taken for one that knows no updates.
        metadata = {"cellId": cell} if cell else {"trusted": True}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def finish(self, request: str, *, timeout: float = 60, watch: Callable[[Message], None] | None = None) -> Run:
        """Wait until the cell of `request` is done; show each of its messages to `watch` as it comes."""
        began = time.monotonic()
        messages: list[Message] = []
        while True:
            left = began + timeout - time.monotonic()
            assert left > 0, f"the cell did not end within {timeout} s: {[m.kind for m in messages]}"
            message = self.client.get_iopub_msg(timeout=left)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            assert kind == "execute_input" or not (secrets := told([repr(content)])), secrets
            messages.append(Message(time.monotonic() - began, kind, content))
            if watch is not None:
                watch(messages[-1])
        while True:
            reply = self.client.get_shell_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == request:
                return Run(reply["content"]["status"], messages, reply["content"])

    def run(self, code: str, *, timeout: float = 60, watch: Callable[[Message], None] | None = None, **how: Any) -> Run:
        return self.finish(self.send(code, **how), timeout=timeout, watch=watch)

    def good(self, code: str, **how: Any) -> Run:
        """Run a cell that has to succeed."""
        run = self.run(code, **how)
        assert run.status == "ok", run.error or run.stderr
        return run

    def value(self, expression: str) -> str:
        """Return the repr of an expression in the kernel."""
        (output,) = self.good(expression).outputs
        return str(output["data"]["text/plain"])

    def interrupt(self) -> None:
        if os.name == "nt":
            self.manager.interrupt_kernel()
        else:  # jupyter_client's own call needs a loop, and tests interrupt from any thread
            os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        assert self.manager.provisioner is not None
        os.kill(self.manager.provisioner.pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self.manager.provisioner is not None
        return int(self.manager.provisioner.pid)

    def close(self) -> None:
        self._end()
        found = betrayed(Path(self._folder.name))
        self._folder.cleanup()
        assert not found, found


def once(action: Callable[[], None], when: Callable[[Message], bool]) -> Callable[[Message], None]:
    """Return a watch that does `action`, in a thread, at the first message that `when` is true of."""
    done = threading.Event()

    def watch(message: Message) -> None:
        if not done.is_set() and when(message):
            done.set()
            threading.Thread(target=action, daemon=True).start()

    return watch


def old_ipykernel(folder: Path) -> str:
    """Install ipykernel 6 into `folder`, to be put before the installed one; return its path."""
    if not (folder / "ipykernel").exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(folder),
            *OLD_IPYKERNEL,
        ]
        subprocess.run(command, check=True, timeout=300, capture_output=True)
    return str(folder)
