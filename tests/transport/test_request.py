"""The way to a server: limits, faults in our words, and every byte that came before one."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from asking import assert_fit_to_be_shown
from scripted import CHUNKED_HEAD, HEAD, KEPT_HEAD, Then, head, http_chunk, reply

from berlin_magic import errors
from berlin_magic.errors import BerlinError
from berlin_magic.transport import request as transport
from berlin_magic.transport.request import address, is_loopback, origin_of


async def fetched(url: str, *, pause: asyncio.Event | None = None, silence=5.0, proxy=None, json=None, method="POST"):
    """Return all bytes that came, and the error that ended them; wait for `pause` before the first is read."""
    data = b""
    try:
        async with transport.requested(
            method, address(url), headers={}, proxy=proxy, silence=silence, json=json
        ) as response:
            if pause:
                await pause.wait()
            async for read in transport.received(response, silence=silence):
                data += read
    except BerlinError as error:
        assert_fit_to_be_shown(error)
        return data, error
    return data, None


async def body_of(url: str, *, silence=5.0):
    async with transport.requested("GET", address(url), headers={}, proxy=None, silence=silence) as response:
        return await transport.whole_body(response, silence=silence)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("http://127.0.0.1:8731", "http://127.0.0.1:8731"),
        (" https://School.example/chat/ \n", "https://school.example/chat"),
        ("https://ada:secret@school.example/?key=1#top", "https://school.example"),
        ("http://[::1]:80/x", "http://[::1]/x"),
    ],
)
def test_an_address_is_tidied_and_loses_user_name_password_and_query(text, result):
    assert str(address(text)) == result


@pytest.mark.parametrize(
    "text", ["", "school.example", "127.0.0.1:8731", "ftp://x", "http://", "http://[::1", "http://x:99999"]
)
def test_what_is_no_address_is_told_with_what_to_set(text):
    with pytest.raises(errors.NotConfiguredError, match="BERLIN_URL") as caught:
        address(text)
    assert_fit_to_be_shown(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://ada:canary@school.example",
        "ada:canary@school.example",
        "htps://ada:can/canary@school.example",
        "//ada:canary@school.example",
        "ada:canary@x://school.example",
        "ada@home:canary@school.example",
        "school.example?token=canary",
        "https://ada:[canary@school.example",
    ],
)
def test_an_address_that_is_none_is_not_shown_with_its_password(text):
    with pytest.raises(errors.NotConfiguredError) as caught:
        address(text)
    assert_fit_to_be_shown(caught.value)
    assert "school.example" in str(caught.value)


def test_an_origin_is_scheme_host_and_port():
    assert origin_of(address("https://school.example:443/chat")) == "https://school.example"
    assert origin_of(address("http://school.example:8080/chat")) == "http://school.example:8080"


@pytest.mark.parametrize(
    ("url", "is_it"),
    [
        ("http://localhost:1", True),
        ("http://a.localhost", True),
        ("http://127.9.9.9", True),
        ("http://[::1]", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(url, is_it):
    assert is_loopback(address(url)) is is_it


async def test_the_first_bytes_are_there_while_the_server_is_still_talking(server):
    go_on = asyncio.Event()
    server.on("/", [HEAD, b"first", go_on, b"second"])
    async with transport.requested("GET", address(server.url), headers={}, proxy=None, silence=5) as response:
        reads = transport.received(response, silence=5)
        assert await anext(reads) == b"first"
        go_on.set()
        assert await anext(reads) == b"second"
        await reads.aclose()


async def test_a_refused_connection_is_told_with_the_address(server, unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    _, error = await fetched(url)
    assert type(error) is errors.ServerUnreachableError
    assert url in str(error)
    assert "connection refused" in str(error)


async def test_an_unknown_name_is_told(server, no_names):
    _, error = await fetched("http://nowhere.invalid")
    assert type(error) is errors.ServerUnreachableError
    assert "name is unknown" in str(error)


async def test_a_connection_that_is_not_made_in_time_is_told(server, hanging_names, monkeypatch):
    monkeypatch.setattr(transport, "CONNECT_LIMIT", 0.1)
    _, error = await fetched("http://nowhere.invalid")
    assert type(error) is errors.ServerUnreachableError
    assert "within 0.1 s" in str(error)


async def test_https_where_the_server_speaks_http_is_told(order):
    async def answer(_, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        _, error = await fetched(f"https://127.0.0.1:{port}")
    assert type(error) is errors.ServerUnreachableError
    assert "https" in str(error)


@pytest.mark.parametrize("end", [(), (Then.RESET,)], ids=["closed", "reset"])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Ty"])
async def test_a_connection_lost_before_the_answer_is_an_unreachable_server(server, sent, end):
    server.on("/", [sent, *end])
    _, error = await fetched(server.url)
    assert type(error) is errors.ServerUnreachableError
    assert len(server.requests) == 1


async def test_an_answer_that_is_no_http_is_named(server):
    server.on("/", [b"SSH-2.0-OpenSSH_9.2\r\n", Then.HOLD])
    _, error = await fetched(server.url)
    assert type(error) is errors.IncorrectAnswerError
    assert "SSH-2.0" in str(error)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", HEAD, HEAD + b"abc", CHUNKED_HEAD + http_chunk(b"abc")])
async def test_silence_ends_the_wait_wherever_it_begins(server, sent):
    server.on("/", [sent, Then.HOLD])
    data, error = await fetched(server.url, silence=0.2)
    assert type(error) is errors.SilentTooLongError
    assert "0.2 s" in str(error)
    assert data == (b"abc" if b"abc" in sent else b"")
    await asyncio.wait_for(server.requests[0].gone.wait(), 1)


async def test_a_server_that_does_not_even_read_the_question_is_silent(order, monkeypatch):
    monkeypatch.setattr(transport, "CONNECT_LIMIT", 0.1)
    accepted = []

    def accept(reader, writer):
        writer.transport.pause_reading()
        accepted.append(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", 0, limit=1) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        _, error = await fetched(url, silence=0.2, json={"prompt": "x" * 2**24})
        assert type(error) is errors.SilentTooLongError
        for writer in accepted:
            writer.transport.abort()


async def test_a_question_that_is_read_slowly_but_steadily_has_no_limit(order, monkeypatch):
    """As over a narrow line: only standing still counts."""
    monkeypatch.setattr(transport, "CONNECT_LIMIT", 0.2)
    read = 0

    async def serve(reader, writer):
        nonlocal read
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split()[0])
        while read < length:
            read += len(await reader.read(2**18))
            await asyncio.sleep(0.01)
        writer.write(HEAD + b"read")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**18) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        began = asyncio.get_running_loop().time()
        data, error = await fetched(url, silence=0.4, json={"prompt": "x" * 2**25})
        assert (data, error) == (b"read", None)
        assert asyncio.get_running_loop().time() - began > 0.8
    assert read == 2**25 + len('{"prompt": ""}')


@pytest.mark.parametrize("size", [1, 2**20])
async def test_a_question_arrives_as_json_however_long_it_is(server, size):
    server.on("/", [HEAD, b"read"])
    assert await fetched(server.url, json={"prompt": "é" * size}) == (b"read", None)
    (request,) = server.requests
    assert request.json == {"prompt": "é" * size}
    assert request.headers["content-type"] == "application/json"
    assert "transfer-encoding" not in request.headers


async def test_a_question_is_not_escaped_where_that_would_make_it_longer(server):
    server.on("/", [HEAD, b"read"])
    await fetched(server.url, json={"prompt": "пример 例"})
    assert server.requests[0].body == '{"prompt": "пример 例"}'.encode()
    await fetched(server.url, json={"prompt": "half \ud83c"})
    assert server.requests[1].json == {"prompt": "half \ud83c"}


async def test_a_head_that_comes_drop_by_drop_has_no_limit(server):
    server.on("/", [*(step for byte in HEAD[:20] for step in (bytes([byte]), 0.03)), HEAD[20:], b"there"])
    assert await fetched(server.url, silence=0.2, json={"prompt": "x" * 2**17}) == (b"there", None)


async def test_an_answer_before_the_question_was_read_is_an_answer(order):
    async def refuse(reader, writer):
        writer.write(reply(413, b"too long"))
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.transport.abort()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0, limit=1) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        assert (await fetched(url, silence=0.1, json={"prompt": "x" * 2**24}))[0] == b"too long"


async def test_a_slow_but_living_stream_has_no_limit(server):
    server.on("/", [HEAD, *(step for _ in range(10) for step in (b"x", 0.1))])
    data, error = await fetched(server.url, silence=0.5)
    assert error is None
    assert data == b"x" * 10


async def test_silence_is_counted_from_the_last_read_not_from_the_first(server):
    server.on("/", [HEAD, *(step for _ in range(4) for step in (b"x", 0.1)), Then.HOLD])
    data, error = await fetched(server.url, silence=0.3)
    assert type(error) is errors.SilentTooLongError
    assert data == b"x" * 4


async def test_the_limit_on_silence_makes_no_timer_for_each_read(server, monkeypatch):
    loop, delays = asyncio.get_running_loop(), []
    call_later = loop.call_later

    def counted(delay: float, *rest, **more) -> asyncio.TimerHandle:
        delays.append(delay)
        return call_later(delay, *rest, **more)

    monkeypatch.setattr(loop, "call_later", counted)
    server.on("/", [HEAD, *(step for _ in range(20) for step in (b"x", 0.01))])
    data, error = await fetched(server.url, silence=77.0)
    assert (data, error) == (b"x" * 20, None)
    assert 1 <= delays.count(77.0) < 5


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ((Then.RESET,), errors.IncompleteReplyError),
        ((), errors.IncompleteReplyError),
        ((b"zz\r\n",), errors.IncompleteReplyError),
        ((Then.HOLD,), errors.SilentTooLongError),
    ],
    ids=["reset", "closed", "broken framing", "silent"],
)
async def test_what_came_before_a_fault_is_not_lost_on_a_slow_reader(server, end, kind):
    may_end, read_now = asyncio.Event(), asyncio.Event()
    server.on("/", [CHUNKED_HEAD, *(http_chunk(b"%04d" % n) for n in range(100)), may_end, *end])
    reading = asyncio.create_task(fetched(server.url, pause=read_now, silence=0.4))
    await server.request("/")
    await asyncio.sleep(0.1)  # the bytes have to be in our buffer: a reset takes what is not
    may_end.set()
    await asyncio.sleep(0.6)  # until the fault is known to the reader's buffer
    read_now.set()
    data, error = await reading
    assert data == b"".join(b"%04d" % n for n in range(100))
    assert type(error) is kind


@pytest.mark.parametrize(
    ("sent", "came", "kind"),
    [
        (CHUNKED_HEAD + http_chunk(b"words") + b"zz\r\nxx", b"words", errors.IncompleteReplyError),
        (head("Content-Length: 3") + b"words", b"wor", type(None)),
        (KEPT_HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 3") + b"words", b"wor", type(None)),
    ],
    ids=["framing", "a length that is too short", "the same on a connection that is kept"],
)
async def test_what_came_in_the_same_read_as_the_head_and_the_fault_is_not_lost(server, sent, came, kind):
    server.on("/", [sent, Then.HOLD])
    data, error = await fetched(server.url, silence=1)
    assert (data, type(error)) == (came, kind)


async def test_more_than_fits_the_buffers_is_not_lost_on_a_slow_reader(server):
    read_now = asyncio.Event()
    server.on("/", [CHUNKED_HEAD, *[http_chunk(b"x" * 2**16)] * 64])
    reading = asyncio.create_task(fetched(server.url, pause=read_now))
    await server.request("/")
    await asyncio.sleep(0.2)
    read_now.set()
    data, error = await reading
    assert len(data) == 2**22
    assert type(error) is errors.IncompleteReplyError


@pytest.mark.parametrize(
    "broken", [b"no gzip at all", gzip.compress(b"abc" * 1000)[:20] + b"garbage" * 10], ids=["none", "in it"]
)
async def test_a_broken_compression_is_an_incomplete_reply(server, broken):
    response = head("Content-Encoding: gzip", f"Content-Length: {len(broken)}")
    server.on("/", [response, broken])
    _, error = await fetched(server.url)
    assert type(error) is errors.IncompleteReplyError


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
async def test_a_compression_that_nobody_asked_for_is_named(server, encoding):
    server.on("/", [head(f"Content-Encoding: {encoding}"), b"xxxx"])
    _, error = await fetched(server.url)
    assert type(error) is errors.IncorrectAnswerError
    assert f"compressed as “{encoding}”" in str(error)
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_the_limit_counts_what_was_unpacked(server):
    server.on("/", [head("Content-Encoding: gzip"), gzip.compress(bytes(2**24))])
    async with transport.requested("GET", address(server.url), headers={}, proxy=None, silence=5) as response:
        sizes: list[int] = []
        reads = transport.received(response, silence=5, limit=10**6)
        with pytest.raises(errors.ReplyTooLargeError, match="more than 1,000,000 bytes"):
            await _measured(reads, sizes)
    assert 10**6 < sum(sizes) < 2 * 10**6


async def _measured(reads, sizes):
    async for data in reads:
        sizes.append(len(data))


@pytest.mark.parametrize("status", [300, 301, 304])
async def test_a_redirect_to_nowhere_is_told_as_no_answer(server, status):
    server.on("/", [reply(status, b"")])
    _, error = await fetched(server.url)
    assert type(error) is errors.ServerError
    assert f"HTTP {status}, which is not an answer" in str(error)


async def test_a_compressed_stream_arrives_piece_by_piece(server):
    compressor = zlib.compressobj(wbits=31)
    first = compressor.compress(b"first") + compressor.flush(zlib.Z_SYNC_FLUSH)
    go_on = asyncio.Event()
    server.on("/", [head("Content-Encoding: gzip"), first, go_on, compressor.compress(b"second") + compressor.flush()])
    async with transport.requested("GET", address(server.url), headers={}, proxy=None, silence=5) as response:
        reads = transport.received(response, silence=5)
        assert await anext(reads) == b"first"
        go_on.set()
        assert b"".join([read async for read in reads]) == b"second"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_its_target_told(server, status):
    server.on("/", [reply(status, b"", "Location: http://elsewhere.example/x")])
    _, error = await fetched(server.url)
    assert type(error) is errors.ServerError
    assert error.status == status
    assert "redirects to http://elsewhere.example/x" in str(error)
    assert len(server.requests) == 1


async def test_a_proxy_given_is_asked_even_for_this_machine(server):
    server.on("http://127.0.0.1:1/x", [HEAD, b"through the proxy"])
    data, _ = await fetched("http://127.0.0.1:1/x", proxy=server.url)
    assert data == b"through the proxy"


async def test_the_environments_proxy_is_asked_for_others_and_not_for_this_machine(server, no_names, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    server.on("http://school.invalid/x", [HEAD, b"proxied"])
    server.on("/", [HEAD, b"direct"])
    assert await fetched("http://school.invalid/x") == (b"proxied", None)
    assert await fetched(server.url) == (b"direct", None)
    monkeypatch.setenv("no_proxy", "school.invalid:80")
    _, error = await fetched("http://school.invalid")
    assert "name is unknown" in str(error)


@pytest.mark.parametrize("url", ["http://school.example", "https://school.example"])
async def test_a_proxy_that_wants_a_password_is_told(server, url):
    server.on("http://school.example/x", [reply(407, b"")])
    server.on("school.example:443", [reply(407, b"")])
    _, error = await fetched(f"{url}/x", proxy=server.url.replace("://", "://ada:canary-pw@"))
    assert type(error) is errors.ServerUnreachableError
    assert error.status == 407
    assert "proxy" in str(error)


async def test_a_proxy_that_is_not_there_is_told(order, unused_tcp_port):
    _, error = await fetched("http://school.example", proxy=f"http://ada:canary-pw@127.0.0.1:{unused_tcp_port}")
    assert type(error) is errors.ServerUnreachableError
    assert "proxy" in str(error)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "proxy.invalid:8080", "http://[::1", "http://x:99999"])
async def test_a_proxy_that_can_not_be_used_is_told(order, no_names, proxy):
    _, error = await fetched("http://school.example", proxy=proxy)
    assert isinstance(error, errors.NotConfiguredError | errors.ServerUnreachableError)
    assert "proxy" in str(error)


async def test_a_body_comes_whole(server):
    server.on("/", [reply(200, "é".encode()[:1]), 0.05, "é".encode()[1:]])
    server.on("/", [CHUNKED_HEAD, http_chunk("é".encode()[:1]), 0.05, http_chunk("é".encode()[1:]), b"0\r\n\r\n"])
    assert await body_of(server.url) == "é"


async def test_a_body_that_breaks_off_counts_as_far_as_it_came(server):
    server.on("/", [head("Content-Length: 100"), b"half a page"])
    assert await body_of(server.url) == "half a page"


async def test_a_body_that_breaks_off_before_its_first_byte_is_an_unreachable_server(server):
    server.on("/", [head("Content-Length: 100")])
    with pytest.raises(errors.ServerUnreachableError):
        await body_of(server.url)


async def test_a_body_in_the_middle_of_which_the_server_falls_silent_is_silence(server):
    server.on("/", [head("Content-Length: 100"), b"half", Then.HOLD])
    with pytest.raises(errors.SilentTooLongError):
        await body_of(server.url, silence=0.2)


async def test_an_endless_body_is_given_up(server):
    server.on("/", [HEAD, *[b"x" * 2**20] * 20])
    with pytest.raises(errors.ReplyTooLargeError) as caught:
        await body_of(server.url)
    assert_fit_to_be_shown(caught.value)
