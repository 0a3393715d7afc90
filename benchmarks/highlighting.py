"""How long a code fence holds up the user's loop, for each language that Pygments knows.

Run ``python benchmarks/highlighting.py [--lexers N] [--bodies N]`` with the test extra. A real kernel with a task that
ticks every 10 ms asks, with ``%%berlin``, a server whose reply is one fence of 20 kB: for each lexer, the generated
body that takes the most CPU here. Printed is the longest gap between two ticks, and the most CPU that the kernel used
between two: other programs of the machine are in the first number alone, so a gap that is too long is measured again.
Beside it stand an idle kernel and the same body without a language. The ten worst, by CPU, are interrupted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import NamedTuple

from pygments.lexers import get_all_lexers

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.scripted_server import Reply  # noqa: E402  # the rig is not a package
from real_kernel.conftest import PASSWORD, Server  # noqa: E402
from real_kernel.rig import Kernel, once  # noqa: E402

from berlin_magic.display.markdown.highlight import LIMIT, Highlighter, language  # noqa: E402

TICKING = """\
import asyncio, time
gaps = []
async def tick():
    while True:
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(0.01)
        gaps.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
ticking = asyncio.ensure_future(tick())
"""
TRIES, ENOUGH = 3, 30  # milliseconds
SIZE = LIMIT - 1  # and the end of its last line
PARTS = [
    *(
        "\n",
        "a\n",
        " ",
        "\t",
        "a ",
        "a.",
        "a:",
        "a-",
        "-a",
        "a'",
        "'a",
        "a(",
        ".a",
        "#a ",
        ":a",
        "é",
        "1,",
        "1e-",
        "0x",
    ),
    *(
        "'",
        '"',
        "\\",
        "/",
        "(/",
        "[",
        "{",
        "<",
        "=",
        "-",
        "--",
        "#",
        "$",
        "@",
        "%",
        "!",
        "|",
        "?",
        "(",
        ")",
        "* ",
        "~/",
    ),
    *(
        "/*",
        "(*",
        "{-",
        "<!--",
        "]]>",
        '"""',
        "'''",
        "{{",
        "{%",
        "<![",
        "&a;",
        "$(a",
        "=~ /",
        "s{s{",
        'R"(',
        'r#"',
        "[=[",
    ),
    *("<<A\n", "<script>", "<style>", "<a ", "<a b='", "- a: ", ">>> a\n", "$ a\n", "a@b$ ", "\n\n    b\n", "\\begin{"),
    *("if ", "def a", "class ", "match a", 'a b 1 "s" # c\n'),
]


def bodies(count: int) -> list[str]:
    """Return texts that repeat each part, and pairs and random sequences of them."""
    random = Random(1)
    pairs = [random.choice(PARTS) + random.choice(PARTS) for _ in range(count)]
    mixtures = ["".join(random.choices(PARTS, k=SIZE))[:SIZE] for _ in range(10)]
    return [(part * SIZE)[:SIZE] for part in [*PARTS, *pairs]] + mixtures


def worst(name: str, texts: list[str]) -> str:
    """Return the text that takes longest."""

    def cpu(text: str) -> float:
        start = time.process_time()
        Highlighter().html(text, name)
        return time.process_time() - start

    return max(texts, key=cpu)


class Gap(NamedTuple):
    """Milliseconds between two ticks of the user's task, and of CPU that the kernel used in between."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:3.0f} ms ({self.cpu:3.0f} of CPU)"


class Asking:
    """A kernel that asks a server, and how long its loop was held up meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.server = Server()
        account = {"BERLIN_URL": self.server.url, "BERLIN_ACCOUNT": "tester", "BERLIN_PASSWORD": PASSWORD}
        self.kernel = Kernel(env={"IPYTHONDIR": str(folder), **account})
        self.kernel.good("%load_ext berlin_magic")
        self.kernel.good(TICKING)
        self.gap("words")  # what is imported at first use is not the fence's doing

    def close(self) -> None:
        self.kernel.close()
        self.server.end()

    def idle(self) -> Gap:
        """Return the longest gap of a kernel that does nothing."""
        self.kernel.good("await asyncio.sleep(0.1); gaps.clear(); await asyncio.sleep(0.3)")
        return self._longest()

    def gap(self, text: str, pieces: int = 1) -> Gap:
        """Return the longest gap while `text` is answered in so many pieces; the shortest of some tries."""
        found = []
        while len(found) < TRIES and (not found or min(found)[0] > ENOUGH):
            self.server.answers(Reply(text, pieces=pieces))
            self.kernel.good("await asyncio.sleep(0.02); gaps.clear()")
            self.kernel.good("%%berlin --once\nGo")
            found.append(self._longest())
        return min(found)

    def seconds_to_end(self, text: str) -> float:
        """Return the seconds from an interrupt in the middle of `text` to the end of the cell."""
        self.server.answers(Reply(text, seconds=0.2, pieces=4, hangs=True))
        sent: list[float] = []

        def interrupt() -> None:
            time.sleep(0.15)  # the fence is being closed
            sent.append(time.monotonic())
            self.kernel.interrupt()

        request = self.kernel.send("%%berlin --once\nGo")
        run = self.kernel.finish(request, watch=once(interrupt, lambda message: message.kind == "display_data"))
        assert run.status == "error"
        return time.monotonic() - sent[0]

    def _longest(self) -> Gap:
        wall, cpu = json.loads(self.kernel.value("[max(each) for each in zip(*gaps)]"))
        return Gap(wall, cpu)


def fence(body: str, name: str) -> str:
    return f"```{name}\n{body}\n```\n\nAnd that is all.\n"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lexers", type=int, default=10_000, help="the first so many of all lexers")
    options.add_argument("--bodies", type=int, default=100, help="so many pairs of parts")
    chosen = options.parse_args()
    texts = bodies(chosen.bodies)
    names = []
    for _, aliases, _, _ in list(get_all_lexers())[: chosen.lexers]:
        known = [alias for alias in aliases if language(alias)]
        names += known[:1] or [alias for alias in aliases if " " not in alias][:1]
    print(f"{len(names)} lexers, {sum(map(bool, map(language, names)))} of them in colours, {len(texts)} bodies each")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        asking = Asking(Path(folder))
        found = []
        try:
            print(f"idle: {max(asking.idle() for _ in range(10))}", flush=True)
            every = "".join(f"```{name}\nx = 1\n```\n\n" for name in names)
            print(f"a line in each language, in one piece: {asking.gap(every)}", flush=True)
            many = fence("1," * 2_000, "python") * 50
            print(f"50 costly fences, in one piece: {asking.gap(many)}")
            print(f"50 costly fences, without a language: {asking.gap(many.replace('python', ''))}", flush=True)
            for name in names:
                body = worst(name, texts) if language(name) else texts[0]
                found.append((asking.gap(fence(body, name)), name, body))
            found.sort(key=lambda each: each[0].cpu, reverse=True)
            for at, column in enumerate(Gap._fields):
                figures = sorted(gap[at] for gap, _, _ in found)
                print(f"{column}: median {statistics.median(figures):.0f} ms, longest {figures[-1]:.0f} ms")
            print("The ten worst of those in colours:")
            for gap, name, body in [each for each in found if language(each[1])][:10]:
                cut, plain = asking.gap(fence(body, name), 200), asking.gap(fence(body, ""))
                end = asking.seconds_to_end(fence(body, name))
                print(
                    f"{name:16} {gap}; in 200 pieces {cut}; without a language {plain}; "
                    f"an interrupt ends it in {end:.2f} s; {body[:12]!r}",
                    flush=True,
                )
        finally:
            asking.close()


if __name__ == "__main__":
    main()
