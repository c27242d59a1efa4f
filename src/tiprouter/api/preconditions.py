"""Against which revision was this change made? (RFC 9110 section 13.1)

1. A revision's ETag is its number in quotes, strong: `"3"`.
2. A change names the one revision it was made against in If-Match; a creation says If-None-Match: *. Neither: 428.
3. A list, a weak tag, `*` in If-Match, both headers, or a header twice cannot be read: 400.
"""

import re
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from tiprouter.api.errors import PreconditionMalformedError, PreconditionMissingError

_TAG: Final = re.compile(r'"([0-9]{1,9})"', re.ASCII)


def etag(revision: int) -> str:
    """A revision's ETag."""
    return f'"{revision}"'


def named(request: Request) -> int | None:
    """The revision in If-Match, or None without the header."""
    if (sent := _once(request, "if-match")) is None:
        return None
    match = _TAG.fullmatch(sent)
    if match is None:
        raise PreconditionMalformedError
    return int(match[1])


def required(request: Request) -> int:
    """The revision in If-Match. Raises `PreconditionMissingError` without the header."""
    revision = named(request)
    if revision is None:
        raise PreconditionMissingError
    return revision


async def named_or_new(request: Request) -> int | None:  # what is not awaited takes a thread of the framework's
    """The revision in If-Match, or None for a creation (If-None-Match: *)."""
    revision, absent = named(request), _once(request, "if-none-match")
    if absent is None and revision is None:
        raise PreconditionMissingError
    if absent is not None and (absent != "*" or revision is not None):
        raise PreconditionMalformedError
    return revision


def _once(request: Request, header: str) -> str | None:
    sent = request.headers.getlist(header)
    if len(sent) > 1:
        raise PreconditionMalformedError
    return sent[0].strip() if sent else None


Named = Annotated[int | None, Depends(named)]
Required = Annotated[int, Depends(required)]
NamedOrNew = Annotated[int | None, Depends(named_or_new)]
