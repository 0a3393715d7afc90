"""Our Markdown through other parsers: `marked` as JupyterLab ships it, nbconvert's mistune, markdown-it, showdown.

    python tests/display/markdown/differential.py --count 20000

It needs Node, and npm once, to install the version of `marked` that the installed JupyterLab was built with.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import unquote

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2])]

from display.markdown.safe_html import dangers, is_ours  # noqa: E402
from display.markdown.texts import text  # noqa: E402
from markdown_it import MarkdownIt  # noqa: E402
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath  # noqa: E402

from berlin_magic.display.markdown import to_markdown  # noqa: E402
from berlin_magic.display.markdown.links import link_target  # noqa: E402

CACHE = HERE.parents[2] / ".pytest_cache" / "d" / "node"
_MARKDOWN_IT = MarkdownIt("gfm-like", {"html": True, "linkify": False}).disable("linkify")
_COMMONMARK = MarkdownIt("commonmark", {"html": True})


def say(line: str) -> None:
    """Print at once: a long run is watched."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def lab_share() -> Path | None:
    """Return the folder of the installed JupyterLab's application, if there is one."""
    folder = Path(sys.prefix) / "share" / "jupyter" / "lab"
    return folder if (folder / "static").is_dir() else None


def marked_version() -> str:
    """Return the version of `marked` that the installed JupyterLab was built with."""
    share = lab_share()
    if share is None:
        return "16.4.2"  # JupyterLab 4.6.6
    licences = json.loads((share / "static" / "third-party-licenses.json").read_text("utf-8"))
    return next(package["versionInfo"] for package in licences["packages"] if package["name"] == "marked")


def install_marked() -> Path | str:
    """Return the module of `marked`, beside which the other parsers are, or why there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        return "no node on the path"
    version = marked_version()
    folder = CACHE / f"{version}-and-others"
    module = folder / "node_modules" / "marked" / "lib" / "marked.esm.js"
    if not module.exists():
        if npm is None:
            return "no npm on the path"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}\n", "utf-8")
        others = ["showdown@2.1.0", "markdown-it@14.1.0"]
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", f"marked@{version}", *others]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if run.returncode or not module.exists():
            return f"npm could not install marked {version}: {run.stderr[-200:]}"
    return module


_HARMLESS_IN_SHOWDOWN = re.compile("unbalanced")  # it nests emphasis as it likes
# To a parser that knows no fences code is Markdown: an element that does nothing without attributes, or a link to a
# place beside the page, is nothing that we could keep it from seeing.
_HARMLESS_WITHOUT_FENCES = re.compile(
    r"unbalanced|element (?!(?:script|style|iframe|svg|math|form|input|object|embed|link|meta|base|textarea|img)\Z)"
    r"|attribute a href='(?!//)[^:&]*'\Z"
)


def through_node(texts: Iterable[str], module: Path) -> list[list[str]]:
    """Return the dangers that the parsers of Node find in each text: `marked` as JupyterLab calls it, and others."""
    command = [shutil.which("node") or "node", str(HERE / "other_parsers.mjs"), module.as_uri()]
    share = lab_share()
    if share is not None:
        command.append(str(next((share / "static").glob("jlab_core.*.js"))))
    lines = "".join(json.dumps(one) + "\n" for one in texts)
    run = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8", check=True)
    found = []
    for line in run.stdout.split("\n")[:-1]:  # not splitlines: U+2028 stands in some
        answer = json.loads(line)
        here = answer["dangers"] + dangers(answer["html"], ours=False) + dangers(answer.get("lab", ""), ours=False)
        for name, html in answer["others"].items():
            harmless = _HARMLESS_WITHOUT_FENCES if "without" in name else _HARMLESS_IN_SHOWDOWN
            here += [f"{name}, {danger}" for danger in dangers(html, ours=False) if not harmless.match(danger)]
        found.append(here)
    return found


class _Mistune(IPythonRenderer):
    """nbconvert's own, counting raw HTML."""

    def __init__(self) -> None:
        super().__init__(escape=False)
        self.raw: list[str] = []

    def block_html(self, html: str) -> str:
        self.raw.append(html)
        return super().block_html(html)

    def inline_html(self, html: str) -> str:
        self.raw.append(html)
        return super().inline_html(html)


def through_mistune(one: str) -> list[str]:
    """Return the dangers that nbconvert's Markdown finds in a text."""
    renderer = _Mistune()
    html = MarkdownWithMath(renderer=renderer).render(one)
    return [f"html: {raw}" for raw in renderer.raw if not is_ours(raw)] + dangers(html, ours=False)


def _readable(address: str) -> str:
    """Return an address as a browser reads the name of its host: letters of any script may be percent-encoded."""
    return re.sub(r"(?:%[89A-F][0-9A-F])+", lambda found: unquote(found[0]), address)


def through_markdown_it(one: str) -> list[str]:
    """Return the dangers that markdown-it finds in a text, with raw HTML on."""
    found = []
    for parser in (_MARKDOWN_IT, _COMMONMARK):
        for token in parser.parse(one):
            for inner in [token, *(token.children or [])]:
                if inner.type in {"image", "definition"} or (
                    inner.type in {"html_block", "html_inline"} and not is_ours(inner.content)
                ):
                    found.append(f"{inner.type}: {inner.content}")
                if inner.type == "link_open" and link_target(_readable(str(inner.attrs["href"]))) is None:
                    found.append(f"target: {inner.attrs['href']}")
        found += dangers(parser.render(one), ours=False)
    return found


def check(
    texts: list[str], module: Path | None, write: Callable[[str], str] = to_markdown
) -> dict[str, list[tuple[int, list[str]]]]:
    """Return, for each parser, which of the texts, as we write them, hold a danger for it."""
    written = [write(one) for one in texts]
    results: dict[str, list[list[str]]] = {
        "mistune": [through_mistune(one) for one in written],
        "markdown-it": [through_markdown_it(one) for one in written],
    }
    if module is not None:
        results["node"] = through_node(written, module)
    return {name: [(at, found) for at, found in enumerate(all_found) if found] for name, all_found in results.items()}


def main() -> int:
    """Run the long form."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20_000)
    options.add_argument("--first", type=int, default=0)
    options.add_argument(
        "--control", action="store_true", help="do not rewrite: shows that the check sees what it should"
    )
    chosen = options.parse_args()
    module = install_marked()
    if isinstance(module, str):
        say(f"without marked: {module}")
    total: Counter[str] = Counter()
    for first in range(chosen.first, chosen.first + chosen.count, 1000):
        seeds = range(first, min(first + 1000, chosen.first + chosen.count))
        write = (lambda one: one) if chosen.control else to_markdown
        results = check([text(seed) for seed in seeds], module if isinstance(module, Path) else None, write)
        for name, bad in results.items():
            total[name] += len(bad)
            for at, found in bad[: 0 if chosen.control else 3]:
                say(f"{name}, text {seeds[at]}: {found[:3]}")
        say(f"{seeds[-1] + 1 - chosen.first} texts, dangers: {dict(total)}")
    return 1 if total.total() else 0


if __name__ == "__main__":
    sys.exit(main())
