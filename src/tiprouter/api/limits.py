"""May this request be worked on, now, by this caller?

1. Who is not known yet is counted by source: answers that ask for no credential, and credentials that were not valid or
   that nobody had time to look at. A source that guessed too often is told to wait before anything is looked up, unless
   its token was let in lately.
2. Who is known is counted by credential, reads apart from writes. The answer says what is left
   (draft-ietf-httpapi-ratelimit-headers), a refusal when to come back.
3. A withdrawal of consent, whole or in part, is always taken: neither budgets nor load refuse it, and it costs nothing.
4. A tip or case that tells of immediate danger (`violence.immediate` is `yes`) is always worked on. Beyond its caller's
   budget its body is read only if the head says `Priority: u=0` (RFC 9218), which is believed of the intake alone and
   held against the body: a claim that the body does not bear out costs double and is logged.
5. When too many requests are worked on at once, the next is refused (503) before its story begins; the last places are
   the intake's writes'. Bodies are read before that, so that a slow one holds no place. Answers that only wait (an
   agency's inbox) hold none either, nor do the questions whether the service lives.
6. Nothing that has begun is ever cut short by a limit: a 201 that was earned is given.

Not promised: that an intake's credential in wrong hands cannot flood the service with danger that is none.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Scope

from tiprouter.api import access
from tiprouter.api.errors import TooManyError, UnauthenticatedError
from tiprouter.domain.limits import Budget, Passage, Spent, source_of
from tiprouter.domain.vocabulary import Answer
from tiprouter.errors import NotFoundError
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.porter import BusyError

log = structlog.get_logger()

WITHDRAWALS: Final = frozenset(
    {("POST", "/v1/consents/{consent_id}/withdraw"), ("POST", "/v1/consents/{consent_id}/narrow")}
)
"""What is always taken (rule 3)."""

RECORDS: Final = frozenset({("POST", "/v1/tips"), ("PUT", "/v1/cases/{case_id}")})
"""What may tell of immediate danger (rule 4)."""

UNCOUNTED: Final = frozenset({("GET", "/healthz"), ("GET", "/readyz")})
WAITING: Final = frozenset({("GET", "/v1/inbox")})

TOO_MANY: Final = 429
_SHOWN: Final = "tiprouter.spent"
_URGENCY: Final = re.compile(r"u=([0-7])[ \t]*(?:;.*)?", re.ASCII)


class Turn:
    """One request on its way past the limits: `admit` or `greet`, then `hear` its body, then work while `working`."""

    def __init__(self, request: Request, method: str, template: str) -> None:
        self._request, self._route, self._office = request, (method, template), access.office_of(request)
        self._claimed = self._over = False
        self._passage = Passage.ALWAYS if self._route in WITHDRAWALS else Passage.ORDINARY

    def greet(self) -> None:
        """Count somebody who needs no credential (rule 1): a write is an attempt to sign in. Raises `TooManyError`."""
        if self._route not in UNCOUNTED:
            self._require(Budget.STRANGER if self._route[0] == "GET" else Budget.ATTEMPT, source(self._request))

    async def admit(self, roles: frozenset[CallerRole]) -> None:
        """Let the caller in as `access.admit` does, and count (rules 1 to 4). Raises what that does, `TooManyError`."""
        limiter, where, shown = self._office.limiter, source(self._request), _presented(self._request)
        looked_up = self._route in WITHDRAWALS | RECORDS or limiter.remembers(shown)
        spent = limiter.look(Budget.ATTEMPT, where, self._office.desk.now())
        if not spent.enough and not looked_up:
            self._refuse(Budget.ATTEMPT, spent)
        try:
            await access.admit(self._request, roles)
        except UnauthenticatedError:
            self._require(Budget.ATTEMPT, where)
            raise
        except BusyError:
            self._spend(Budget.ATTEMPT, where)
            raise
        except NotFoundError:
            self._charge()
            raise
        limiter.remember(shown)
        self._charge()

    def hear(self, value: Any) -> None:  # noqa: ANN401 - JSON has no narrower type
        """Hold the head's claim against the body (rule 4). Raises `TooManyError`."""
        danger = self._route in RECORDS and _tells_of_danger(value)
        if danger:
            self._passage = Passage.ALWAYS
        elif self._claimed:
            actor = access.caller(self._request)
            log.warning("limit.claim-untrue", id=access.visit_of(self._request).request_id, caller=actor.id)
            spent = self._spend(Budget.WRITE, actor.id, owing=True)
            if self._over:
                self._refuse(Budget.WRITE, spent)

    def working(self) -> AbstractContextManager[None]:
        """Take a place while the request is worked on (rule 5). Raises `OverloadedError`."""
        if self._route in UNCOUNTED | WAITING:
            return nullcontext()
        return self._office.limiter.working(self._passage)

    def _charge(self) -> None:
        """Rules 2 to 4, for whoever is known."""
        actor = access.caller(self._request)
        if self._route in WITHDRAWALS:
            return
        if self._route[0] == "GET":
            self._require(Budget.READ, actor.id)
            return
        if actor.role == CallerRole.INTAKE:
            self._passage = Passage.INTAKE
            self._claimed = self._route in RECORDS and claims_urgency(self._request)
        spent = self._spend(Budget.WRITE, actor.id, owing=self._claimed)
        self._over = not spent.enough
        if self._over and not self._claimed:
            self._refuse(Budget.WRITE, spent)

    def _require(self, budget: Budget, who: str) -> None:
        spent = self._spend(budget, who)
        if not spent.enough:
            self._refuse(budget, spent)

    def _spend(self, budget: Budget, who: str, *, owing: bool = False) -> Spent:
        spent = self._office.limiter.spend(budget, who, self._office.desk.now(), owing=owing)
        self._request.scope[_SHOWN] = budget, spent
        return spent

    def _refuse(self, budget: Budget, spent: Spent) -> None:
        self._request.scope[_SHOWN] = budget, spent
        raise TooManyError


def source(request: Request) -> str:
    """Where a request comes from, as sources are counted."""
    return source_of("" if request.client is None else request.client.host)


def greets_lost(request: Request) -> bool:
    """Count somebody who asks for what is nowhere (rule 1); whether they are to be answered at all."""
    office = access.office_of(request)
    spent = office.limiter.spend(Budget.STRANGER, source(request), office.desk.now())
    request.scope[_SHOWN] = Budget.STRANGER, spent
    return spent.enough


def claims_urgency(request: Request) -> bool:
    """Whether the head says `Priority: u=0` (RFC 9218 section 4.1); of several the last counts."""
    members = [one.strip() for line in request.headers.getlist("priority") for one in line.split(",")]
    stated = [found[1] for one in members if (found := _URGENCY.fullmatch(one))]
    return stated[-1:] == ["0"]


def show(headers: MutableHeaders, scope: Scope, status: int, size_of: Callable[[Budget], int]) -> None:
    """Say what is left of the budget that was spent, and on a refusal when to come back (rule 2)."""
    if _SHOWN not in scope:
        return
    budget, spent = scope[_SHOWN]
    if size := size_of(budget):
        headers["RateLimit-Policy"] = f'"{budget}";q={size};w=60'
        headers["RateLimit"] = f'"{budget}";r={spent.left};t={spent.full_in}'
    if status == TOO_MANY:
        headers.setdefault("Retry-After", str(max(spent.enough_in, 1)))


def _presented(request: Request) -> str:
    """What a caller shows to be let in, whatever it is."""
    return "\n".join(request.headers.getlist("authorization") + request.headers.getlist("cookie"))


def _tells_of_danger(value: Any) -> bool:  # noqa: ANN401 - as above
    violence = value.get("violence") if isinstance(value, dict) else None
    return isinstance(violence, dict) and violence.get("immediate") == Answer.YES.value
