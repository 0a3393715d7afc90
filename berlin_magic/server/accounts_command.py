"""The accounts command: ``berlin-server accounts add NAME --accounts FILE``."""

# ruff: noqa: T201 - a command speaks by printing
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from getpass import getpass

from berlin_magic.errors import BerlinError, clean
from berlin_magic.server.account_file import AccountFile

__all__ = ["main"]

_LONGEST = 200


def main(argv: Sequence[str]) -> int:
    """Add, remove or list accounts; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except (BerlinError, OSError) as error:
        print(f"berlin-server accounts: {clean(str(error))}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("Nothing was changed.", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    file = AccountFile(arguments.accounts)
    if arguments.what == "list":
        print("\n".join(clean(name, _LONGEST) for name in file.names) or "No accounts.")
        return 0
    name = arguments.name
    if arguments.what == "remove":
        try:
            file.remove(name)
        except KeyError:
            print(f"berlin-server accounts: there is no account {clean(name)!r}", file=sys.stderr)
            return 1
        print(f"Removed {clean(name)}.")
        return 0
    password = _password(from_stdin=arguments.password_stdin)
    if not name or len(name) > _LONGEST or not password:
        print("berlin-server accounts: a name and a password can't be empty; nothing was changed", file=sys.stderr)
        return 1
    changed = name in file.names
    file.add(name, password)
    print(f"{'Changed the password of' if changed else 'Added'} {clean(name)}.")
    return 0


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("Password: ")
    if getpass("Once more: ") != password:
        raise BerlinError("the two passwords are not the same; nothing was changed")
    return password


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="berlin-server accounts", description="The accounts that may log in.")
    what = parser.add_subparsers(dest="what", required=True)
    file = argparse.ArgumentParser(add_help=False)
    file.add_argument("--accounts", metavar="FILE", required=True, help="the file that berlin-server --accounts reads")
    add = what.add_parser("add", parents=[file], help="add an account, or change its password (asked without echo)")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    remove = what.add_parser("remove", parents=[file], help="take an account out; it is logged out at once")
    remove.add_argument("name", metavar="NAME")
    what.add_parser("list", parents=[file], help="list the accounts")
    return parser
