"""Stored logins: in the keyring where one works, else in the file; for their server alone, and gone when deleted."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from types import ModuleType

import pytest
from asking import ACCOUNT, HELLO, NEW_TOKEN, PASSWORD, TOKEN, assert_no_secret, outcome
from scripted import HEAD, envelope, stream

from berlin_magic import errors
from berlin_magic.credentials import logins, private_file
from berlin_magic.credentials.private_file import state_folder
from berlin_magic.credentials.secret import Secret
from berlin_magic.providers.berlin import login
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.berlin.settings import access_to

CHAT, LOGIN = "/api/chat/completions", "/api/login"
HERE = "http://127.0.0.1:8731"


class Keyring:
    """A backend that keeps its passwords here."""

    def __init__(self, priority: float = 5) -> None:
        self.priority = priority
        self.held: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    def installed(ring: object) -> None:
        module = ModuleType("keyring")
        module.get_keyring = lambda: ring  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "keyring", module)

    return installed


async def store(url: str = HERE, account: str = ACCOUNT, password: str = PASSWORD) -> bool:
    return await logins.store(url, account, Secret(password))


def the_file() -> str:
    return (state_folder() / "logins.json").read_text()


def access(url: str | None = None, **given):
    return access_to(url, **given)


async def test_a_keyring_has_the_password_and_the_file_has_not(install):
    ring = Keyring()
    install(ring)
    assert await store() is True
    assert ring.held == {(f"berlin_magic {HERE}", ACCOUNT): PASSWORD}
    assert_no_secret(the_file())
    assert await logins.password_from_keyring(HERE, ACCOUNT) == PASSWORD


class Raising(Keyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError("no bus")


class Forgetful(Keyring):
    def get_password(self, service: str, username: str) -> None:
        return None


class Hanging(Keyring):
    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def set_password(self, service: str, username: str, password: str) -> None:
        self.go_on.wait()


@pytest.mark.parametrize(
    "ring", [Keyring(priority=0.5), Raising(), Forgetful(), None], ids=lambda ring: type(ring).__name__
)
async def test_where_no_keyring_works_the_file_has_the_password(install, ring):
    install(ring)
    assert await store() is False
    login = logins.stored_login(HERE)
    assert (login.account, login.password, login.in_keyring) == (ACCOUNT, PASSWORD, False)


async def test_without_the_keyring_package_the_file_has_the_password(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert await store() is False


async def test_a_keyring_that_asks_nobody_is_not_waited_for_for_ever(install, monkeypatch):
    ring = Hanging()
    install(ring)
    monkeypatch.setattr(logins, "_TIMEOUT", 0.2)
    try:
        assert await asyncio.wait_for(store(), 10) is False
    finally:
        ring.go_on.set()
    assert logins.stored_login(HERE).password == PASSWORD


async def test_a_keyring_that_gives_nothing_is_an_error_that_says_what_to_do(install):
    install(Keyring())
    with pytest.raises(errors.NotConfiguredError, match="%berlin login"):
        await logins.password_from_keyring(HERE, ACCOUNT)


async def test_nothing_stored_is_no_login():
    assert logins.stored_login() is None
    assert logins.stored_login(HERE) is None
    assert not await logins.forget(HERE)
    assert not state_folder().exists()


async def test_the_latest_login_is_the_one_that_counts():
    other = "http://127.0.0.1:9"
    await store()
    await store(other, "bob")
    assert logins.stored_login().account == "bob"
    await store()
    assert logins.stored_login().account == ACCOUNT
    assert logins.stored_login(other).account == "bob"


async def test_forgetting_deletes_it_from_keyring_and_file(install):
    ring = Keyring()
    install(ring)
    await store()
    await store("http://127.0.0.1:9", "bob")
    assert await logins.forget(HERE)
    assert list(ring.held) == [("berlin_magic http://127.0.0.1:9", "bob")]
    assert logins.stored_login(HERE) is None
    assert logins.stored_login().account == "bob"


async def test_a_login_shows_nothing(install):
    await store()
    assert_no_secret(repr(logins.stored_login()), repr(access()))


# -- Where it stands among the settings


async def test_with_nothing_else_set_the_stored_login_says_where_and_who():
    assert not Berlin.configured()
    await store()
    found = access()
    assert (found.where, found.account, found.password) == (HERE, ACCOUNT, PASSWORD)
    assert Berlin.configured()


async def test_the_environment_goes_before_it(monkeypatch):
    await store()
    monkeypatch.setenv("BERLIN_URL", HERE)
    monkeypatch.setenv("BERLIN_ACCOUNT", "bob")
    monkeypatch.setenv("BERLIN_PASSWORD", "canary-of-bob")
    found = access()
    assert (found.account, found.password) == ("bob", "canary-of-bob")


async def test_a_keyword_goes_before_it():
    await store()
    found = access(HERE, account="bob", password="canary-of-bob")
    assert (found.account, found.password) == ("bob", "canary-of-bob")


async def test_an_account_without_a_password_gets_its_stored_one_and_no_others():
    await store()
    assert access(HERE, account=ACCOUNT).password == PASSWORD
    assert not access(HERE, account="bob").can_login


async def test_it_goes_to_no_other_server():
    await store()
    for url in ("http://127.0.0.1:9", "https://127.0.0.1:8731", "http://localhost:8731"):
        found = access(url)
        assert (found.account, found.password, found.can_login) == ("", "", False)


async def test_a_token_in_the_environment_is_used_and_the_login_renews_it(server, monkeypatch):
    await store(server.url)
    monkeypatch.setenv("BERLIN_URL", server.url)
    monkeypatch.setenv("BERLIN_TOKEN", TOKEN)
    expired = envelope(4001, [], "", status=401)
    server.on(CHAT, lambda request: [HEAD + stream("Hi") if request.headers["token"] == NEW_TOKEN else expired])
    server.on(LOGIN, [envelope(0, {"token": NEW_TOKEN})])
    assert (await outcome(Berlin.create_async_generator("", HELLO))).text == "Hi"


async def test_the_keyring_is_asked_only_for_a_login(install, server):
    ring = Keyring()
    install(ring)
    await store(server.url)
    asked: list[str] = []
    ring.get_password = lambda service, username: asked.append(service) or PASSWORD  # type: ignore[method-assign]
    server.on(CHAT, [HEAD + stream("Hi")])
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    for _ in range(2):
        assert (await outcome(Berlin.create_async_generator("", HELLO))).text == "Hi"
    assert server.to(LOGIN)[0].json["password"] == PASSWORD
    assert len(asked) == 1


async def test_a_password_of_the_keyring_that_the_server_repeats_is_not_told(install, server):
    install(Keyring())
    await store(server.url)
    server.on(LOGIN, [envelope(-1, [], f"wrong: {PASSWORD}", status=406)])
    result = await outcome(Berlin.create_async_generator("", HELLO))
    assert "<secret>" in str(result.failure)


# -- Logging in to stay


def logged_out(server, **settings):
    return login.server_of({"url": "", "account": "", **settings}, server.url)


async def test_what_the_server_accepts_is_stored_and_its_token_used(server):
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    server.on(CHAT, [HEAD + stream("Hi")])
    assert await login.log_in(logged_out(server), ACCOUNT, Secret(PASSWORD)) is False
    assert (await outcome(Berlin.create_async_generator("", HELLO))).text == "Hi"
    assert len(server.to(LOGIN)) == 1


async def test_what_the_server_refuses_is_not_stored(server):
    server.on(LOGIN, [envelope(-1, [], f"wrong: {PASSWORD}", status=406)])
    with pytest.raises(errors.LoginRefusedError) as caught:
        await login.log_in(logged_out(server), ACCOUNT, Secret(PASSWORD))
    assert_no_secret(str(caught.value))
    assert logins.stored_login() is None


async def test_a_refused_login_leaves_the_stored_one(server):
    await store(server.url)
    server.on(LOGIN, [envelope(-1, [], "wrong", status=406)])
    with pytest.raises(errors.LoginRefusedError):
        await login.log_in(logged_out(server), "bob", Secret("canary-of-bob"))
    assert logins.stored_login().account == ACCOUNT


async def test_a_login_that_can_not_be_stored_says_so(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BERLIN_STATE_DIR", str(tmp_path / "file" / "state"))
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    with pytest.warns(UserWarning, match="can't be used"), pytest.raises(errors.BerlinError, match="BERLIN_STATE_DIR"):
        await login.log_in(logged_out(server), ACCOUNT, Secret(PASSWORD))


async def test_logging_out_forgets_the_servers_tokens_and_no_others(server):
    await store(server.url)
    here, there = access(server.url), access("http://127.0.0.1:9", account=ACCOUNT)
    Berlin._keep(there, Secret(NEW_TOKEN))
    Berlin._keep(here, Secret(TOKEN))
    assert await login.log_out(here)
    assert Berlin._known(here) is None
    assert Berlin._known(there) == NEW_TOKEN
    assert logins.stored_login() is None


async def test_a_login_that_is_under_way_when_one_logs_out_leaves_no_token(server):
    await store(server.url)
    go_on = asyncio.Event()
    server.on(LOGIN, [go_on, envelope(0, {"token": TOKEN})])
    server.on(CHAT, [HEAD + stream("Hi")])
    asking = asyncio.create_task(outcome(Berlin.create_async_generator("", HELLO, url=server.url)))
    await server.request(LOGIN)
    assert await asyncio.wait_for(login.log_out(access(server.url)), 5), "it does not wait for a server that hangs"
    go_on.set()
    assert (await asking).text == "Hi"
    assert Berlin._known(access(server.url, account=ACCOUNT)) is None
    assert not Berlin._token
    assert_no_secret(*(path.read_text() for path in state_folder().iterdir()))


async def test_a_login_with_the_environments_password_is_kept_though_none_is_stored(server, monkeypatch):
    monkeypatch.setenv("BERLIN_URL", server.url)
    monkeypatch.setenv("BERLIN_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("BERLIN_PASSWORD", PASSWORD)
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    server.on(CHAT, [HEAD + stream("Hi")])
    for _ in range(2):
        assert (await outcome(Berlin.create_async_generator("", HELLO))).text == "Hi"
    assert len(server.to(LOGIN)) == 1


async def test_servers_under_one_host_have_a_login_each():
    await store(f"{HERE}/a", "ada", "canary-of-a")
    await store(f"{HERE}/b", "ada", "canary-of-b")
    assert access(f"{HERE}/a").password == "canary-of-a"
    assert access(f"{HERE}/b/").password == "canary-of-b"
    assert not access(HERE).can_login
    assert await logins.forget(f"{HERE}/a")
    assert access(f"{HERE}/b").can_login


async def test_the_environments_password_goes_to_no_other_path_of_its_host(monkeypatch):
    monkeypatch.setenv("BERLIN_URL", f"{HERE}/a/")
    monkeypatch.setenv("BERLIN_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("BERLIN_PASSWORD", PASSWORD)
    monkeypatch.setenv("BERLIN_TOKEN", TOKEN)
    assert access(f"{HERE}/a").can_login
    assert not access(f"{HERE}/b").can_login
    assert not access(f"{HERE}/b").environment_token


def test_localhost_shares_the_token_of_its_address_and_no_other_name_does():
    key = access("http://127.0.0.1:8731", account="ada").key
    assert access("http://localhost:8731/", account="ada").key == key
    others = ["http://localhost:8732", "https://localhost:8731", "http://[::1]:8731", "http://localhost.example:8731"]
    assert all(access(url, account="ada").key != key for url in [*others, "http://localhost:8731/b"])


@pytest.mark.filterwarnings("ignore:berlin_magic")
@pytest.mark.parametrize("noticed", [True, False])
async def test_logging_out_deletes_what_a_damaged_file_holds(noticed):
    await store()
    file = state_folder() / "logins.json"
    file.write_text(file.read_text()[:-3])
    if noticed:
        await store("http://127.0.0.1:9", "bob", "canary-of-bob")
        assert PASSWORD in json.loads(file.with_name("logins.json.damaged").read_text() + "}}")[HERE]["password"]
    await login.log_out(access(HERE))
    left = "".join(path.read_text() for path in state_folder().iterdir())
    assert "canary-password" not in left


async def test_a_damaged_file_holds_up_nobody_who_only_asks(monkeypatch):
    await store()
    (state_folder() / "logins.json").write_text("{")

    def wait(*_):
        raise AssertionError("the loop would wait here")

    monkeypatch.setattr(private_file, "file_lock", wait)
    with pytest.warns(UserWarning, match="damaged"):
        assert logins.stored_login(HERE) is None


def test_where_no_server_is_named_there_is_none_to_log_in_to():
    assert login.server_of({}, "") is None


async def test_the_server_to_log_in_to_is_the_one_given_then_the_one_that_is_set(server, monkeypatch):
    await store("http://127.0.0.1:1")
    assert login.server_of({}, "").where == "http://127.0.0.1:1"
    monkeypatch.setenv("BERLIN_URL", "http://127.0.0.1:2")
    assert login.server_of({}, "").where == "http://127.0.0.1:2"
    assert login.server_of({"url": "http://127.0.0.1:3"}, "").where == "http://127.0.0.1:3"
    assert login.server_of({"url": "http://127.0.0.1:3"}, server.url).where == server.url


async def test_a_stored_account_is_asked_for_again_and_one_that_is_set_is_not(server, monkeypatch):
    await store(server.url)
    assert logged_out(server).account == ""
    assert logged_out(server, account="bob").account == "bob"
    monkeypatch.setenv("BERLIN_ACCOUNT", "eve")
    assert logged_out(server).account == "eve"
