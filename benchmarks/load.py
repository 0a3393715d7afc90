"""What loading the extension costs in a real kernel, and when the first cell's request leaves.

The reference for loading is IPython's own `autoreload` in a kernel of its own; for the first request, the same cell
when everything is warm.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import ROOT, Figure, Options, fresh

LOADED = """\
import sys as _sys, time as _time
_before, _start = set(_sys.modules), _time.process_time()
get_ipython().run_line_magic("load_ext", {0!r})
_spent = _time.process_time() - _start
_new = sorted(set(_sys.modules) - _before)
"""


def loading(extension: str) -> dict[str, float]:
    """Return the milliseconds of CPU that `%load_ext` takes in a new kernel, and the modules that it imports."""
    sys.path.insert(0, str(ROOT / "tests"))
    from real_kernel.rig import Kernel  # noqa: PLC0415

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        kernel = Kernel(env={"IPYTHONDIR": folder})
        try:
            kernel.good(LOADED.format(extension))
            return {"cpu": 1e3 * float(kernel.value("_spent")), "modules": float(kernel.value("len(_new)"))}
        finally:
            kernel.close()


def first_request() -> dict[str, float]:
    """Return the milliseconds from sending the first `%%berlin` cell to its request, and the same for a later one.

    Beside them, what the later cells and their requests count.
    """
    sys.path.insert(0, str(ROOT / "tests"))
    from real_kernel.conftest import PASSWORD, Server  # noqa: PLC0415
    from real_kernel.rig import Kernel  # noqa: PLC0415

    server = Server()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        account = {"BERLIN_URL": server.url, "BERLIN_ACCOUNT": "tester", "BERLIN_PASSWORD": PASSWORD}
        kernel = Kernel(env={"IPYTHONDIR": str(Path(folder)), **account})
        try:
            kernel.good("%load_ext berlin_magic")
            kernel.good("import asyncio; await asyncio.sleep(2)")  # what it loads beforehand, when idle, is there
            found = []
            spent = "__import__('time').process_time()"
            before = float(kernel.value(spent))
            for number in range(6):
                asked = len(server.asked)
                sent = time.monotonic()
                kernel.good("%%berlin\nHello")
                found.append(server.asked[asked].began - sent)
                if number == 0:
                    first_cell = float(kernel.value(spent)) - before
            later = sorted(found[1:])[len(found) // 2 - 1]
            return {
                "first": 1e3 * found[0],
                "later": 1e3 * later,
                "requests": len(server.asked) + server.logins,
                "cpu": 1e3 * first_cell,
            }
        finally:
            kernel.close()
            server.end()


def figures(options: Options) -> Iterator[Figure]:
    fresh(first_request)  # compiles the modules
    runs = [(fresh(loading, "berlin_magic"), fresh(loading, "autoreload")) for _ in range(options.rounds)]
    mine, theirs = [run[0]["cpu"] for run in runs], [run[1]["cpu"] for run in runs]
    yield Figure("%load_ext berlin_magic, CPU", "ms", mine, "%load_ext autoreload", theirs)
    yield Figure("%load_ext berlin_magic, CPU", "ms", mine, bound=25)
    yield Figure("modules imported by it", "", [runs[0][0]["modules"]], bound=52, exact=True)
    asked = [fresh(first_request) for _ in range(options.rounds)]
    first, later = [run["first"] for run in asked], [run["later"] for run in asked]
    yield Figure("first cell, until its request leaves", "ms", first, bound=200)
    yield Figure("first cell, until its request leaves", "ms", first, "a later cell", later)
    yield Figure("first cell, the kernel's CPU for all of it", "ms", [run["cpu"] for run in asked], bound=350)
    yield Figure("requests of 6 cells, with the login", "", [asked[0]["requests"]], bound=7, exact=True)
