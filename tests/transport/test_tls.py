"""Certificates: the system's, a company's own CA, and what is said of one that is not trusted."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from asking import HELLO, TOKEN, assert_fit_to_be_shown, outcome
from completions import streamed
from scripted import HEAD, ScriptedServer, stream

from berlin_magic.errors import NotConfiguredError, ServerUnreachableError
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.provider import OpenAICompatible
from berlin_magic.transport import tls

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def company():
    return trustme.CA(organization_name="A company")


@pytest.fixture
def ca_file(company, tmp_path):
    company.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@asynccontextmanager
async def https_server(ca, name="127.0.0.1", **times):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name, **times).configure_cert(context)
    scripted = ScriptedServer()
    listening = await asyncio.start_server(scripted.accept, "127.0.0.1", 0, ssl=context)
    scripted.url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    scripted.on("/api/chat/completions", [HEAD + stream("Hello")])
    scripted.on("/v1/chat/completions", [HEAD + streamed("Hello")])
    try:
        yield scripted
    finally:
        listening.close()
        await scripted.close()


async def asked(server, provider=Berlin):
    settings = {"token": TOKEN} if provider is Berlin else {"key": TOKEN}
    return await outcome(provider.create_async_generator("m", HELLO, url=server.url, silence=5.0, **settings))


@pytest.mark.parametrize("provider", [Berlin, OpenAICompatible])
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_a_companys_own_ca_is_trusted_where_the_environment_names_it(
    order, company, ca_file, monkeypatch, variable, provider
):
    monkeypatch.setenv(variable, str(ca_file))
    async with https_server(company) as server:
        assert (await asked(server, provider)).text == "Hello"


async def test_a_folder_of_cas_is_trusted(order, company, ca_file, monkeypatch):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("names in such a folder are hashes, which the openssl command makes")
    made = await asyncio.create_subprocess_exec(openssl, "rehash", ca_file.parent)
    assert await made.wait() == 0
    monkeypatch.setenv("SSL_CERT_DIR", str(ca_file.parent))
    async with https_server(company) as server:
        assert (await asked(server)).text == "Hello"


async def test_without_it_the_error_says_what_to_set_and_no_token_is_sent(order, company):
    async with https_server(company) as server:
        result = await asked(server)
        assert server.requests == []
    assert type(result.failure) is ServerUnreachableError
    assert "not trusted" in str(result.failure)
    assert "SSL_CERT_FILE" in str(result.failure)


async def test_another_ca_is_not_enough_and_the_error_names_the_file(order, company, tmp_path, monkeypatch):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    async with https_server(company) as server:
        error = (await asked(server)).failure
    assert type(error) is ServerUnreachableError
    assert str(other) in str(error)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "no certificate", ""])
async def test_a_file_that_is_none_is_named(order, company, tmp_path, monkeypatch, variable, content):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(variable, str(file))
    async with https_server(company) as server:
        error = (await asked(server)).failure
    assert type(error) is ServerUnreachableError
    assert variable in str(error)
    assert ("not there" in str(error)) is (content is None)


async def test_a_file_that_was_mended_is_read_anew(order, company, ca_file, monkeypatch):
    right = ca_file.read_bytes()
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    async with https_server(company) as server:
        assert (await asked(server)).error
        ca_file.write_bytes(right + b"\n")
        assert (await asked(server)).text == "Hello"


async def test_openssls_variables_go_before_the_bundle_of_requests(order, company, ca_file, tmp_path, monkeypatch):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    async with https_server(company) as server:
        assert (await asked(server)).text == "Hello"


async def test_a_certificate_for_another_name_is_refused_with_the_reason(order, company, ca_file, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    async with https_server(company, "school.example") as server:
        error = (await asked(server)).failure
    assert "IP address mismatch" in str(error)
    assert "for another name: check the address" in str(error)
    assert "CA" not in str(error)


@pytest.mark.parametrize(
    ("begins", "ends", "said"), [(-20, -10, "expired"), (10, 20, "not yet valid")], ids=["expired", "not yet valid"]
)
async def test_a_certificate_out_of_its_time_is_told_as_that(order, company, ca_file, monkeypatch, begins, ends, said):
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    now = datetime.now(UTC)
    times = {"not_before": now + timedelta(days=begins), "not_after": now + timedelta(days=ends)}
    async with https_server(company, **times) as server:
        error = (await asked(server)).failure
    assert said in str(error)
    assert "clock of this machine" in str(error)
    assert "CA" not in str(error)


async def test_certificates_are_read_beside_the_loop_and_once(order, monkeypatch):
    threads = []
    made = tls._made
    monkeypatch.setattr(tls, "_contexts", {})
    monkeypatch.setattr(tls, "_made", lambda bundle: threads.append(threading.current_thread()) or made(bundle))
    first = await tls.trusted()
    assert first is await tls.trusted()
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname


async def test_certificates_that_hang_are_told(order, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(tls, "_TIMEOUT", 0.1)
    monkeypatch.setattr(tls, "_context", release.wait)
    with pytest.raises(NotConfiguredError, match="SSL_CERT_FILE") as caught:
        await tls.trusted()
    release.set()
    assert_fit_to_be_shown(caught.value)


async def test_a_plain_http_server_needs_no_certificates(server, monkeypatch):
    async def never():
        raise AssertionError

    monkeypatch.setattr("berlin_magic.transport.request.trusted", never)
    server.on("/api/chat/completions", [HEAD + stream("Hello")])
    assert (await asked(server)).text == "Hello"
