"""The fault matrix: every way in which a server fails, before the first word and in the middle, for every provider.

For each: the class of the error and what it says to do, that the partial was kept, that no more requests reached the
server than allowed, that each connection is closed at once, that nothing is left open (the `server` fixture: of tasks
and of connections, those of the loop's session included), and that the next question is answered.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import completions
import pytest
from asking import ACCOUNT, HELLO, NEW_TOKEN, PASSWORD, TOKEN, Outcome, outcome
from scripted import (
    CHUNKED_HEAD,
    HEAD,
    KEPT_HEAD,
    LAST_HTTP_CHUNK,
    Request,
    Script,
    ScriptedServer,
    Then,
    chunk,
    envelope,
    head,
    http_chunk,
    reply,
    scripted_server,
    slices,
    stream,
)

from berlin_magic.errors import (
    BerlinError,
    IncompleteReplyError,
    IncorrectAnswerError,
    ModelUnknownError,
    NoBalanceError,
    NotAllowedError,
    RateLimitError,
    ReplyTooLargeError,
    ServerError,
    ServerUnreachableError,
    SilentTooLongError,
)
from berlin_magic.messages import Event, Notice
from berlin_magic.providers.base import Provider
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.provider import OpenAICompatible
from berlin_magic.providers.retries import RETRIES
from berlin_magic.transport import request as transport

SILENCE = 0.3
pytestmark = [pytest.mark.usefixtures("brisk"), pytest.mark.slow]


@dataclass(frozen=True)
class Dialect:
    """How a provider's server talks."""

    provider: type[Provider]
    path: str
    settings: dict[str, str]
    word: Callable[[str], bytes]
    whole: Callable[..., bytes]
    no_stream: str
    """What is in place of the stream where it is another protocol's."""
    models: str
    """Where the models are listed."""


BERLIN = Dialect(Berlin, "/api/chat/completions", {"token": TOKEN}, chunk, stream, "data: x\n\n", "/api/config")
OPENAI = Dialect(
    OpenAICompatible,
    "/v1/chat/completions",
    {"key": TOKEN},
    completions.step,
    completions.streamed,
    '{"segment": 1}',
    "/v1/models",
)


@pytest.fixture(params=[BERLIN, OPENAI], ids=["Berlin", "OpenAI"])
def dialect(request):
    return request.param


async def ask(server: ScriptedServer, dialect: Dialect, **given) -> Outcome:
    settings = {"url": server.url, "silence": SILENCE, "retries": RETRIES, **dialect.settings, **given}
    return await outcome(dialect.provider.create_async_generator("m", HELLO, **settings))


async def assert_next_works(server: ScriptedServer, dialect: Dialect) -> None:
    server.on(dialect.path, [HEAD, dialect.whole("all ", "well")])
    result = await ask(server, dialect, silence=5.0)
    assert result.error is None
    assert result.text == "all well"


async def fails(
    server: ScriptedServer,
    dialect: Dialect,
    script: Script,
    kind: type[BerlinError],
    text: str = "",
    requests: int = 1,
    **given,
) -> BerlinError:
    """Hold a question that meets `script` to its error, its partial and its number of requests; ask once more."""
    server.on(dialect.path, script)
    result = await ask(server, dialect, **given)
    assert result.text == text
    assert type(result.failure) is kind, repr(result.failure)
    await server.at_rest()
    assert len(server.to(dialect.path)) == requests
    lists = len(server.to(dialect.models))  # asked for once, to name the nearest to an unknown model
    assert len(server.requests) == requests + lists and lists == (kind is ModelUnknownError)
    await assert_next_works(server, dialect)
    return result.failure


# -- Before the first word

BEFORE: dict[str, tuple[Script, type[BerlinError]]] = {
    "accepted, then silent": ([Then.HOLD], SilentTooLongError),
    "accepted, then closed": ([], ServerUnreachableError),
    "accepted, then reset": ([Then.RESET], ServerUnreachableError),
    "half a head, then silent": ([b"HTTP/1.1 200 OK\r\nCont", Then.HOLD], SilentTooLongError),
    "half a head, then closed": ([b"HTTP/1.1 200 OK\r\nCont"], ServerUnreachableError),
    "half a head, then reset": ([b"HTTP/1.1 200 OK\r\nCont", 0.05, Then.RESET], ServerUnreachableError),
    "no HTTP": ([b"220 mail.example ESMTP\r\n"], IncorrectAnswerError),
    "an endless head": ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2**17], IncorrectAnswerError),
    "a head, then silent": ([HEAD, Then.HOLD], SilentTooLongError),
    "a head, then closed": ([HEAD], IncompleteReplyError),
    "a head with a length, then closed": ([head("Content-Length: 1000")], IncompleteReplyError),
    "a chunked head, then reset": ([CHUNKED_HEAD, 0.05, Then.RESET], IncompleteReplyError),
    "a length of nothing": ([reply(200, b"")], IncompleteReplyError),
    "an HTML page": ([reply(200, b"<html>Sign in</html>", content_type="text/html")], IncorrectAnswerError),
    "an HTML page, then silent": ([HEAD, b"<html>Sign in</html>", Then.HOLD], IncorrectAnswerError),
    "garbage": ([HEAD, b"\x00\x01\x02\x03garbage\n"], IncorrectAnswerError),
    "garbage as JSON": ([reply(200, b"[1, 2, 3]")], IncorrectAnswerError),
    "broken framing": ([CHUNKED_HEAD + b"zz\r\nxx"], IncompleteReplyError),
    "broken framing, later": ([CHUNKED_HEAD, 0.1, b"zz\r\nxx"], IncompleteReplyError),
    "not the compression that it says": ([head("Content-Encoding: gzip"), b"no gzip " * 8], IncompleteReplyError),
    "an unknown compression": ([head("Content-Encoding: br"), b"xxxxxxxx" * 40], IncorrectAnswerError),
    "a redirect": ([reply(302, b"", "Location: /elsewhere")], ServerError),
    "a redirect to itself": ([reply(307, b"", "Location: /api/chat/completions")], ServerError),
    "a redirect to nowhere": ([reply(301, b"")], ServerError),
    "204": ([b"HTTP/1.1 204 No Content\r\n\r\n"], IncorrectAnswerError),
    "a proxy's 407": ([reply(407, b"")], ServerUnreachableError),
    "an error page that breaks off": ([head("Content-Length: 100", status=502), b"<h1>Bad"], ServerError),
    "an error without a page": ([head("Content-Length: 100", status=502)], ServerUnreachableError),
    "an error page, then silent": ([head("Content-Length: 100", status=502), b"<h1>", Then.HOLD], SilentTooLongError),
    "an endless error page": ([head(status=500), *[b"x" * 2**20] * 9], ReplyTooLargeError),
}


def cuts(dialect: Dialect) -> dict[str, bytes]:
    """Return the first word of a reply, cut within the JSON that it is in."""
    word = dialect.word("é🎉").replace(b"\\u00e9\\ud83c\\udf89", "é🎉".encode())
    assert "é🎉".encode() in word
    escaped = dialect.word("é")
    return {
        "an object": word[:-8],
        "a name": word[:6],
        "UTF-8": word[: word.index("🎉".encode()) + 2],
        "an escape": escaped[: escaped.index(b"\\u00e9") + 3],
    }


def first_words(dialect: Dialect) -> dict[str, tuple[Script, type[BerlinError]]]:
    """Return the replies that break before their first word is whole."""
    packed = gzip.compress(dialect.whole("all well"))
    drip: list[bytes | float | Then] = [HEAD]
    for byte in dialect.word("word")[:8]:
        drip += [bytes([byte]), 0.05]
    return {
        **{f"closed within {name}": ([HEAD, cut], IncompleteReplyError) for name, cut in cuts(dialect).items()},
        **{
            f"silent within {name}": ([HEAD, cut, Then.HOLD], SilentTooLongError) for name, cut in cuts(dialect).items()
        },
        "half of a gzip": ([head("Content-Encoding: gzip"), packed[: len(packed) // 2]], IncompleteReplyError),
        "half of a gzip with a length": (
            [head("Content-Encoding: gzip", f"Content-Length: {len(packed)}"), packed[: len(packed) // 2]],
            IncompleteReplyError,
        ),
        "endless": ([HEAD, dialect.word("x" * 2**15)[:-8], *[b"x" * 2**16] * 20], ReplyTooLargeError),
        "endless blanks": ([HEAD, *[b"\n" * 2**16] * 20], ReplyTooLargeError),
        "a slow drip, then closed": (drip, IncompleteReplyError),
        "a slow drip, then silent": ([*drip, Then.HOLD], SilentTooLongError),
        "a slow drip, then reset": ([*drip, Then.RESET], IncompleteReplyError),
    }


@pytest.mark.parametrize("fault", first_words(BERLIN))
async def test_a_reply_that_breaks_before_its_first_word_is_whole(server, dialect, fault):
    script, kind = first_words(dialect)[fault]
    await fails(server, dialect, script, kind, reply_limit=2**20)


LOST = {name for name in BEFORE if name.startswith(("accepted", "half")) and not name.endswith("silent")}
"""Where the connection is lost before an answer: asked again, twice and no more."""

PASSING = {408, 429, 502, 503, 504}
"""Statuses that are asked again, five times and no more."""


@pytest.mark.parametrize("fault", BEFORE)
async def test_a_fault_before_the_first_word(server, dialect, fault):
    script, kind = BEFORE[fault]
    requests = 3 if fault in LOST or "without a page" in fault else 6 if "breaks off" in fault else 1
    await fails(server, dialect, script, kind, requests=requests)


@pytest.mark.parametrize("fault", BEFORE)
async def test_a_fault_before_the_first_word_is_met_by_one_request_where_retries_are_none(server, dialect, fault):
    script, kind = BEFORE[fault]
    await fails(server, dialect, script, kind, retries=0)


async def on_a_kept_connection(server: ScriptedServer, dialect: Dialect) -> None:
    """Ask once over a connection that the next request will find open."""
    server.on(dialect.path, [KEPT_HEAD, http_chunk(dialect.whole("well")), LAST_HTTP_CHUNK, Then.KEEP])
    assert (await ask(server, dialect)).text == "well"
    server.requests.clear()


@pytest.mark.parametrize("fault", BEFORE)
async def test_a_fault_before_the_first_word_on_a_connection_that_was_kept(server, dialect, fault):
    script, kind = BEFORE[fault]
    await on_a_kept_connection(server, dialect)
    await fails(server, dialect, script, kind, retries=0)


@pytest.mark.parametrize("fault", [*sorted(LOST), *sorted(PASSING)])
async def test_what_passes_is_overcome(server, dialect, fault):
    script = [reply(fault, b"")] if isinstance(fault, int) else BEFORE[fault][0]
    server.on(dialect.path, script, script, [HEAD, dialect.whole("all ", "well")])
    result = await ask(server, dialect, silence=5.0)
    assert (result.text, result.error) == ("all well", None)
    assert len(server.requests) == 3


async def test_a_refused_connection(server, dialect, unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    events: list[Event] = []

    async def text() -> AsyncGenerator[str, None]:
        async for event in dialect.provider.stream("m", HELLO, url=url, **dialect.settings):
            events.append(event)
            yield "some"

    result = await outcome(text())
    assert type(result.failure) is ServerUnreachableError
    assert "connection refused" in str(result.failure)
    assert [type(event) for event in events] == [Notice, Notice]  # asked three times
    await assert_next_works(server, dialect)


STATUSES: dict[int, type[BerlinError]] = {
    400: ServerError,
    401: NotAllowedError,
    402: NoBalanceError,
    403: NotAllowedError,
    404: ServerError,
    405: ServerError,
    408: ServerError,
    413: ServerError,
    418: ServerError,
    422: ServerError,
    429: RateLimitError,
    500: ServerError,
    501: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
    520: ServerError,
    529: ServerError,
}


@pytest.mark.parametrize("body", [b"", b"<h1>\xff</h1>", b'{"message": "x"}'], ids=["nothing", "a page", "JSON"])
@pytest.mark.parametrize("status", STATUSES)
async def test_every_status_that_is_an_error(server, dialect, status, body):
    # A Berlin server says it in an envelope; a page with such a status is a gateway's, which knows of no account.
    kind = ServerError if dialect is BERLIN and status in (402, 403) else STATUSES[status]
    requests = 6 if status in PASSING else 1
    error = await fails(server, dialect, [reply(status, body)], kind, requests=requests)
    assert error.status == status


@pytest.mark.parametrize(
    ("after", "requests"), [("0", 6), ("3600", 1), ("Thu, 31 Dec 2099 23:59:59 GMT", 1), ("soon", 6), ("-1", 6)]
)
async def test_too_many_requests_with_a_time_to_wait(server, dialect, after, requests, monkeypatch):
    """A time longer than we wait is a time to give up at once, and to be told."""
    monkeypatch.setattr("random.random", lambda: 0.001)
    error = await fails(
        server, dialect, [reply(429, b"{}", f"Retry-After: {after}")], RateLimitError, requests=requests
    )
    assert ("wait 3600 s" in str(error)) is (after == "3600")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "The model `m` does not exist"}, ModelUnknownError),
        ({"message": "You exceeded your quota", "code": "insufficient_quota"}, NoBalanceError),
        ({"message": "it broke"}, ServerError),
    ],
)
async def test_an_error_as_json_with_200(server, dialect, error, kind):
    body = {"error": error} if dialect is OPENAI else {"code": -1, "message": "", "data": {"error": error}}
    await fails(server, dialect, [reply(200, json.dumps(body).encode())], kind)


async def test_another_protocol_than_ours(server, dialect):
    await fails(server, dialect, [HEAD, dialect.no_stream.encode()], IncorrectAnswerError)


# -- In the middle


def ends(dialect: Dialect) -> dict[str, tuple[Script, type[BerlinError]]]:
    """Return what may come after the word "begun "."""
    word = dialect.word("é🎉")
    broken = {f"closed within {name}": ([cut], IncompleteReplyError) for name, cut in cuts(dialect).items()}
    return {
        **broken,
        "closed": ([], IncompleteReplyError),
        "silent": ([Then.HOLD], SilentTooLongError),
        "reset": ([0.1, Then.RESET], IncompleteReplyError),
        "silent within an object": ([word[:-8], Then.HOLD], SilentTooLongError),
        "reset within an object": ([word[:-8], 0.1, Then.RESET], IncompleteReplyError),
        "endless": ([dialect.word("x" * 2**15)] * 100, ReplyTooLargeError),
    }


@pytest.mark.parametrize("way", ["until it closes", "chunked", "chunked, on a connection that was kept"])
@pytest.mark.parametrize("end", ends(BERLIN))
async def test_a_fault_in_the_middle_keeps_what_came(server, dialect, end, way):
    chunked = way != "until it closes"
    if "kept" in way:
        await on_a_kept_connection(server, dialect)
    script, kind = ends(dialect)[end]
    begin = [dialect.word("begun ")]
    steps = [*begin, *script]
    if chunked:
        steps = [http_chunk(part) if isinstance(part, bytes) else part for part in steps]
    given = {"reply_limit": 2**20} if kind is ReplyTooLargeError else {}
    server.on(dialect.path, [CHUNKED_HEAD if chunked else HEAD, *steps])
    result = await ask(server, dialect, **given)
    assert result.text.startswith("begun ")
    assert kind is ReplyTooLargeError or result.text == "begun "
    assert type(result.failure) is kind, repr(result.failure)
    await server.at_rest()
    assert len(server.requests) == 1
    await assert_next_works(server, dialect)


@pytest.mark.parametrize("garbage", [b"<html>\n\n", b"data: oops\n\n", b"\x00\xff\n\n", b"{no json}\n\n"])
async def test_garbage_in_the_middle(server, dialect, garbage):
    if dialect is OPENAI:
        if garbage[:1] not in b"<{":
            return  # a gateway's own: see `test_what_gateways_put_between_the_chunks_is_passed_over`
        garbage = b"data: " + garbage  # other lines are comments to an event stream
    await fails(server, dialect, [HEAD, dialect.word("begun "), garbage, Then.HOLD], IncorrectAnswerError, "begun ")


async def test_broken_framing_in_the_middle(server, dialect):
    begun = http_chunk(dialect.word("begun "))
    await fails(server, dialect, [CHUNKED_HEAD, begun, 0.02, b"zz\r\nxx", Then.HOLD], IncompleteReplyError, "begun ")
    server.requests.clear()
    await fails(server, dialect, [CHUNKED_HEAD + begun + b"zz\r\nxx", Then.HOLD], IncompleteReplyError, "begun ")


INVALID = b"\xff\xfe"  # no UTF-8 in any place


@pytest.mark.parametrize("begun", ["", "begun "])
async def test_invalid_utf8_is_told_by_a_berlin_server_and_replaced_in_events(server, begun):
    """JSON is UTF-8 (RFC 8259, section 8.1); an event stream is decoded with replacement (WHATWG, "Parsing")."""
    words = [BERLIN.word(begun)] if begun else []
    bad = BERLIN.word("XX").replace(b"XX", INVALID)
    await fails(server, BERLIN, [HEAD, *words, bad, BERLIN.whole("x")], IncorrectAnswerError, begun)
    server.requests.clear()
    words = [OPENAI.word(begun)] if begun else []
    bad = OPENAI.word("XX").replace(b"XX", INVALID)
    server.on(OPENAI.path, [HEAD, *words, bad, OPENAI.whole("x")])
    result = await ask(server, OPENAI)
    assert (result.text, result.error) == (f"{begun}\ufffd\ufffdx", None)
    assert len(server.requests) == 1


def errors_of(dialect: Dialect) -> dict[str, tuple[bytes, type[BerlinError]]]:
    """Return the errors that a server may say in place of a further word."""
    if dialect is OPENAI:
        return {
            "overloaded": (completions.event({"error": {"message": "overloaded"}}), ServerError),
            "rate limit": (
                completions.event({"error": {"message": "overloaded", "code": "rate_limit_exceeded"}}),
                RateLimitError,
            ),
            "status 429": (completions.event({"error": {"message": "overloaded", "code": 429}}), RateLimitError),
            "wrong key": (
                completions.event({"error": {"message": "overloaded", "code": "invalid_api_key"}}),
                NotAllowedError,
            ),
            "status 401": (completions.event({"error": {"message": "overloaded", "code": 401}}), NotAllowedError),
        }
    engine = {"message": "overloaded", "code": "rate_limit_exceeded"}
    return {
        "overloaded": (b'{"code": 5000, "message": "overloaded"}', ServerError),
        "rate limit": (json.dumps({"code": -1, "data": {"error": engine}, "message": ""}).encode(), ServerError),
        "status 429": (b'{"code": 429, "message": "overloaded"}', ServerError),
        "wrong key": (b'{"code": 4001, "message": "overloaded"}', NotAllowedError),
        "status 401": (b'{"code": 401, "message": "overloaded"}', ServerError),
    }


@pytest.mark.parametrize("said", errors_of(BERLIN))
async def test_an_error_object_in_the_middle(server, dialect, said):
    """None is asked again, not with a new login either: the reply has begun."""
    error, kind = errors_of(dialect)[said]
    script = [HEAD, dialect.word("begun "), error, Then.HOLD]
    given = {"account": ACCOUNT, "password": PASSWORD} if dialect is BERLIN else {}
    failure = await fails(server, dialect, script, kind, "begun ", **given)
    assert "overloaded" in str(failure)


async def test_compression_that_breaks_off(server, dialect):
    text = "".join(f"{number} " for number in range(2000))
    packed = gzip.compress(dialect.whole(*[text[i : i + 10] for i in range(0, len(text), 10)]))
    server.on(
        dialect.path, [head("Content-Encoding: gzip", f"Content-Length: {len(packed)}"), packed[: len(packed) // 2]]
    )
    result = await ask(server, dialect)
    assert type(result.failure) is IncompleteReplyError
    assert result.text
    assert text.startswith(result.text)
    assert len(server.requests) == 1
    await assert_next_works(server, dialect)


async def test_a_chunk_of_20_mb(server, dialect):
    server.on(dialect.path, [HEAD, *slices(dialect.whole("x" * 20 * 2**20), 2**18)])
    result = await ask(server, dialect, silence=10.0)
    assert result.error is None
    assert len(result.text) == 20 * 2**20
    assert len(server.requests) == 1
    await assert_next_works(server, dialect)


async def test_a_chunk_of_20_mb_where_less_is_allowed(server, dialect):
    script = [HEAD, dialect.word("begun "), *slices(dialect.whole("x" * 20 * 2**20), 2**18)]
    await fails(server, dialect, script, ReplyTooLargeError, "begun ", reply_limit=2**20)


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", "application/json", "x"])
async def test_a_reply_under_a_wrong_content_type_is_a_reply(server, dialect, content_type):
    server.on(dialect.path, [head(content_type=content_type), dialect.whole("all ", "well")])
    assert (await ask(server, dialect)).text == "all well"
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", [1, 3])
async def test_a_slow_drip_is_no_fault(server, dialect, size):
    drips = [step for part in slices(dialect.whole("é🎉"), size)[:24] for step in (part, 0.02)]
    rest = dialect.whole("é🎉")[24 * size :]
    server.on(dialect.path, [HEAD, *drips, rest])
    result = await ask(server, dialect)
    assert result.error is None
    assert result.text == "é🎉"
    await assert_next_works(server, dialect)


# -- On the way there


async def test_a_proxy_that_refuses(server, dialect, unused_tcp_port):
    result = await ask(server, dialect, proxy=f"http://127.0.0.1:{unused_tcp_port}")
    assert type(result.failure) is ServerUnreachableError
    assert server.connections == 0
    await assert_next_works(server, dialect)


async def test_a_proxy_that_is_silent(server, dialect):
    async with scripted_server() as proxy:
        proxy.on(f"{server.url}{dialect.path}", [Then.HOLD])
        result = await ask(server, dialect, proxy=proxy.url)
    assert type(result.failure) is SilentTooLongError
    await assert_next_works(server, dialect)


@pytest.mark.parametrize("end", [(), (Then.RESET,), (Then.HOLD,)], ids=["closed", "reset", "silent"])
async def test_a_proxy_that_dies_in_the_middle(server, dialect, end):
    path = f"http://school.invalid{dialect.path}"
    server.on(path, [HEAD, dialect.word("begun "), 0.05, *end])
    result = await ask(server, dialect, url="http://school.invalid", proxy=server.url)
    assert result.text == "begun "
    assert type(result.failure) is (SilentTooLongError if end == (Then.HOLD,) else IncompleteReplyError)
    await server.at_rest()
    assert [request.path for request in server.requests] == [path]
    await assert_next_works(server, dialect)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("status", "requests"), [(403, 1), (407, 1), (503, 3)])
async def test_a_proxy_that_refuses_the_way(server, dialect, scheme, status, requests):
    """To https by refusing CONNECT; to http by an answer of its own, which only a 407 tells from the server's."""
    url = f"{scheme}://school.invalid"
    server.on("school.invalid:443", [reply(status, b"")])
    server.on(f"{url}{dialect.path}", [reply(status, b"")])
    result = await ask(server, dialect, url=url, proxy=server.url)
    if scheme == "https" or status == 407:
        assert type(result.failure) is ServerUnreachableError
        assert server.url in str(result.failure)
    else:
        requests = 6 if status == 503 else 1
    assert result.failure.status == status
    assert len(server.requests) == requests
    await assert_next_works(server, dialect)


async def test_a_name_that_is_never_found(server, dialect, hanging_names, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(transport, "CONNECT_LIMIT", 0.1)
        result = await ask(server, dialect, url="http://half-open.invalid")
    assert type(result.failure) is ServerUnreachableError
    await assert_next_works(server, dialect)


async def test_a_half_open_connection(server, dialect, monkeypatch):
    """A server that is so busy, or behind such a firewall, that the first packet of a connection gets no answer."""
    with deaf() as address, monkeypatch.context() as patch:
        patch.setattr(transport, "CONNECT_LIMIT", 0.2)
        result = await ask(server, dialect, url=address)
    assert type(result.failure) is ServerUnreachableError
    assert "within 0.2 s" in str(result.failure)
    await assert_next_works(server, dialect)


@contextmanager
def deaf():
    """Give an address at which nobody takes a connection and nobody refuses one: its queue is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(20):
            knocking = stack.enter_context(socket.socket())
            knocking.settimeout(0.05)
            try:
                knocking.connect(listening.getsockname())
            except TimeoutError:
                break
            except OSError:
                pytest.skip("a full queue refuses on this system")
        else:
            pytest.skip("a queue is never full on this system")
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin_takes_no_token_there(server, dialect, status):
    async with scripted_server() as other:
        other.on(dialect.path, [HEAD, dialect.whole("stolen")])
        there = f"Location: {other.url}{dialect.path}"
        failure = await fails(server, dialect, [reply(status, b"", there)], ServerError)
        assert other.connections == 0
    assert other.url in str(failure)


async def test_a_redirect_loop_is_one_request(server, dialect):
    async with scripted_server() as other:
        other.on(dialect.path, [reply(307, b"", f"Location: {server.url}{dialect.path}")])
        there = f"Location: {other.url}{dialect.path}"
        await fails(server, dialect, [reply(307, b"", there)], ServerError)
        assert other.connections == 0


@pytest.mark.parametrize("proxy", [True, False])
async def test_https_that_ends_in_the_handshake(server, dialect, proxy):
    async def hang_up(_, writer):
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        given = {"proxy": f"http://127.0.0.1:{port}"} if proxy else {}
        result = await ask(server, dialect, url=f"https://127.0.0.1:{port}", **given)
    assert type(result.failure) is ServerUnreachableError
    await assert_next_works(server, dialect)


# -- Berlin's login

LOGIN_FAULTS: dict[str, tuple[Script, type[BerlinError]]] = {
    "silent": ([Then.HOLD], SilentTooLongError),
    "closed": ([], ServerUnreachableError),
    "reset": ([Then.RESET], ServerUnreachableError),
    "a head, then closed": ([head("Content-Length: 100")], ServerUnreachableError),
    "a head, then silent": ([HEAD, Then.HOLD], SilentTooLongError),
    "half a record": (
        [head("Content-Length: 100"), b'{"code": 0, "data": {"user_info": {"password": "canary'],
        IncorrectAnswerError,
    ),
    "a page": ([reply(200, b"<html>")], IncorrectAnswerError),
    "gateway down": ([reply(502, b"<html>")], ServerError),
    "too many": ([reply(429, b"")], RateLimitError),
    "endless": ([HEAD, *[b"x" * 2**20] * 9], ReplyTooLargeError),
}


@pytest.mark.parametrize("fault", LOGIN_FAULTS)
async def test_a_fault_at_login(server, fault):
    script, kind = LOGIN_FAULTS[fault]
    server.on("/api/login", script)
    result = await ask(server, BERLIN, token=None, account=ACCOUNT, password=PASSWORD)
    assert type(result.failure) is kind, repr(result.failure)
    # What does not get through may be tried again as a question is; a refusal is not.
    tries = {"closed": 3, "reset": 3, "gateway down": 6, "too many": 6}.get(fault, 1)
    assert [request.path for request in server.requests] == ["/api/login"] * tries
    await assert_next_works(server, BERLIN)


@pytest.mark.parametrize("fault", LOGIN_FAULTS)
async def test_a_fault_at_the_login_that_follows_a_401(server, fault):
    script, kind = LOGIN_FAULTS[fault]
    server.on("/api/login", script)
    server.on(BERLIN.path, [envelope(4001, [], "no", status=401)])
    result = await ask(server, BERLIN, account=ACCOUNT, password=PASSWORD, retries=0)
    assert type(result.failure) is kind, repr(result.failure)
    await server.at_rest()
    assert [request.path for request in server.requests] == [BERLIN.path, "/api/login"]
    await assert_next_works(server, BERLIN)


async def test_401_on_every_call(server):
    server.on("/api/login", [envelope(0, {"token": NEW_TOKEN})])
    server.on(BERLIN.path, [envelope(4001, [], "no", status=401)])
    result = await ask(server, BERLIN, account=ACCOUNT, password=PASSWORD)
    assert type(result.failure) is NotAllowedError
    assert [request.path for request in server.requests] == [BERLIN.path, "/api/login", BERLIN.path]


async def test_a_login_that_fails_at_renewal(server):
    server.on("/api/login", [envelope(-1, [], "密码不正确", status=406)])
    server.on(BERLIN.path, [envelope(4001, [], "no", status=401)])
    result = await ask(server, BERLIN, account=ACCOUNT, password=PASSWORD)
    assert "密码不正确" in str(result.failure)
    assert [request.path for request in server.requests] == [BERLIN.path, "/api/login"]


async def test_many_at_once_meet_each_its_own_fault(server, dialect):
    """Of questions asked at the same time, each gets its own end and its own text."""

    def script(request: Request) -> Script:
        number = int(
            request.headers["accept-language"] if False else json.dumps(request.json).split("no. ")[1].split('"')[0]
        )
        words = [dialect.word(f"{number} "), 0.01]
        return [HEAD, *words, *([] if number % 2 else [dialect.whole(f"{number}")])]

    server.on(dialect.path, script)
    questions = [[{"role": "user", "content": f"no. {number}"}] for number in range(30)]
    settings = {"url": server.url, "silence": 5.0, **dialect.settings}
    results = await asyncio.gather(
        *(outcome(dialect.provider.create_async_generator("m", question, **settings)) for question in questions)
    )
    for number, result in enumerate(results):
        assert result.text == (f"{number} " if number % 2 else f"{number} {number}")
        assert type(result.error) is (IncompleteReplyError if number % 2 else type(None))
