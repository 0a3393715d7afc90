"""The command ``berlin-server``: the server on this machine, in front of an engine."""

# ruff: noqa: T201 - a command speaks by printing
from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import io
import math
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from aiohttp import web
from yarl import URL

from berlin_magic.errors import BerlinError, clean
from berlin_magic.server.accounts import command
from berlin_magic.server.accounts.database import AccountFile
from berlin_magic.server.accounts.model import Accounts, OpenAccounts
from berlin_magic.server.application import application
from berlin_magic.server.connections import log_refused_connections
from berlin_magic.server.context import ROWS
from berlin_magic.server.descriptors import raise_limit
from berlin_magic.server.engine import Engine, EngineError
from berlin_magic.server.question import default_model
from berlin_magic.server.serving import cut_connections, listen
from berlin_magic.server.state import State
from berlin_magic.server.upstream import Upstream
from berlin_magic.transport.request import is_loopback

__all__ = ["PORT", "main"]

PORT = 8731
"""The port that the server takes if none is given."""

_HIGHEST_PORT = 65_535
_DAY = 86_400.0
_ALLOCATIONS = 10_000  # after which the garbage collector runs; Python's own number is 700
_VARIABLE = re.compile(r"[A-Z][A-Z_]{2,40}[0-9]?")  # no key looks like this


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until it is interrupted; return the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # go on if a terminal can't show a name
    if given[:1] == ["accounts"]:
        return command.main(given[1:])
    if given[:1] == ["local"]:
        return _local(given[1:])
    parser = _parser()
    arguments, unknown = parser.parse_known_args(given)
    if unknown:  # not argparse's own words: what follows a mistyped option may be a key
        options = [clean(word.partition("=")[0], 40) for word in unknown if word.startswith("-")]
        parser.error(f"there is no option {options[0]}" if options else "every argument belongs to an option")
    try:
        accounts = _accounts(arguments)
        engine = _engine(arguments)
        state = State(_state_file(arguments))
    except (BerlinError, ValueError) as error:
        parser.error(clean(str(error), 500))
    raise_limit()
    try:
        asyncio.run(_serve(arguments, engine, accounts, state))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        print(f"berlin-server: {_listen_error(arguments, error)}", file=sys.stderr)
        return 1
    _print("Stopped.")
    try:
        sys.stdout.flush()
    except OSError:  # else Python tries once more at its end, and complains
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _print(line: str) -> None:
    with suppress(OSError):  # go on if a disk is full, or nobody reads the output
        print(line, flush=True)


async def _serve(arguments: argparse.Namespace, engine: Engine, accounts: Accounts, state: State) -> None:
    log_refused_connections(asyncio.get_running_loop())
    app = application(engine, accounts, state=state, rows=arguments.rows, log=_print if arguments.log else None)
    runner, url = await listen(app, (arguments.host, arguments.port), grace=arguments.grace)
    _spare_collector()
    stop, at_once = asyncio.Event(), asyncio.Event()

    def on_stop_signal() -> None:
        (at_once if stop.is_set() else stop).set()

    _on_signals(on_stop_signal)
    try:
        _announce(arguments, url, engine, accounts)
        printing = asyncio.create_task(_print_models(engine))  # an engine that is out of reach takes a while
        await stop.wait()
        printing.cancel()
    finally:
        _print(f"\nStopping; replies have {arguments.grace:g} s to end (Ctrl-C again: at once).")
        cutting = asyncio.create_task(_cut(runner, at_once))
        await runner.cleanup()
        cutting.cancel()


def _spare_collector() -> None:
    """Let the garbage collector pass over what was loaded at the start, and run less often.

    A thousand replies are a hundred thousand objects that live for a while: the collector went through all of them, and
    through the modules, again and again.
    """
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)


def _on_signals(callback: Callable[[], None]) -> None:
    # With asyncio's own handler a second Ctrl-C would end the loop before the balances are stored. Windows has no
    # other: there the first Ctrl-C cancels the task, and SIGTERM does not exist.
    with suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, callback)


async def _cut(runner: web.AppRunner, when: asyncio.Event) -> None:
    await when.wait()
    cut_connections(runner)


def _announce(arguments: argparse.Namespace, url: str, engine: Engine, accounts: Accounts) -> None:
    engine_text = f"in front of {engine!r}" if arguments.upstream else "with the embedded guide (no language model)"
    if caution := getattr(engine, "caution", None):
        engine_text = f"with {engine!r} ({caution})"
    _print(f"berlin-server listens on {url} {engine_text}.")
    _print("Ctrl-C ends it. In a notebook, or before it starts:")
    _print(f"  BERLIN_URL={url}")
    if accounts.are_open:
        _print("  BERLIN_ACCOUNT=me  BERLIN_PASSWORD=me  (any account: everybody on this machine may ask)")
    else:
        _print("  BERLIN_ACCOUNT=...  BERLIN_PASSWORD=...  (one of the accounts in the file)")
    _print(
        f"Conversations and logins are kept in {clean(str(_state_file(arguments) or 'memory, until it ends'), 200)}."
    )


async def _print_models(engine: Engine) -> None:
    try:
        models = await engine.models()
    except EngineError as error:
        _print(f"The engine does not answer yet: {clean(error.message)}")
        return
    if models:
        _print(f"The default model is {clean(default_model(models), 100)}; {len(models)} can be asked.")


def _accounts(arguments: argparse.Namespace) -> Accounts:
    if arguments.accounts and arguments.open:
        raise ValueError("--accounts and --open can't be used together")
    if arguments.accounts:
        file = AccountFile(arguments.accounts)
        if not file.accounts:
            add = f"berlin-server accounts add NAME --accounts {arguments.accounts}"
            raise ValueError(f"{arguments.accounts} has no account yet: {add}")
        return file
    if not _is_loopback_host(arguments.host):
        raise ValueError(f"--host {arguments.host} is open to other machines: it needs --accounts FILE")
    if arguments.upstream is not None and not arguments.open:
        raise ValueError(
            "--upstream needs --accounts FILE; or --open, which lets everybody who can log in to this machine ask"
        )
    return OpenAccounts()


def _local(argv: Sequence[str]) -> int:
    """Run ``berlin-server local get``; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="berlin-server local", description="Fetch a very small language model that runs on this machine."
    )
    parser.add_argument("command", choices=["get"])
    parser.parse_args(argv)
    from berlin_magic.providers.local import download, engine_options  # noqa: PLC0415 - of this command alone

    print(download.announcement(), flush=True)
    try:
        download.get(lambda line: print(line, flush=True), threading.Event())
        engine_options.check_installed()
    except BerlinError as error:
        print(f"berlin-server: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing is left of the download.")
        return 1
    print("`berlin-server --local` serves it; `%%berlin -m local:` asks it in a notebook.")
    return 0


def _state_file(arguments: argparse.Namespace) -> Path | None:
    if arguments.state:
        return Path(arguments.state)
    return Path(arguments.accounts).with_suffix(".db") if arguments.accounts else None


def _is_loopback_host(host: str) -> bool:
    try:
        return is_loopback(URL.build(scheme="http", host=host))
    except ValueError:
        return False


def _engine(arguments: argparse.Namespace) -> Engine:
    if arguments.local is not None:
        if arguments.upstream is not None or arguments.model or arguments.upstream_key_env is not None:
            raise ValueError("--local can't be used with --upstream, --upstream-key-env or --model")
        from berlin_magic.server.local_model import LocalModel  # noqa: PLC0415 - not needed with an upstream

        return LocalModel(arguments.local)
    if arguments.upstream is None:
        if arguments.model or arguments.upstream_key_env is not None:
            raise ValueError("--model and --upstream-key-env go with --upstream")
        from berlin_magic.server.embedded import EmbeddedEngine  # noqa: PLC0415 - not needed with an upstream

        return EmbeddedEngine()
    key = ""
    if arguments.upstream_key_env is not None:
        name = arguments.upstream_key_env
        # os.environ itself objects to some names on some systems.
        key = os.environ.get(name, "") if name and not set(name) & set("=\0") else ""
        if not key and _VARIABLE.fullmatch(name):
            raise ValueError(f"the environment variable {name} is not set")
        if not key:  # it is not repeated: it may be the key
            raise ValueError("--upstream-key-env needs the name of an environment variable that is set")
    return Upstream(arguments.upstream, key=key, models=arguments.model)


def _listen_error(arguments: argparse.Namespace, error: OSError) -> str:
    address = f"{clean(arguments.host, 100)} port {arguments.port}"
    # No number: asyncio from Python 3.13 on, which tries every address that a name has.
    if isinstance(error, socket.gaierror) or error.errno in {errno.EADDRNOTAVAIL, None}:
        return f"can't listen on {address}: --host must be an address or a name of this machine"
    # The other codes differ between systems, and asyncio wraps them; what to do does not.
    return f"can't listen on {address} ({clean(os.strerror(error.errno) if error.errno else str(error))}); try --port 0"


def _number(kind: Callable[[str], float], least: float, most: float, what: str) -> Callable[[str], float]:
    """Return the type of an argument that is a number in a certain range."""

    def read(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{clean(text, 40)!r} is not {what} from {least:g} to {most:g}")
        return number

    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="berlin-server",
        description="Speaks the Berlin protocol on this machine, in front of any OpenAI-compatible server; with no "
        "--upstream, an embedded guide answers from this package's documentation.",
        epilog="Accounts: berlin-server accounts add|balance|remove|list --accounts FILE. "
        "A small model to serve: berlin-server local get.",
    )
    add = parser.add_argument
    port, count = _number(int, 0, _HIGHEST_PORT, "a port"), _number(int, 0, 10**9, "a whole number")
    seconds = _number(float, 0.001, _DAY, "a number of seconds")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s; another needs --accounts)")
    add("--port", type=port, default=PORT, help="port to listen on; 0 takes a free one (default: %(default)s)")
    add("--upstream", metavar="URL", help="an OpenAI-compatible server, with or without /v1")
    add("--upstream-key-env", metavar="NAME", help="the environment variable that holds the upstream's key")
    add(
        "--local",
        metavar="MODEL",
        nargs="?",
        const="",
        help="a model that runs on this machine, as a process of its "
        "own: its name or the path of a .gguf file (default: the one that `berlin-server local get` fetches)",
    )
    add("--model", metavar="NAME", action="append", default=[], help="a model to serve, can be repeated "
        "(default: all that the upstream lists); the default model is gpt-3.5-turbo if it is served, "
        "else the first")  # fmt: skip
    add("--accounts", metavar="FILE", help="who may log in; see `berlin-server accounts --help`")
    add("--open", action="store_true", help="let everybody on this machine use the upstream")
    add("--state", metavar="FILE", help="where conversations and logins are kept (default: beside the accounts file, "
        "with the ending .db; in memory without one)")  # fmt: skip
    add("--grace", metavar="SECONDS", type=seconds, default=60.0, help="how long running replies have to end when "
        "the server is stopped (default: %(default)g)")  # fmt: skip
    add("--rows", type=count, default=ROWS, help="newest stored messages sent with a prompt (default: %(default)s)")
    add("--log", action="store_true", help="print a line for each request: who, what, how it ended; no content")
    return parser


if __name__ == "__main__":
    sys.exit(main())
