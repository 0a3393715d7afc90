"""What 1,000 turns in one kernel leave, and how long the user's own tasks are held up during a fast reply."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.measure import ROOT, Figure, Options, fresh

if TYPE_CHECKING:
    from real_kernel.rig import Message

TICKING = """\
import asyncio, time
gaps = []
async def tick():
    while True:
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(0.005)
        gaps.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
ticking = asyncio.ensure_future(tick())
"""
COUNT = """\
import asyncio, gc, os, sys, comm, ipywidgets
def left():
    gc.collect()
    return {
        "tasks": len(asyncio.all_tasks()),
        "sockets": sum(os.readlink(f"/proc/self/fd/{n}").startswith("socket:") for n in os.listdir("/proc/self/fd")
                       if os.path.exists(f"/proc/self/fd/{n}")) if os.path.exists("/proc/self/fd") else 0,
        "widgets": len(ipywidgets.widgets.widget._instances),
        "comms": len(comm.get_comm_manager().comms),
        "threads": __import__("threading").active_count(),
        "blocks": sys.getallocatedblocks(),
    }
"""


class _Asking:
    """A kernel with the extension, connected to a scripted server in this process."""

    def __init__(self, folder: str) -> None:
        sys.path.insert(0, str(ROOT / "tests"))
        from browser.scripted_server import Reply  # noqa: PLC0415
        from real_kernel.conftest import PASSWORD, Server  # noqa: PLC0415
        from real_kernel.rig import Kernel  # noqa: PLC0415

        self.reply, self.server = Reply, Server()
        account = {"BERLIN_URL": self.server.url, "BERLIN_ACCOUNT": "tester", "BERLIN_PASSWORD": PASSWORD}
        self.kernel = Kernel(env={"IPYTHONDIR": folder, **account})
        self.kernel.good("%load_ext berlin_magic")

    def answer(self, message: Message) -> None:
        """Answer a message of the live view's widget as JupyterLab does."""
        if message.kind != "comm_msg":
            return
        said = message.content["data"].get("content", {})
        answers = {"hello": {"ready": 0.5, "document": True}, "end": {"bye": True}, "n": {"painted": said.get("n")}}
        for key, answer in answers.items():
            if key in said:
                data = {"method": "custom", "content": {"id": said["id"], **answer}}
                content = {"comm_id": message.content["comm_id"], "data": data}
                self.kernel.client.shell_channel.send(self.kernel.client.session.msg("comm_msg", content))
                return

    def close(self) -> None:
        self.kernel.close()
        self.server.end()


def left(count: int) -> dict[str, float]:
    """Return how much more of everything there is after `count` turns in a kernel than after the first ones."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        asking = _Asking(folder)
        kernel = asking.kernel
        try:
            asking.server.answers(asking.reply("The answer is 42. " * 5, pieces=3))

            def ask(number: int) -> None:
                kernel.good(f"%%berlin\nQuestion {number}", cell=f"cell-{number}", watch=asking.answer)

            for number in range(20):
                ask(number)
            kernel.good(COUNT)
            settled = "await asyncio.sleep(3); print(__import__('json').dumps(left()))"
            before = json.loads(kernel.good(settled).stdout)
            asking.server.asked.clear()
            for number in range(20, 20 + count):
                ask(number)
            requests = len(asking.server.asked)
            after = json.loads(kernel.good(settled).stdout)
            found = {name: float(after[name] - before[name]) for name in before}
            return {**found, "requests": requests / count}
        finally:
            asking.close()


def gaps(tokens: int) -> list[list[float]]:
    """Return the longest gap of a ticking task while the kernel idles and while a reply comes: wall and CPU in ms."""
    from display.replies import long_reply  # noqa: PLC0415

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        asking = _Asking(folder)
        kernel = asking.kernel
        try:
            asking.server.answers(asking.reply("words"))
            kernel.good(
                "%%berlin --once\nHello", watch=asking.answer
            )  # what is imported at first use is not the reply's doing
            kernel.good(TICKING)
            longest = "[max(each) for each in zip(*gaps)]"
            kernel.good("gaps.clear(); await asyncio.sleep(1)")
            idle = json.loads(kernel.value(longest))
            text = long_reply(tokens * 5)
            asking.server.answers(asking.reply(text, pieces=tokens, seconds=tokens / 1000))
            kernel.good("await asyncio.sleep(0.05); gaps.clear()")
            kernel.good("%%berlin --once\nHello", timeout=120, watch=asking.answer)
            return [idle, json.loads(kernel.value(longest))]
        finally:
            asking.close()


def figures(options: Options) -> Iterator[Figure]:
    runs = [fresh(gaps, 1_000 if options.short else 5_000) for _ in range(options.rounds)]
    for at, name in enumerate(("wall", "CPU in it")):
        idle, busy = [run[0][at] for run in runs], [run[1][at] for run in runs]
        title = f"longest gap of the user's task at 1,000 tokens a second, {name}"
        yield Figure(title, "ms", busy, "an idle kernel", idle)
        yield Figure(title, "ms", busy, bound=50)
    count = 100 if options.short else 1_000
    found = fresh(left, count)
    for name in ("tasks", "sockets", "widgets", "comms", "threads"):
        yield Figure(f"{name} left by {count:,} turns", "", [found[name]], bound=0, exact=True)
    yield Figure(
        "memory blocks that a turn leaves: its own record", "", [found["blocks"] / count], bound=150, exact=True
    )
    yield Figure("requests of a turn", "", [found["requests"]], bound=1, exact=True)
