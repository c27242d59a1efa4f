"""How does a caller who lost an answer get the same one again? (Idempotency-Key)

1. Every POST and PUT carries one key of 1 to 255 visible ASCII characters; it belongs to its caller and route. Only a
   POST that asks and changes nothing (`QUESTIONS`) goes without.
2. The request behind a key is its method, path and body; the body is compared in canonical spelling, so that white
   space and the order of names do not matter.
3. An answer is stored in the transaction of its effect (`workflow/once.py`), sealed under the data key of what it made;
   the same request gets the same status and body again, and `Idempotent-Replayed: true`.
4. Refusals are not stored: nothing happened, and the same request may be sent again.
5. While a request is being answered, by this process or another, the same one waits for that answer, for
   `WAIT_SECONDS` at most; then it is told to come back (`InFlightError`). Whoever asks again and again while the
   database is away gets one answer a second or two, and the first one that there is.
6. What a story needs and takes too long for its transaction is made before, and only if no answer is stored.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Final, TypeVar

from fastapi import Depends
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from tiprouter import ids
from tiprouter.api import access
from tiprouter.api.errors import KeyMissingError
from tiprouter.api.office import Office
from tiprouter.storage.answers import Asked, Given
from tiprouter.storage.database import Transaction
from tiprouter.workflow.once import Answer, InFlightError, once

T = TypeVar("T")

_METHODS: Final = frozenset({"POST", "PUT"})
QUESTIONS: Final = frozenset(
    {
        ("POST", "/v1/bundles/{digest}/explain"),
        ("POST", "/v1/bundles/{digest}/simulate"),
        ("POST", "/v1/decisions/replay"),
        ("POST", "/v1/oauth/token"),
        ("POST", "/v1/invitations/redeem"),
        ("POST", "/v1/invitations/confirm"),
        ("POST", "/v1/sign-in/local"),
        ("POST", "/v1/sign-in/oidc/begin"),
        ("POST", "/v1/sign-in/oidc/finish"),
        ("POST", "/v1/session/step-up"),
        ("POST", "/v1/session/step-up/oidc"),
        ("POST", "/v1/session/password"),
        ("POST", "/v1/sign-out"),
        ("POST", "/sign-in"),
        ("POST", "/sign-in/oidc"),
        ("POST", "/sign-in/invitation"),
        ("POST", "/sign-in/invitation/confirm"),
        ("POST", "/sign-in/step-up"),
        ("POST", "/sign-in/step-up/oidc"),
        ("POST", "/sign-in/password"),
        ("POST", "/sign-in/session/end"),
        ("POST", "/sign-out"),
    }
)
"""What is asked by POST because it does not fit into a URL, or takes too long to be asked by accident; and an access
token, whose assertion counts once by itself, and what signs people in and out: a secret is never stored."""
REPLAYED: Final = "Idempotent-Replayed"
WAIT_SECONDS: Final = 1.0
"""So long the same request waits here, and as long again for another process."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


class _NotYetError(Exception):
    """No answer is stored."""


def needs_key(method: str, template: str) -> bool:
    """Whether a request to this route carries a key (rule 1)."""
    return method in _METHODS and (method, template) not in QUESTIONS


def key_of(headers: Headers) -> str:
    """The request's key (rule 1). Raises `KeyMissingError`."""
    sent = headers.getlist("idempotency-key")
    if len(sent) != 1 or not _KEY.fullmatch(sent[0]):
        raise KeyMissingError
    return sent[0]


async def asked(request: Request) -> Asked:  # what is not awaited would take a thread of the framework's
    """Who asks what (rule 2)."""
    visit, actor = access.visit_of(request), access.caller(request)
    if visit.key is None:
        raise KeyMissingError
    said = b"\n".join((request.method.encode(), request.url.path.encode(), visit.canonical))
    return Asked(
        caller=actor.id,
        route=f"{request.method} {visit.template}",
        key_digest=hashlib.sha256(visit.key.encode()).hexdigest(),
        request_digest=hashlib.sha256(said).hexdigest(),
    )


Asking = Annotated[Asked, Depends(asked)]


async def answer_once(
    office: Office, asked: Asked, story: Callable[[Transaction], Answer], fresh: Callable[[bytes], bytes] = bytes
) -> Response:
    """Tell a story unless it was told before, and answer with what it made (rules 3 and 5).

    `fresh` adds to a first answer what must not be stored; a replay goes without it.
    """
    async with _alone(office, asked):
        # If we were to crash after this commits and before the caller has the answer, the key brings it back.
        given, replayed = await _told(office.database.write, lambda tx: once(tx, office.desk, asked, lambda: story(tx)))
    return _replay(given) if replayed else Response(fresh(given.body), given.status, None, "application/json")


async def answer_prepared(
    office: Office, asked: Asked, prepare: Callable[[], Awaitable[T]], story: Callable[[Transaction, T], Answer]
) -> Response:
    """The same for a story that needs something made before its transaction (rule 6)."""
    async with _alone(office, asked):
        known = await _stored(office, asked)
        if known is not None:
            return _replay(known)
        made = await prepare()
        given, replayed = await _told(
            office.database.write, lambda tx: once(tx, office.desk, asked, lambda: story(tx, made))
        )
    return _replay(given) if replayed else Response(given.body, given.status, None, "application/json")


def about_nobody(tx: Transaction, office: Office) -> str:
    """The owner of an answer that is about nobody: a data key of its own."""
    owner = ids.mint("ans", office.desk.now(), office.desk.entropy(ids.RANDOM_BYTES))
    office.desk.vault.create(tx, owner, office.desk.now())
    return owner


@asynccontextmanager
async def _alone(office: Office, asked: Asked) -> AsyncIterator[None]:
    """Rule 5, in this process: no database is asked while the first one's answer is being made."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while (first := office.in_flight.get(asked)) is not None:
                await first.wait()
    except TimeoutError as error:
        raise InFlightError from error
    ended = office.in_flight[asked] = asyncio.Event()
    try:
        yield
    finally:
        del office.in_flight[asked]
        ended.set()


async def _told(
    tell: Callable[[Callable[[Transaction], tuple[Given, bool]]], Awaitable[tuple[Given, bool]]],
    story: Callable[[Transaction], tuple[Given, bool]],
) -> tuple[Given, bool]:
    """Rule 5, of another process: looked for again with growing pauses, and no connection is held between."""
    again = AsyncRetrying(
        retry=retry_if_exception_type(InFlightError),
        stop=stop_after_delay(WAIT_SECONDS),
        wait=wait_exponential_jitter(multiplier=0.02, jitter=0.02, max=WAIT_SECONDS / 4),
        reraise=True,
    )
    return await again(tell, story)


async def _stored(office: Office, asked: Asked) -> Given | None:
    try:
        given, _ = await _told(office.database.read, lambda tx: once(tx, office.desk, asked, _not_yet))
    except _NotYetError:
        return None
    return given


def _not_yet() -> Answer:
    raise _NotYetError


def _replay(given: Given) -> Response:
    return Response(given.body, given.status, {REPLAYED: "true"}, "application/json")
