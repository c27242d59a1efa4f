"""How does a caller who lost an answer get the same one again? (Idempotency-Key)

1. Every POST and PUT carries one key of 1 to 255 visible ASCII characters; it belongs to its caller and route.
2. The request behind a key is its method, path and body; the body is compared in canonical spelling, so that white
   space and the order of names do not matter.
3. An answer is stored in the transaction of its effect (`workflow/once.py`), sealed under the data key of what it made;
   the same request gets the same status and body again, and `Idempotent-Replayed: true`.
4. Refusals are not stored: nothing happened, and the same request may be sent again.
5. While this process answers a request, the same one is told to wait.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from tiprouter.api import access
from tiprouter.api.errors import KeyMissingError
from tiprouter.api.office import Office
from tiprouter.storage.answers import Asked
from tiprouter.storage.database import Transaction
from tiprouter.workflow.once import Answer, InFlightError, once

METHODS: Final = frozenset({"POST", "PUT"})
REPLAYED: Final = "Idempotent-Replayed"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def key_of(headers: Headers) -> str:
    """The request's key (rule 1). Raises `KeyMissingError`."""
    sent = headers.getlist("idempotency-key")
    if len(sent) != 1 or not _KEY.fullmatch(sent[0]):
        raise KeyMissingError
    return sent[0]


def asked(request: Request) -> Asked:
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
    if asked in office.in_flight:
        raise InFlightError
    office.in_flight.add(asked)
    try:
        # If we were to crash after this commits and before the caller has the answer, the key brings it back.
        given, replayed = await office.database.write(lambda tx: once(tx, office.desk, asked, lambda: story(tx)))
    finally:
        office.in_flight.discard(asked)
    if replayed:
        return Response(given.body, given.status, {REPLAYED: "true"}, "application/json")
    return Response(fresh(given.body), given.status, None, "application/json")
