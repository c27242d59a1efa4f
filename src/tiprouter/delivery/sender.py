"""How is one attempt made, whatever the other side does?

1. Only a `Redacted` body is sent, or what encryption made of one for this very message, or a page that `domain/page.py`
   made, and only signed (`NotRedactedError`, `SigningError` before anything is dialled: these are defects of the
   caller, not news about the recipient).
2. Every address is checked where it is dialled (`dialling`); redirects are not followed, proxies, netrc and cookies of
   the environment are not used.
3. One deadline covers DNS, connecting, TLS, request, headers and body, with `asyncio.timeout`. Whoever holds the
   attempt's `Flight` may end it sooner; an answer whose head was here by then counts.
4. Once a whole head of an answer is here its status decides. What is wrong with the body (too long, too slow, cut off,
   a lie about its length) only shortens the snippet: the recipient did say that it has the message, and asking again
   would deliver twice. Whether anybody read it is the acknowledgement's question. (Bytes that are not HTTP and arrive
   together with the head spoil the head too: the parser gives up the whole reading.)
5. At most 64 KiB of body and 8 KiB of a header line are read; identity encoding, nothing is decompressed.
6. Whatever happens on the way is an `Attempted`; only cancellation is raised. No error of the HTTP library leaves,
   since such errors quote URLs and bytes.
7. Certificates and host names are always verified, TLS is 1.2 or later; a context that does less is refused. One
   context serves all connections of recipients that trust alike, because making one costs tens of milliseconds; those
   that trust differently share neither context nor connections (`pools`).
8. Connections are kept for 4 s only: many servers close at 5 s, and a request written into a closing connection is
   lost. One whose name leads elsewhere by now, or on which bytes came that nobody asked for, is closed, and another is
   opened in its place (`dialling`, rules 4 and 5).

It does not bound how many attempts run at once: the dispatcher does, per recipient, so that nobody's deadline is spent
waiting for somebody else's connection here.
"""

import asyncio
import io
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from tiprouter.delivery import signing
from tiprouter.delivery.addresses import Endpoint, ForbiddenAddressError, Networks, check_url
from tiprouter.delivery.attempts import Attempted, AttemptResult, Envelope
from tiprouter.delivery.dialling import (
    CheckedResolver,
    CheckedSockets,
    Lookup,
    MovedError,
    StrayBytesError,
    SystemLookup,
    checked_request,
)
from tiprouter.delivery.encryption import CONTENT_TYPE as ENCRYPTED_TYPE
from tiprouter.delivery.encryption import Encrypted
from tiprouter.delivery.flight import CURRENT, Flight
from tiprouter.delivery.pools import Pools
from tiprouter.delivery.schedule import parse_retry_after
from tiprouter.delivery.trust import Trust, TrustError, open_context
from tiprouter.domain.page import PageBody
from tiprouter.domain.redaction import Redacted
from tiprouter.errors import ConfigurationError, TiprouterError

__all__ = ["AttemptResult", "Attempted", "Envelope", "NotRedactedError", "Sender", "open_session"]

BODY_BYTES_MAX = 65_536
SNIPPET_BYTES_MAX = 1_024
HEADER_LINE_BYTES_MAX = 8_192
HEADERS_MAX = 64
READ_BUFFER_BYTES = 16_384
KEEP_ALIVE_SECONDS = 4.0
CONNECTIONS_TRIED_MAX = 3
TRUSTS_MAX = 256
USER_AGENT = "tiprouter"

_GONE = 410
_THROTTLES = frozenset({429, 503})
_SUCCESSES = range(200, 300)


class NotRedactedError(TiprouterError):
    """Only a payload that redaction made may be sent."""


@dataclass(slots=True)
class _Answer:
    """What is known so far of the answer; filled in as it arrives, so that a failure later loses none of it."""

    status: int | None = None
    retry_after: str | None = None
    snippet: bytes = b""


class Sender:
    """Makes attempts over one pool of connections: `async with Sender(sandbox=False) as sender`.

    `ssl_context` is the trust to use in place of the system's; `lookup` a resolver in place of the system's; `networks`
    are private ones that may be dialled, for the operator's own webhook and nothing else.
    """

    def __init__(
        self,
        *,
        sandbox: bool,
        ssl_context: ssl.SSLContext | None = None,
        lookup: Lookup | None = None,
        networks: Networks = (),
    ) -> None:
        context = ssl_context or ssl.create_default_context()
        if (
            context.verify_mode != ssl.CERT_REQUIRED
            or not context.check_hostname
            or context.minimum_version < ssl.TLSVersion.TLSv1_2
        ):
            raise ConfigurationError("A TLS context for delivery verifies certificates and host names, by TLS 1.2 on.")
        self._sandbox, self._networks = sandbox, networks
        self._context = context
        self._lookup = lookup
        self._system_lookup = SystemLookup()
        self._session: aiohttp.ClientSession | None = None
        self._pools: Pools[aiohttp.ClientSession] = Pools(self._open_trusting, TRUSTS_MAX)

    async def __aenter__(self) -> Self:
        self._system_lookup = SystemLookup()
        self._session = self._open(self._context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = None
        await self._pools.close()
        self._system_lookup.close()

    async def send(self, envelope: Envelope, flight: Flight | None = None) -> Attempted:
        """Make one attempt, which `flight` may end, and say what came of it; raises only as rules 1 and 6 say."""
        if self._session is None:
            raise ConfigurationError("A Sender sends inside `async with` only.")
        if not isinstance(envelope.body, Redacted | PageBody | Encrypted):
            raise NotRedactedError
        encrypted = isinstance(envelope.body, Encrypted)
        if isinstance(envelope.body, Encrypted) and envelope.body.webhook_id != envelope.webhook_id:
            raise NotRedactedError("What was encrypted for one message is not sent as another.")
        headers = {
            **signing.headers(envelope.webhook_id, envelope.timestamp, envelope.body.body, envelope.secrets),
            "Content-Type": ENCRYPTED_TYPE if encrypted else envelope.content_type,
            "Accept-Encoding": "identity",
        }
        clock = asyncio.get_running_loop().time
        started_at = clock()
        flight, answer = flight or Flight(), _Answer()
        token = CURRENT.set(flight)
        failed_as = AttemptResult.PROTOCOL_ERROR
        try:
            endpoint = check_url(envelope.url, sandbox=self._sandbox, networks=self._networks)
            async with flight.lasting(envelope.timeout_seconds):
                if envelope.trust is None:
                    await _exchange(self._session, endpoint, headers, envelope.body.body, answer)
                else:
                    async with self._pools.lend(envelope.trust) as session:
                        await _exchange(session, endpoint, headers, envelope.body.body, answer)
        except Exception as error:  # noqa: BLE001 - rule 6; cancellation is no Exception and passes
            failed_as = AttemptResult.ABORTED if flight.aborted else _judge_failure(error)
        finally:
            CURRENT.reset(token)
        elapsed_seconds = clock() - started_at
        result = failed_as if answer.status is None else _judge_status(answer.status)
        retry_after_seconds = None
        if result is AttemptResult.THROTTLED:
            now = datetime.fromtimestamp(envelope.timestamp, UTC) + timedelta(seconds=elapsed_seconds)
            retry_after_seconds = parse_retry_after(answer.retry_after, now)
        return Attempted(
            result=result,
            status=answer.status,
            retry_after_seconds=retry_after_seconds,
            duration_ms=round(elapsed_seconds * 1000),
            dialled=flight.address,
            snippet=answer.snippet,
            sent=flight.aborted if result is AttemptResult.ABORTED else None,
        )

    def _open(self, context: ssl.SSLContext) -> aiohttp.ClientSession:
        lookup = self._lookup or self._system_lookup
        return open_session(context, lookup, sandbox=self._sandbox, networks=self._networks)

    async def _open_trusting(self, trust: Trust) -> aiohttp.ClientSession:
        # In a thread: the system's authorities take tens of milliseconds to read.
        return self._open(await asyncio.to_thread(open_context, trust))


def open_session(
    context: ssl.SSLContext, lookup: Lookup, *, sandbox: bool, networks: Networks = ()
) -> aiohttp.ClientSession:
    """Return a session with every guard of rules 2, 5, 7 and 8 in place."""
    resolver = CheckedResolver(lookup, sandbox=sandbox, networks=networks)
    connector = aiohttp.TCPConnector(
        ssl=context,
        resolver=resolver,
        use_dns_cache=False,
        socket_factory=CheckedSockets(sandbox=sandbox, networks=networks),
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        limit=0,
    )
    return aiohttp.ClientSession(
        connector=connector,
        request_class=checked_request(resolver, sandbox=sandbox, networks=networks),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={"User-Agent": USER_AGENT},
        # asyncio.timeout is the one deadline: the library's own limits are per step and rounded up.
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        read_bufsize=READ_BUFFER_BYTES,
        max_line_size=HEADER_LINE_BYTES_MAX,
        max_field_size=HEADER_LINE_BYTES_MAX,
        max_headers=HEADERS_MAX,
    )


async def _exchange(
    session: aiohttp.ClientSession, endpoint: Endpoint, headers: dict[str, str], body: bytes, answer: _Answer
) -> None:
    url = URL(endpoint.url, encoded=True)
    if (url.scheme, url.raw_host, url.port) != (endpoint.scheme, endpoint.host, endpoint.port):
        # Two parsers that disagree about a host are how a checked URL turns into another one.
        raise ForbiddenAddressError
    response = await _post(session, url, headers, body)
    try:
        answer.status = response.status
        answer.retry_after = response.headers.get("Retry-After")
        seen_bytes = 0
        async for chunk in response.content.iter_any():
            seen_bytes += len(chunk)
            answer.snippet += chunk[: SNIPPET_BYTES_MAX - len(answer.snippet)]
            if seen_bytes >= BODY_BYTES_MAX:
                break
    finally:
        # A body read to its end has given its connection back already; any other is not worth keeping.
        response.close()


async def _post(
    session: aiohttp.ClientSession, url: URL, headers: dict[str, str], body: bytes
) -> aiohttp.ClientResponse:
    strays = 0
    while True:
        # Nothing was written to a connection that is refused, so that trying another is no second attempt.
        try:
            return await session.post(url, data=io.BytesIO(body), headers=headers, allow_redirects=False)
        except MovedError:
            # It is closed by now, and there are only as many as were kept: a new one leads where its name does.
            continue
        except StrayBytesError:
            strays += 1
            if strays == CONNECTIONS_TRIED_MAX:
                raise


def _judge_status(status: int) -> AttemptResult:
    if status in _SUCCESSES:
        return AttemptResult.SUCCESS
    if status == _GONE:
        return AttemptResult.GONE
    return AttemptResult.THROTTLED if status in _THROTTLES else AttemptResult.HTTP_ERROR


def _judge_failure(failure: Exception) -> AttemptResult:
    causes = list(_causes(failure))
    if isinstance(failure, ForbiddenAddressError):
        return AttemptResult.FORBIDDEN_ADDRESS
    if isinstance(failure, TimeoutError):
        return AttemptResult.TIMEOUT
    if any(isinstance(cause, ssl.SSLError | aiohttp.ClientSSLError | TrustError) for cause in causes):
        return AttemptResult.TLS_ERROR
    if any(isinstance(cause, LineTooLong) for cause in causes):
        return AttemptResult.RESPONSE_TOO_LARGE
    if isinstance(failure, aiohttp.ClientConnectionError | OSError):
        return AttemptResult.CONNECTION_ERROR
    return AttemptResult.PROTOCOL_ERROR


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    # The library wraps a parser's or TLS's own error, twice at times, and only that one says what went wrong.
    while failure is not None:
        yield failure
        failure = failure.__cause__
