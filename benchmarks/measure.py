"""Run one function in a fresh process, and compare what several such runs give."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Options:
    """How to measure.

    Attributes
    ----------
    short : bool
        Whether to measure little, for a check of what is exact.
    rounds : int
        Fresh processes for each figure.
    peers : mapping
        The Python of each peer that is installed, by the peer's name.
    """

    short: bool = False
    rounds: int = 5
    peers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes
    ----------
    name, unit : str
        What was measured, and in what.
    runs : sequence of float
        What each run gave.
    reference : str
        What it is compared with, measured in the same run; empty if it is compared with nothing.
    reference_runs : sequence of float
        What the reference gave.
    bound : float, optional
        The most that the ratio to the reference may be; without a reference, the most that the median may be.
    exact : bool
        Whether it is counted rather than timed: the same on every machine, so that the guard can hold it.
    """

    name: str
    unit: str
    runs: Sequence[float]
    reference: str = ""
    reference_runs: Sequence[float] = ()
    bound: float | None = None
    exact: bool = False

    @property
    def value(self) -> float:
        return median(self.runs)

    @property
    def ratio(self) -> float | None:
        if not self.reference_runs:
            return None
        return self.value / (median(self.reference_runs) or float("nan"))

    @property
    def holds(self) -> bool | None:
        """Whether it is within its bound; None if it has none."""
        return None if self.bound is None else self._judged <= self.bound

    @property
    def fails(self) -> bool:
        """Whether it is exact, and over its bound."""
        return self.exact and self.holds is False

    @property
    def _judged(self) -> float:
        return self.value if self.ratio is None else self.ratio

    def row(self) -> list[str]:
        """Return the cells of its line in the table."""
        spread = "" if len(self.runs) == 1 or self.exact else f"{short(min(self.runs))} to {short(max(self.runs))}"
        compared = "" if self.ratio is None else f"{self.ratio:.2f} x {self.reference}"
        bound = "" if self.bound is None else f"{'ok' if self.holds else 'OVER'} (at most {short(self.bound)})"
        return [self.name, f"{short(self.value)} {self.unit}", spread, compared, bound]

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        fields = (
            "name",
            "unit",
            "value",
            "runs",
            "reference",
            "reference_runs",
            "ratio",
            "bound",
            "holds",
            "exact",
        )
        return {name: getattr(self, name) for name in fields}


def short(number: float) -> str:
    """Return `number` with three digits that count."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def fresh(function: Callable[..., Any], *arguments: object, python: str = sys.executable) -> Any:
    """Run a function of a module in a fresh process; return what it returns, which must be JSON."""
    done = subprocess.run(_command(function, arguments, python), cwd=ROOT, env=_environment(), stdout=-1, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def running(function: Callable[..., Any], *arguments: object) -> Iterator[tuple[int, str]]:
    """Run a server in a process of its own; give its process id and the address in its first line."""
    with started(_command(function, arguments, sys.executable)) as found:
        yield found


@contextmanager
def started(command: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Start a server; give its process id and the address in its first line."""
    with subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            yield process.pid, next(word for word in words if word.startswith("http://"))
        finally:
            process.terminate()


def in_rounds(count: int, subjects: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Run every subject once, then again, `count` times, so that a busy moment meets all of them."""
    runs: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(count):
        for name, run in subjects.items():
            runs[name].append(run())
    return runs


def processor_time(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    import psutil  # noqa: PLC0415  # a peer's environment has none

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def resident(pid: int) -> float:
    """Return the megabytes that a process has in memory."""
    import psutil  # noqa: PLC0415  # as above

    return float(psutil.Process(pid).memory_info().rss) / 1e6


def _command(function: Callable[..., Any], arguments: Sequence[object], python: str) -> list[str]:
    return [python, "-m", "benchmarks.measure", function.__module__, function.__name__, json.dumps(arguments)]


def _environment() -> dict[str, str]:
    # Neither what the machine has configured of Berlin nor compiling is the benchmark's business.
    unwanted = ("BERLIN_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "NO_PROXY": "127.0.0.1"}


if __name__ == "__main__":
    _, module, name, given = sys.argv
    print(json.dumps(getattr(importlib.import_module(module), name)(*json.loads(given))))
