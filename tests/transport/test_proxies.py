"""Proxies: which one is used, what a refusing one is told as, and that its password is told to nobody else."""

from __future__ import annotations

import asyncio
import ssl
import sys
from base64 import b64decode, b64encode
from contextlib import asynccontextmanager

import pytest
import trustme
from asking import ACCOUNT, HELLO, TOKEN, assert_fit_to_be_shown, outcome
from completions import streamed
from scripted import HEAD, ScriptedServer, Then, envelope, reply, scripted_server, stream
from yarl import URL

from berlin_magic.errors import NotConfiguredError, ServerUnreachableError
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.berlin.settings import Access
from berlin_magic.providers.openai.provider import OpenAICompatible
from berlin_magic.transport import request as transport
from berlin_magic.transport.proxies import parsed_proxy, proxy_for, proxy_secrets

CHAT = "/api/chat/completions"
AWAY = "http://school.example"
PROXY_PASSWORD = "canary-proxy-pw"
BASIC = b64encode(f"ada:{PROXY_PASSWORD}".encode()).decode()
pytestmark = pytest.mark.usefixtures("brisk")


def with_password(proxy: str) -> str:
    return proxy.replace("://", f"://ada:{PROXY_PASSWORD}@")


async def ask(url=AWAY, proxy=None, provider=Berlin, **given):
    settings = {"token": TOKEN} if provider is Berlin else {"key": TOKEN}
    settings = {"url": url, "proxy": proxy, "silence": 5.0, **settings, **given}
    return await outcome(provider.create_async_generator("m", HELLO, **settings))


# -- Which one


def test_the_one_that_is_given_goes_before_the_environments(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://theirs.example:1")
    assert proxy_for(URL(AWAY), "http://ours.example:2", loopback=False) == "http://ours.example:2"
    assert proxy_for(URL(AWAY), None, loopback=False) == "http://theirs.example:1"


@pytest.mark.parametrize(
    ("variable", "url", "used"),
    [
        ("http_proxy", "http://school.example", True),
        ("http_proxy", "https://school.example", False),
        ("https_proxy", "https://school.example", True),
        ("all_proxy", "https://school.example", True),
        ("all_proxy", "http://school.example", True),
    ],
)
def test_the_environments_is_that_of_the_scheme(monkeypatch, variable, url, used):
    monkeypatch.setenv(variable, "http://proxy.example:3128")
    assert (proxy_for(URL(url), None, loopback=False) is not None) is used
    assert proxy_for(URL(url), None, loopback=True) is None
    monkeypatch.setenv("no_proxy", "localhost,.example")
    assert proxy_for(URL(url), None, loopback=False) is None


@pytest.mark.parametrize(
    ("excepted", "url", "used"),
    [
        ("*", "http://school.example", False),
        ("*.example", "http://school.example", False),
        ("*.example", "http://school.example.org", True),
        ("example", "http://school.example", False),
        (".school.example", "http://school.example", False),
        ("hool.example", "http://school.example", True),
        ("a.example, SCHOOL.example", "http://school.example", False),
        ("school.example:80", "http://school.example", False),
        ("school.example:81", "http://school.example", True),
        ("10.0.0.0/8", "http://10.2.3.4", False),
        ("10.0.0.0/8", "http://11.2.3.4", True),
        ("10.0.0.0/8", "http://school.example", True),
        ("10.2.3.4", "http://10.2.3.4:8080", False),
        ("[2001:db8::1]", "http://[2001:db8::1]", False),
        ("2001:db8::1", "http://[2001:db8::1]:8080", False),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080", False),
        ("[2001:db8::1]:8081", "http://[2001:db8::1]:8080", True),
        ("2001:db8::/32", "http://[2001:db8::1]", False),
        ("2001:db8::/32", "http://10.2.3.4", True),
        (",", "http://school.example", True),
    ],
)
def test_what_no_proxy_names_in_whatever_form_goes_there_directly(monkeypatch, excepted, url, used):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", excepted)
    assert (proxy_for(URL(url), None, loopback=False) is not None) is used


def test_a_proxy_without_a_scheme_is_an_http_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "ada:canary-pw@proxy.example:3128 ")
    found = proxy_for(URL(AWAY), None, loopback=False)
    assert found == "http://ada:canary-pw@proxy.example:3128"
    assert "canary-pw" in proxy_secrets(URL(AWAY), None)
    assert parsed_proxy(found).where == "http://proxy.example:3128"


@pytest.mark.parametrize(
    "proxy", ["hhtp://ada:canary-pw@proxy", "socks9://ada:canary-pw@x", "http://", "http://[::1", "http://x:99999"]
)
async def test_an_address_that_is_no_proxys_is_told_without_it(order, proxy):
    result = await ask(proxy=proxy)
    assert type(result.failure) is NotConfiguredError
    assert "proxy" in str(result.failure)


def test_a_proxy_in_parts_shows_no_password():
    proxy = parsed_proxy("http://ada:canary-pw@proxy.example")
    assert (proxy.where, proxy.user, proxy.password) == ("http://proxy.example", "ada", "canary-pw")
    assert "canary" not in f"{proxy!r} {proxy.authorization!r}"


def test_a_proxys_address_is_a_secret(monkeypatch):
    monkeypatch.setenv("http_proxy", with_password("http://proxy.example:3128"))
    assert repr(proxy_for(URL(AWAY), None, loopback=False)) == "<secret>"
    assert set(proxy_secrets(URL(AWAY), None)) == {PROXY_PASSWORD, BASIC}
    assert {PROXY_PASSWORD, BASIC} <= set(Access(URL(AWAY)).secrets)


@pytest.mark.parametrize("proxy", [None, "", "http://proxy.example:3128", "http://[::1", "http://x:99999"])
def test_a_proxy_without_a_password_has_no_secrets(proxy):
    assert proxy_secrets(URL(AWAY), proxy) == []


# -- An HTTP proxy


@pytest.mark.parametrize("provider", [Berlin, OpenAICompatible])
async def test_name_and_password_go_to_the_proxy_alone(server, provider):
    path = f"{AWAY}{CHAT}" if provider is Berlin else f"{AWAY}/v1/chat/completions"
    server.on(path, [HEAD + (stream("Hello") if provider is Berlin else streamed("Hello"))])
    assert (await ask(proxy=with_password(server.url), provider=provider)).text == "Hello"
    (request,) = server.requests
    assert request.headers["proxy-authorization"] == f"Basic {BASIC}"
    assert PROXY_PASSWORD not in str(request)


async def test_a_password_may_hold_any_character(server):
    server.on(f"{AWAY}{CHAT}", [HEAD + stream("Hello")])
    assert (await ask(proxy=server.url.replace("://", "://ada:p%3A€ é@"))).text == "Hello"
    sent = server.requests[0].headers["proxy-authorization"]
    assert b64decode(sent.removeprefix("Basic ")).decode() == "ada:p:€ é"


async def test_a_socks_password_that_can_not_be_sent_is_told(order):
    error = (await ask(proxy="socks5://ada:canary€@127.0.0.1:1")).failure
    assert type(error) is NotConfiguredError
    assert "ASCII" in str(error)


@pytest.mark.parametrize("provider", [Berlin, OpenAICompatible])
@pytest.mark.parametrize("status", [403, 407, 500])
async def test_what_a_proxy_says_of_its_password_is_not_told(server, provider, status):
    said = f"ada:{PROXY_PASSWORD} {BASIC}".encode()
    server.on(f"{AWAY}{CHAT}", [reply(status, said)])
    server.on(f"{AWAY}/v1/chat/completions", [reply(status, said)])
    result = await ask(proxy=with_password(server.url), provider=provider)
    assert BASIC not in str(result.failure)
    assert status == 407 or "<secret>" in str(result.failure)


@pytest.mark.parametrize("given", [{"silence": 0}, {"temperature": {1}}, {"url": "ftp://x"}])
@pytest.mark.parametrize("provider", [Berlin, OpenAICompatible])
def test_an_error_at_the_call_shows_no_password_in_a_verbose_traceback(provider, given):
    way = {"url": AWAY, "proxy": with_password("http://proxy.example"), **given}
    way |= {"token": "canary-token", "password": "canary-pw"} if provider is Berlin else {"key": "canary-key"}
    with pytest.raises((ValueError, NotConfiguredError)) as caught:
        provider.create_async_generator("m", HELLO, **way)
    shown = [repr(entry.frame.f_locals) for entry in caught.traceback if "/berlin_magic/" in str(entry.path)]
    assert shown
    assert "canary" not in "".join(shown)


@asynccontextmanager
async def company():
    """A server with https, and the CA that vouches for it."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("school.example").configure_cert(context)
    scripted = ScriptedServer()
    scripted.on(CHAT, [HEAD + stream("Hello")])
    listening = await asyncio.start_server(scripted.accept, "127.0.0.1", 0, ssl=context)
    try:
        yield scripted, listening.sockets[0].getsockname()[1], ca
    finally:
        listening.close()
        await scripted.close()


@asynccontextmanager
async def tunnel(port, *, answer=b"HTTP/1.1 200 Connected\r\n\r\n", hello=None):
    """A proxy for https, or with `hello` for anything by SOCKS, that leads to `port` on this machine."""
    asked: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader, writer):
        while data := await reader.read(2**16):
            writer.write(data)
        writer.close()

    async def serve(reader, writer):
        writers = [writer]
        try:
            if hello:
                asked.append(await hello(reader, writer))
            else:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
            if asked[-1] and (hello or b" 200 " in answer):
                there = await asyncio.open_connection("127.0.0.1", port)
                writers.append(there[1])
                await asyncio.gather(pump(reader, there[1]), pump(there[0], writer), return_exceptions=True)
        finally:
            for one in writers:
                one.close()

    def accept(reader, writer):
        tasks.add(asyncio.create_task(serve(reader, writer)))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", asked
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # until what was closed is


async def test_https_goes_through_a_proxy_with_a_password_unseen_by_it(order, tmp_path, monkeypatch):
    async with company() as (server, port, ca), tunnel(port) as (proxy, asked):
        ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        result = await ask("https://school.example", with_password(proxy))
    assert result.text == "Hello"
    assert asked[0].startswith(b"CONNECT school.example:443")
    assert BASIC.encode() in asked[0]
    assert TOKEN.encode() not in asked[0]
    assert "proxy-authorization" not in server.requests[0].headers


@pytest.mark.parametrize(("status", "tries"), [(403, 1), (407, 1), (500, 1), (503, 3)])
async def test_a_proxy_that_refuses_a_tunnel_is_told(order, status, tries):
    answer = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    async with tunnel(0, answer=answer) as (proxy, asked):
        result = await ask("https://school.example", with_password(proxy), retries=5)
    assert type(result.failure) is ServerUnreachableError
    assert f"HTTP {status}" in str(result.failure)
    assert "proxy" in str(result.failure)
    assert len(asked) == tries


# -- Whose fault it was


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
@pytest.mark.parametrize("url", [AWAY, "https://school.example"])
async def test_a_proxy_whose_name_is_unknown_is_told(order, no_names, scheme, url):
    error = (await ask(url, f"{scheme}://ada:{PROXY_PASSWORD}@proxy.invalid:3128")).failure
    assert type(error) is ServerUnreachableError
    assert f"No connection to the proxy {scheme}://proxy.invalid:3128, which leads to {url}: its name is" in str(error)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_whose_name_is_never_found_is_told(order, hanging_names, monkeypatch, scheme):
    monkeypatch.setattr(transport, "CONNECT_LIMIT", 0.1)
    error = (await ask(proxy=with_password(f"{scheme}://proxy.invalid:3128"))).failure
    assert type(error) is ServerUnreachableError
    assert "proxy.invalid" in str(error)
    assert "within 0.1 s" in str(error)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_hangs_before_it_leads_anywhere_is_told(order, monkeypatch, scheme):
    monkeypatch.setattr(transport, "CONNECT_LIMIT", 0.1)
    async with scripted_server() as silent:
        silent.on("school.example:443", [Then.HOLD])
        silent.url = silent.url.replace("http", scheme)
        error = (await ask("https://school.example", with_password(silent.url))).failure
        assert type(error) is ServerUnreachableError
        assert silent.url in str(error)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_a_proxy_that_refuses_is_told_with_its_address(order, unused_tcp_port, scheme):
    error = (await ask(proxy=with_password(f"{scheme}://127.0.0.1:{unused_tcp_port}"))).failure
    assert f"{scheme}://127.0.0.1:{unused_tcp_port}" in str(error)


async def test_a_proxy_whose_certificate_is_not_trusted_is_told(order):
    async with company() as (_, port, _ca):
        error = (await ask(proxy=with_password(f"https://127.0.0.1:{port}"))).failure
    assert type(error) is ServerUnreachableError
    assert f"The certificate of the proxy https://127.0.0.1:{port} is not trusted" in str(error)


async def test_a_server_behind_a_proxy_whose_certificate_is_not_trusted_is_told(order):
    async with company() as (_, port, _ca), tunnel(port) as (proxy, _asked):
        error = (await ask("https://school.example", with_password(proxy))).failure
    assert "The certificate of https://school.example through the proxy" in str(error)


# -- A SOCKS proxy


def test_socks_is_known_by_its_scheme():
    assert all(parsed_proxy(f"{scheme}://127.0.0.1").is_socks for scheme in ("socks5", "SOCKS5h", "socks4", "socks"))
    assert not any(parsed_proxy(proxy).is_socks for proxy in ("http://socks5:1", "https://x"))


def socks5(port_asked, *, password=None, code=0):
    """Return the first words of a SOCKS5 proxy (RFC 1928, RFC 1929)."""

    async def hello(reader, writer):
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if password is not None:
            if 2 not in methods:
                writer.write(b"\x05\xff")
                return b""
            writer.write(b"\x05\x02")
            _, length = await reader.readexactly(2)
            name = await reader.readexactly(length)
            given = await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(b"\x01" + (b"\x00" if (name, given) == (b"ada", password.encode()) else b"\x01"))
            if given != password.encode():
                return b""
        else:
            writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        assert kind == 3, "the proxy is to look up the name"
        host = await reader.readexactly((await reader.readexactly(1))[0])
        port_asked.append((host, int.from_bytes(await reader.readexactly(2), "big")))
        writer.write(b"\x05" + bytes([code]) + b"\x00\x01\x7f\x00\x00\x01\x00\x00")
        return b"" if code else host

    return hello


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks"])
async def test_a_socks_proxy_leads_to_the_server_and_looks_up_its_name(server, scheme):
    server.on(CHAT, [HEAD + stream("Hello")])
    targets: list[tuple[bytes, int]] = []
    async with tunnel(URL(server.url).port, hello=socks5(targets)) as (proxy, _):
        result = await ask(proxy=proxy.replace("http", scheme))
    assert result.text == "Hello"
    assert targets == [(b"school.example", 80)]


async def test_a_socks_proxy_of_the_environment_is_used(server, monkeypatch):
    server.on(CHAT, [HEAD + stream("Hello")])
    async with tunnel(URL(server.url).port, hello=socks5([], password=PROXY_PASSWORD)) as (proxy, _):
        monkeypatch.setenv("all_proxy", with_password(proxy.replace("http", "socks5")))
        assert (await ask()).text == "Hello"


async def test_https_through_socks_is_https(order, tmp_path, monkeypatch):
    async with company() as (_, port, ca), tunnel(port, hello=socks5([])) as (proxy, _):
        result = await ask("https://school.example", proxy.replace("http", "socks5"))
        assert "not trusted" in str(result.failure)
        ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert (await ask("https://school.example", proxy.replace("http", "socks5"))).text == "Hello"


@pytest.mark.parametrize(
    "hello", [socks5([], password="other"), socks5([], code=2), socks5([], code=5)], ids=["password", "rule", "server"]
)
async def test_a_socks_proxy_that_refuses_is_told(order, hello):
    async with tunnel(0, hello=hello) as (proxy, _):
        result = await ask(proxy=with_password(proxy.replace("http", "socks5")))
    assert type(result.failure) is ServerUnreachableError
    assert "proxy" in str(result.failure)


@pytest.mark.parametrize("end", [(), (Then.RESET,), (b"HTTP/1.1 400 Bad\r\n\r\n",)], ids=["closed", "reset", "HTTP"])
async def test_a_socks_proxy_that_is_none_is_told(order, end):
    async def accept(_, writer):
        for step in end:
            if isinstance(step, bytes):
                writer.write(step)
            else:
                writer.transport.abort()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        result = await ask(proxy=f"socks5://ada:{PROXY_PASSWORD}@127.0.0.1:{port}")
    assert type(result.failure) is ServerUnreachableError


async def test_a_socks_proxy_that_is_silent_or_not_there_is_told(order, monkeypatch, unused_tcp_port):
    result = await ask(proxy=f"socks5://127.0.0.1:{unused_tcp_port}")
    assert type(result.failure) is ServerUnreachableError
    assert "proxy" in str(result.failure)
    monkeypatch.setattr(transport, "CONNECT_LIMIT", 0.2)
    async with scripted_server() as silent:
        result = await ask(proxy=silent.url.replace("http", "socks5"))
        assert type(result.failure) is ServerUnreachableError


async def test_without_the_package_the_error_says_what_to_install(order, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    result = await ask(proxy=with_password("socks5://127.0.0.1:1080"))
    assert type(result.failure) is NotConfiguredError
    assert "aiohttp-socks" in str(result.failure)
    assert_fit_to_be_shown(result.failure)


async def test_a_login_goes_through_the_proxy_too(server):
    server.on("/api/login", [envelope(0, {"token": TOKEN})])
    server.on(CHAT, [HEAD + stream("Hello")])
    async with tunnel(URL(server.url).port, hello=socks5([])) as (proxy, asked):
        result = await ask(proxy=proxy.replace("http", "socks5"), token=None, account=ACCOUNT, password="canary-pw")
    assert result.text == "Hello"
    assert len(asked) == 2
