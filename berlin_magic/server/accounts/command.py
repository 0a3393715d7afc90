"""The accounts command: ``berlin-server accounts add NAME --accounts FILE``."""

from __future__ import annotations

# ruff: noqa: T201 - a command speaks by printing
import argparse
import secrets
import sys
from collections.abc import Sequence
from getpass import getpass

from berlin_magic.errors import BerlinError, clean
from berlin_magic.server.accounts.database import AccountFile

__all__ = ["main"]

_LONGEST = 200
_DIGITS = 15  # of a number of tokens
_UNLIMITED = "unlimited"


def main(argv: Sequence[str]) -> int:
    """Add, remove or list accounts, or set their balances; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        _run(arguments, AccountFile(arguments.accounts))
    except (BerlinError, OSError) as error:
        print(f"berlin-server accounts: {clean(str(error))}", file=sys.stderr)
    except KeyError:
        print(f"berlin-server accounts: there is no account {clean(arguments.name)!r}", file=sys.stderr)
    except (KeyboardInterrupt, EOFError):
        print("Nothing was changed.", file=sys.stderr)
    else:
        return 0
    return 1


def _run(arguments: argparse.Namespace, file: AccountFile) -> None:
    match arguments.what:
        case "list":
            _list(file)
        case "remove":
            file.remove(arguments.name)
            print(f"Removed {clean(arguments.name)}.")
        case "balance":
            text = str(arguments.tokens)
            tokens = None if text == _UNLIMITED else _number(text.removeprefix("+"))
            left = file.set_balance(arguments.name, tokens, more=text.startswith("+"))
            print(f"{clean(arguments.name)} has {_shown(left)}.")
        case _:
            _add(arguments, file)


def _add(arguments: argparse.Namespace, file: AccountFile) -> None:
    name = arguments.name
    balance = None if arguments.balance is None else _number(arguments.balance)
    if not name or len(name) > _LONGEST:
        raise BerlinError(f"a name has 1 to {_LONGEST} characters; nothing was changed")
    password = _password(arguments)
    if not password:
        raise BerlinError("a password can't be empty; nothing was changed")
    is_new = file.add(name, password, balance)
    chosen = f" Password: {password}" if arguments.generate else ""
    print(f"{'Added' if is_new else 'Changed the password of'} {clean(name)}.{chosen}")


def _list(file: AccountFile) -> None:
    names = [clean(account.name, _LONGEST) for account in file.accounts]
    width = max(map(len, names), default=0)
    for name, account in zip(names, file.accounts, strict=True):
        print(f"{name:{width}}  {_shown(account.balance)}")
    if not names:
        print("No accounts.")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise BerlinError(f"{clean(text, 40)!r} is not a number of tokens, such as 50000; nothing was changed")
    return int(text)


def _shown(balance: int | None) -> str:
    return "no limit" if balance is None else f"{balance} tokens left"


def _password(arguments: argparse.Namespace) -> str:
    if arguments.generate:
        return secrets.token_urlsafe(12)
    if arguments.password_stdin:
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
    add.add_argument("--balance", metavar="N", help="the tokens that it may use; any number if not given")
    how = add.add_mutually_exclusive_group()
    how.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    how.add_argument("--generate", action="store_true", help="make up a password, and print it")
    balance = what.add_parser("balance", parents=[file], help="set the tokens that an account may use from now on")
    balance.add_argument("name", metavar="NAME")
    balance.add_argument("tokens", metavar="N", help=f"tokens; +N adds to what is left, {_UNLIMITED} ends the counting")
    remove = what.add_parser("remove", parents=[file], help="remove an account; it is logged out at once")
    remove.add_argument("name", metavar="NAME")
    what.add_parser("list", parents=[file], help="list the accounts and their balances")
    return parser
