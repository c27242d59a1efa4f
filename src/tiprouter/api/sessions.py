"""How does a browser carry a session, and when is that believed?

1. The cookie is `__Host-tiprouter`: https alone, no script reads it, no other host sets it, no other site sends it. In
   a sandbox over http it is `tiprouter`, because browsers refuse the prefix there.
2. It is looked at only where no `Authorization` is sent. What another site made the browser ask is refused by
   `Sec-Fetch-Site`, or by `Origin` where a browser sends none; a write needs a header as well (`X-CSRF-Token`, derived
   from the session's token), which no other site can send (OWASP, signed double submit).
3. A form of our own pages holds the same word in a field.
4. That a session is used is remembered with the request, at most once a minute.

Whatever is wrong, the cookie is no credential, and the caller is told what nobody is told.
"""

import hashlib
import hmac
import re
from typing import Final, cast
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from tiprouter.api.office import Office
from tiprouter.workflow import signing_in
from tiprouter.workflow.happening import Actor

CSRF: Final = "x-csrf-token"
ROUND_SECONDS: Final = 600
_SAFE: Final = frozenset({"GET", "HEAD"})
_TOKEN: Final = re.compile(r"ts_[A-Za-z0-9_-]{43}", re.ASCII)


async def token_of(request: Request, bearer: str | None) -> str | None:
    """The token that a request presents: its bearer token, or a session's from the cookie (rules 1, 2, 4)."""
    token = bearer
    if token is None and "authorization" not in request.headers:
        token = cookie_token(request)
        if token is not None and not (same_origin(request) and _says_csrf(request, token)):
            token = None
    if token is not None and token.startswith(signing_in.PREFIX):
        await _see(request, token)
    return token


def cookie_token(request: Request) -> str | None:
    """What the cookie holds, if it could be a session's token."""
    held = request.cookies.get(_name(request, "tiprouter"), "")
    return held if _TOKEN.fullmatch(held) else None


def same_origin(request: Request) -> bool:
    """Whether our own page asks, or somebody who typed the address (rule 2)."""
    safe = request.method in _SAFE
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin" or (safe and site == "none")
    origin = request.headers.get("origin")
    if origin is None:
        return safe
    try:
        return urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:  # no origin of a browser's, so not ours
        return False


def csrf_of(token: str) -> str:
    """The word that goes with a session's writes from a browser (rules 2 and 3)."""
    return hashlib.sha256(f"csrf:{token}".encode()).hexdigest()


def is_csrf(said: str, token: str) -> bool:
    """Whether this is that word."""
    return hmac.compare_digest(said.encode(), csrf_of(token).encode())


async def signed_in(request: Request, form_word: str | None = None) -> Actor | None:
    """Who is signed in in this browser; a form brings the word in a field (rule 3)."""
    office = _office(request)
    token = cookie_token(request)
    if token is None or not same_origin(request):
        return None
    if request.method not in _SAFE and (form_word is None or not is_csrf(form_word, token)):
        return None
    await _see(request, token)
    return await office.database.read(lambda tx: signing_in.identify(tx, token, office.desk.now()))


def keep(request: Request, response: Response, token: str) -> None:
    """Give the browser a session (rule 1). It ends with the browser, or when the service says so."""
    _set(request, response, "tiprouter", token, "strict", None)


def drop(request: Request, response: Response) -> None:
    """Take it away, and all that the browser kept of us."""
    _set(request, response, "tiprouter", "", "strict", 0)
    response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'


def keep_round(request: Request, response: Response, holder: str) -> None:
    """Give the browser the secret of a round that it began; it must come back from another site with it."""
    _set(request, response, "tiprouter-round", holder, "lax", ROUND_SECONDS)


def round_of(request: Request) -> str:
    """The secret of the round that this browser began, or nothing."""
    return request.cookies.get(_name(request, "tiprouter-round"), "")


def _says_csrf(request: Request, token: str) -> bool:
    return request.method in _SAFE or is_csrf(request.headers.get(CSRF, ""), token)


async def _see(request: Request, token: str) -> None:
    office = _office(request)
    now = office.desk.now()
    session = await office.database.read(lambda tx: signing_in.unseen(tx, token, now))
    if session is not None:
        found = session
        await office.database.write(lambda tx: signing_in.see(tx, found, now), quietly=True)


def _set(request: Request, response: Response, name: str, value: str, site: str, seconds: int | None) -> None:
    parts = [f"{_name(request, name)}={value}", "Path=/", "HttpOnly", f"SameSite={site.title()}"]
    parts += ["Secure"] if _office(request).front.secure else []
    parts += [] if seconds is None else [f"Max-Age={seconds}"]
    response.headers.append("Set-Cookie", "; ".join(parts))


def _name(request: Request, name: str) -> str:
    return f"__Host-{name}" if _office(request).front.secure else name


def _office(request: Request) -> Office:
    return cast("Office", request.app.state.office)
