"""What `%berlin login` takes, asks and says; that it works in kernels stands in `kernel/test_logging_in.py`."""

from __future__ import annotations

import getpass
import signal
import warnings
from types import SimpleNamespace

import pytest
from asking import ACCOUNT, PASSWORD, TOKEN, assert_fit_to_be_shown, assert_no_secret
from IPython.core.error import StdinNotImplementedError, UsageError
from scripted import envelope

from berlin_magic import errors
from berlin_magic.credentials import logins
from berlin_magic.kernel import login_command

LOGIN = "/api/login"


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch):
    """Answer what is asked for; return the questions."""
    asked: list[str] = []

    def answer(*answers: str | BaseException) -> list[str]:
        left = iter(answers)

        def ask(prompt: str) -> str:
            asked.append(prompt)
            given = next(left)
            if isinstance(given, BaseException):
                raise given
            return given

        monkeypatch.setattr(getpass, "getpass", ask)
        return asked

    return answer


def magics(**connection: str) -> SimpleNamespace:
    return SimpleNamespace(conversation=SimpleNamespace(connection=connection))


async def test_it_asks_for_account_and_password_and_tells_neither(server, typing):
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    asked = typing(ACCOUNT, PASSWORD)
    told = await login_command.log_in(magics(), server.url)
    assert asked == [f"Account at {server.url}: ", f"Password at {server.url}: "]
    assert_no_secret(told)
    assert ACCOUNT not in told
    assert "file that only you can read" in told


async def test_an_account_that_is_set_is_not_asked_for(server, typing):
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    asked = typing(PASSWORD)
    await login_command.log_in(magics(url=server.url, account=ACCOUNT), "")
    assert len(asked) == 1
    assert server.to(LOGIN)[0].json["account"] == ACCOUNT


@pytest.mark.parametrize(
    "argument", [PASSWORD, f"{ACCOUNT} {PASSWORD}", f"https://x.example {PASSWORD}", f"'{PASSWORD}"]
)
@pytest.mark.parametrize("command", [login_command.log_in, login_command.log_out])
async def test_whatever_else_stands_in_the_cell_is_refused_and_not_repeated(typing, argument, command):
    with pytest.raises(UsageError) as caught:
        await command(magics(), argument)
    assert_no_secret(str(caught.value))


async def test_where_no_server_is_named_it_asks_which(typing):
    asked = typing()
    with pytest.raises(UsageError, match="which server"):
        await login_command.log_in(magics(), "")
    assert not asked


async def test_it_says_where_another_server_goes_before_it(server, typing, monkeypatch):
    monkeypatch.setenv("BERLIN_URL", "http://127.0.0.1:9")
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    typing(ACCOUNT, PASSWORD)
    assert "questions go there" in await login_command.log_in(magics(), server.url)


@pytest.mark.parametrize("why", [StdinNotImplementedError("no"), EOFError(), getpass.GetPassWarning("echo")])
async def test_where_nothing_can_be_typed_unseen_it_says_what_to_do(server, typing, why):
    typing(why)
    with pytest.raises(errors.NotConfiguredError, match="BERLIN_PASSWORD") as caught:
        await login_command.log_in(magics(), server.url)
    assert_fit_to_be_shown(caught.value)
    assert server.connections == 0


async def test_a_terminal_that_would_show_it_is_not_typed_into(server, monkeypatch):
    def echoing(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return PASSWORD

    monkeypatch.setattr(getpass, "getpass", echoing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(errors.NotConfiguredError):
            await login_command.log_in(magics(), server.url)


@pytest.mark.parametrize("answers", [("",), (ACCOUNT, "")])
async def test_nothing_typed_is_nothing_sent_and_nothing_stored(server, typing, answers):
    typing(*answers)
    with pytest.raises(errors.BerlinError, match="Nothing was typed"):
        await login_command.log_in(magics(), server.url)
    assert server.connections == 0
    assert logins.stored_login() is None


async def test_an_interrupt_gets_through_and_its_handler_is_put_back(server, typing):
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        typing(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            await login_command.log_in(magics(), server.url)
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


async def test_logging_out_says_what_is_left_in_the_environment(server, typing, monkeypatch):
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    typing(ACCOUNT, PASSWORD)
    await login_command.log_in(magics(), server.url)
    monkeypatch.setenv("BERLIN_PASSWORD", PASSWORD)
    told = await login_command.log_out(magics(), server.url)
    assert "Logged out" in told
    assert "BERLIN_PASSWORD" in told
    assert "No login is stored" in await login_command.log_out(magics(), server.url)
