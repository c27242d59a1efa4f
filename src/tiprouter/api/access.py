"""Who may use which route?

1. The table below is the whole answer: a route that is not in it cannot be built, and a role that is not in its row is
   told the same as about something that does not exist (`NotFoundError`: same status, body and headers). That they
   were is in the log before they are told (`access.refused`; `workflow/tally.py`).
2. A caller is looked up on every request; an ended credential ends at once (`workflow/porter.py`). One that was given
   part of its role's routes is told the same about the others as another role is (`api/scopes.py`).
3. Counsel writes and approves policy, and only counsel: who runs the service may bring into force what was approved.
4. An agency's caller sees its own disclosures only, once sent; the stories see to that (`acknowledging.visible`).
5. This is asked before anything else of the request is read: a body, a key or a precondition never tells a caller who
   may not be here that something is.

Not promised here: that an absent thing takes as long to miss as a forbidden one. Both cost one token look-up, and the
first refusal in a minute an entry of the log: it tells of the route and of one's own role, never of a thing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, cast

from fastapi import Depends
from starlette.requests import Request
from starlette.routing import compile_path

from tiprouter.api import scopes, sessions
from tiprouter.api.errors import UnauthenticatedError
from tiprouter.api.office import Office
from tiprouter.domain.accounts import AccountRole
from tiprouter.errors import NotFoundError
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.presenting import Presented

_INTAKE, _REVIEWER, _AUDITOR, _OPERATOR, _AGENCY, _COUNSEL, _CUSTODIAN = (
    CallerRole.INTAKE,
    CallerRole.REVIEWER,
    CallerRole.AUDITOR,
    CallerRole.OPERATOR,
    CallerRole.AGENCY,
    CallerRole.COUNSEL,
    CallerRole.CUSTODIAN,
)
_PEOPLE: Final = frozenset(map(CallerRole, AccountRole))
_STAFF: Final = frozenset({_INTAKE, _REVIEWER, _AUDITOR, _OPERATOR})
_POLICY_READERS: Final = frozenset({_COUNSEL, _OPERATOR, _AUDITOR, _REVIEWER})
_SAYERS: Final = frozenset({_OPERATOR, _CUSTODIAN, _COUNSEL, _REVIEWER, _AUDITOR})
"""Who may say a second word of some act; of which, `workflow/second_words.py` says."""
PUBLIC: Final[frozenset[CallerRole]] = frozenset()
"""The row of a route that asks for no credential."""

TABLE: Final[Mapping[tuple[str, str], frozenset[CallerRole]]] = MappingProxyType(
    {
        ("POST", "/v1/tips"): frozenset({_INTAKE}),
        ("GET", "/v1/tips"): frozenset({_INTAKE, _REVIEWER}),
        ("GET", "/v1/tips/{tip_id}"): frozenset({_INTAKE, _REVIEWER}),
        ("PUT", "/v1/cases/{case_id}"): frozenset({_INTAKE}),
        ("GET", "/v1/cases"): frozenset({_INTAKE, _REVIEWER}),
        ("GET", "/v1/cases/{case_id}"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/consents"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/consents/{consent_id}/withdraw"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/consents/{consent_id}/confirm"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/consents/{consent_id}/narrow"): frozenset({_INTAKE, _REVIEWER}),
        ("GET", "/v1/consents/{consent_id}/receipt"): frozenset({_INTAKE, _REVIEWER}),
        ("GET", "/v1/consents"): frozenset({_INTAKE, _REVIEWER}),
        ("GET", "/v1/consents/{consent_id}"): frozenset({_INTAKE, _REVIEWER}),
        ("GET", "/v1/subjects/{person_id}/accounting"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/subjects/{person_id}/accounting/suspend"): frozenset({_OPERATOR, _REVIEWER}),
        ("POST", "/v1/subjects/{person_id}/erase"): frozenset({_REVIEWER}),
        ("POST", "/v1/records/{record_id}/erase"): frozenset({_REVIEWER}),
        ("POST", "/v1/records/{record_id}/hold"): frozenset({_REVIEWER}),
        ("POST", "/v1/records/{record_id}/release"): frozenset({_REVIEWER}),
        ("GET", "/v1/subject-notices"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/subject-notices/{notice_id}/give"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/subject-notices/{notice_id}/defer"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/recipients"): frozenset({_OPERATOR}),
        ("PUT", "/v1/recipients/{recipient_id}"): frozenset({_OPERATOR}),
        ("GET", "/v1/recipients"): _STAFF,
        ("GET", "/v1/recipients/{recipient_id}"): _STAFF,
        ("POST", "/v1/recipients/{recipient_id}/signing-keys"): frozenset({_OPERATOR}),
        ("POST", "/v1/recipients/{recipient_id}/changes"): frozenset({_OPERATOR}),
        ("GET", "/v1/recipients/{recipient_id}/changes"): frozenset({_OPERATOR, _AUDITOR}),
        ("POST", "/v1/endpoint-changes/{change_id}/confirm"): frozenset({_OPERATOR}),
        ("POST", "/v1/endpoint-changes/{change_id}/withdraw"): frozenset({_OPERATOR}),
        ("POST", "/v1/recipients/{recipient_id}/test"): frozenset({_OPERATOR}),
        ("GET", "/v1/recipients/{recipient_id}/health"): frozenset({_OPERATOR, _AUDITOR}),
        ("GET", "/v1/decisions"): frozenset({_REVIEWER, _AUDITOR}),
        ("GET", "/v1/decisions/withheld"): frozenset({_REVIEWER, _AUDITOR}),
        ("GET", "/v1/timeliness"): frozenset({_REVIEWER, _AUDITOR, _OPERATOR}),
        ("GET", "/v1/reports/federal"): frozenset({_AUDITOR, _OPERATOR}),
        ("GET", "/v1/transparency"): PUBLIC,
        ("GET", "/v1/decisions/{decision_id}"): frozenset({_REVIEWER, _AUDITOR}),
        ("POST", "/v1/bundles"): frozenset({_COUNSEL}),
        ("GET", "/v1/bundles"): _POLICY_READERS,
        ("POST", "/v1/bundles/rollback"): frozenset({_COUNSEL, _OPERATOR}),
        ("GET", "/v1/bundles/{digest}"): _POLICY_READERS,
        ("GET", "/v1/bundles/{digest}/files"): frozenset({_COUNSEL, _AUDITOR}),
        ("GET", "/v1/bundles/{digest}/difference"): frozenset({_COUNSEL, _AUDITOR}),
        ("POST", "/v1/bundles/{digest}/explain"): frozenset({_COUNSEL, _REVIEWER, _AUDITOR}),
        ("POST", "/v1/bundles/{digest}/check"): frozenset({_COUNSEL}),
        ("POST", "/v1/bundles/{digest}/approve"): frozenset({_COUNSEL}),
        ("POST", "/v1/bundles/{digest}/activate"): frozenset({_COUNSEL, _OPERATOR}),
        ("POST", "/v1/bundles/{digest}/simulate"): frozenset({_COUNSEL, _AUDITOR}),
        ("POST", "/v1/decisions/replay"): frozenset({_COUNSEL, _AUDITOR}),
        ("GET", "/v1/duties"): frozenset({_INTAKE, _REVIEWER, _AUDITOR}),
        ("GET", "/v1/duties/{duty_id}"): frozenset({_INTAKE, _REVIEWER, _AUDITOR}),
        ("POST", "/v1/duties/{duty_id}/calls"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/duties/{duty_id}/written-reports"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/duties/{duty_id}/written-requests"): frozenset({_INTAKE, _REVIEWER}),
        ("GET", "/v1/disclosures"): frozenset({_REVIEWER, _AUDITOR, _AGENCY}),
        ("GET", "/v1/disclosures/{disclosure_id}"): frozenset({_REVIEWER, _AUDITOR, _AGENCY}),
        ("POST", "/v1/disclosures/{disclosure_id}/acknowledgements"): frozenset({_AGENCY}),
        ("GET", "/v1/acknowledgements/{acknowledgement_id}/jws"): frozenset({_REVIEWER, _AUDITOR}),
        ("GET", "/v1/questions"): frozenset({_INTAKE, _REVIEWER}),
        ("GET", "/v1/questions/{question_id}"): frozenset({_INTAKE, _REVIEWER}),
        ("POST", "/v1/questions/{question_id}/answer"): frozenset({_INTAKE, _REVIEWER}),
        ("GET", "/v1/reviews"): frozenset({_REVIEWER, _AUDITOR}),
        ("GET", "/v1/reviews/{review_id}"): frozenset({_REVIEWER}),
        ("POST", "/v1/reviews/{review_id}/claim"): frozenset({_REVIEWER}),
        ("POST", "/v1/reviews/{review_id}/decide"): frozenset({_REVIEWER}),
        ("POST", "/v1/reviews/{review_id}/confirm"): frozenset({_REVIEWER}),
        ("GET", "/v1/deliveries"): frozenset({_REVIEWER, _AUDITOR, _OPERATOR, _AGENCY}),
        ("GET", "/v1/deliveries/{delivery_id}"): frozenset({_REVIEWER, _AUDITOR, _OPERATOR, _AGENCY}),
        ("POST", "/v1/deliveries/{delivery_id}/retry"): frozenset({_REVIEWER, _OPERATOR}),
        ("GET", "/v1/dead-letters"): frozenset({_REVIEWER, _AUDITOR, _OPERATOR}),
        ("POST", "/v1/replays"): frozenset({_REVIEWER, _OPERATOR}),
        ("GET", "/v1/replays"): frozenset({_REVIEWER, _AUDITOR, _OPERATOR}),
        ("GET", "/v1/replays/{replay_id}"): frozenset({_REVIEWER, _AUDITOR, _OPERATOR}),
        ("POST", "/v1/replays/{replay_id}/confirm"): frozenset({_REVIEWER, _OPERATOR}),
        ("POST", "/v1/replays/{replay_id}/stop"): frozenset({_REVIEWER, _OPERATOR}),
        ("GET", "/v1/inbox"): frozenset({_AGENCY}),
        ("GET", "/v1/inbox/{delivery_id}"): frozenset({_AGENCY}),
        ("POST", "/v1/inbox/{delivery_id}/ack"): frozenset({_AGENCY}),
        ("GET", "/v1/notices"): frozenset({_REVIEWER, _OPERATOR}),
        ("POST", "/v1/notices/{notice_id}/acknowledge"): frozenset({_REVIEWER, _OPERATOR}),
        ("GET", "/v1/audit/entries"): frozenset({_AUDITOR}),
        ("GET", "/v1/audit/entries/{index}"): frozenset({_AUDITOR}),
        ("GET", "/v1/audit/entries/{index}/proof"): frozenset({_AUDITOR}),
        ("GET", "/v1/audit/checkpoint"): PUBLIC,
        ("POST", "/v1/grants"): frozenset({_AUDITOR, _COUNSEL}),
        ("GET", "/v1/grants"): frozenset({_AUDITOR, _COUNSEL, _REVIEWER}),
        ("GET", "/v1/grants/{grant_id}"): frozenset({_AUDITOR, _COUNSEL, _REVIEWER}),
        ("POST", "/v1/grants/{grant_id}/approve"): frozenset({_COUNSEL, _REVIEWER}),
        ("POST", "/v1/grants/{grant_id}/revoke"): frozenset({_AUDITOR, _COUNSEL, _REVIEWER}),
        ("GET", "/v1/grants/{grant_id}/matter"): frozenset({_AUDITOR}),
        ("GET", "/v1/matters/{record_id}/audit-bundle"): frozenset({_AUDITOR, _REVIEWER}),
        ("GET", "/v1/second-words"): _SAYERS,
        ("GET", "/v1/second-words/{word_id}"): _SAYERS,
        ("POST", "/v1/second-words"): frozenset({_OPERATOR, _COUNSEL, _REVIEWER, _AUDITOR}),
        ("POST", "/v1/second-words/{word_id}/say"): _SAYERS,
        ("POST", "/v1/second-words/{word_id}/withdraw"): _SAYERS,
        ("GET", "/v1/audit/tile/entries/{path}"): frozenset({_AUDITOR}),
        ("GET", "/v1/audit/tile/{level}/{path}"): PUBLIC,
        ("GET", "/checkpoint"): PUBLIC,
        ("GET", "/tile/entries/{path}"): frozenset({_AUDITOR}),
        ("GET", "/tile/{level}/{path}"): PUBLIC,
        ("GET", "/v1/credentials"): frozenset({_OPERATOR}),
        ("POST", "/v1/credentials"): frozenset({_OPERATOR}),
        ("POST", "/v1/credentials/{credential_id}/rotate"): frozenset({_OPERATOR}),
        ("POST", "/v1/credentials/{credential_id}/confirm"): frozenset({_OPERATOR}),
        ("DELETE", "/v1/credentials/{credential_id}"): frozenset({_OPERATOR}),
        ("GET", "/v1/clients"): frozenset({_OPERATOR}),
        ("POST", "/v1/clients"): frozenset({_OPERATOR}),
        ("PUT", "/v1/clients/{client_id}/keys"): frozenset({_OPERATOR}),
        ("POST", "/v1/clients/{client_id}/confirm"): frozenset({_OPERATOR}),
        ("DELETE", "/v1/clients/{client_id}"): frozenset({_OPERATOR}),
        ("POST", "/v1/oauth/token"): PUBLIC,
        ("GET", "/.well-known/oauth-authorization-server"): PUBLIC,
        ("POST", "/v1/people"): frozenset({_OPERATOR}),
        ("GET", "/v1/people"): frozenset({_OPERATOR, _AUDITOR}),
        ("POST", "/v1/people/{account_id}/confirm"): frozenset({_OPERATOR}),
        ("POST", "/v1/people/{account_id}/suspend"): frozenset({_OPERATOR}),
        ("POST", "/v1/people/{account_id}/restore"): frozenset({_OPERATOR}),
        ("DELETE", "/v1/people/{account_id}"): frozenset({_OPERATOR}),
        ("POST", "/v1/invitations/redeem"): PUBLIC,
        ("POST", "/v1/invitations/confirm"): PUBLIC,
        ("POST", "/v1/sign-in/local"): PUBLIC,
        ("POST", "/v1/sign-in/oidc/begin"): PUBLIC,
        ("POST", "/v1/sign-in/oidc/finish"): PUBLIC,
        ("GET", "/v1/sign-in/oidc/callback"): PUBLIC,
        ("GET", "/v1/session"): _PEOPLE,
        ("POST", "/v1/session/step-up"): _PEOPLE,
        ("POST", "/v1/session/step-up/oidc"): _PEOPLE,
        ("POST", "/v1/session/password"): _PEOPLE,
        ("GET", "/v1/sessions"): _PEOPLE,
        ("DELETE", "/v1/sessions/{session_id}"): _PEOPLE,
        ("POST", "/v1/sign-out"): _PEOPLE,
        ("GET", "/sign-in"): PUBLIC,
        ("POST", "/sign-in"): PUBLIC,
        ("POST", "/sign-in/oidc"): PUBLIC,
        ("POST", "/sign-in/invitation"): PUBLIC,
        ("POST", "/sign-in/invitation/confirm"): PUBLIC,
        ("POST", "/sign-in/step-up"): PUBLIC,
        ("POST", "/sign-in/step-up/oidc"): PUBLIC,
        ("POST", "/sign-in/password"): PUBLIC,
        ("POST", "/sign-in/session/end"): PUBLIC,
        ("POST", "/sign-out"): PUBLIC,
        ("GET", "/healthz"): PUBLIC,
        ("GET", "/readyz"): PUBLIC,
        ("GET", "/docs"): PUBLIC,
        ("GET", "/openapi.json"): PUBLIC,
    }
)

_BEARER: Final = re.compile(r"bearer +([\x21-\x7e]{1,200})", re.ASCII | re.IGNORECASE)


@dataclass(slots=True)
class Visit:
    """One request as the edge knows it, more of it with every check passed.

    Its id, the template of its route, who asks, what they lack for the route (`role`, or a scope), its Idempotency-Key,
    its body's canonical bytes, and the thumbprint of the client certificate that a trusted proxy vouches for.
    """

    request_id: str
    template: str | None = None
    actor: Actor | None = None
    lacks: str | None = None
    key: str | None = None
    canonical: bytes = b""
    certificate: str | None = None


def visit_of(request: Request) -> Visit:
    """The visit that the edge opened for this request."""
    return cast("Visit", request.scope["tiprouter.visit"])


def office_of(request: Request) -> Office:
    """The office behind the application."""
    return cast("Office", request.app.state.office)


async def admit(request: Request, roles: frozenset[CallerRole]) -> None:
    """Let the caller in, or raise `UnauthenticatedError` or `NotFoundError` (rules 1 and 2)."""
    presented = request.headers.getlist("authorization")
    match = _BEARER.fullmatch(presented[0]) if len(presented) == 1 else None
    token = await sessions.token_of(request, None if match is None else match[1])
    if token is None:
        raise UnauthenticatedError
    office, visit = office_of(request), visit_of(request)
    actor = await office.porter.admit(office.database, office.desk, Presented(token, visit.certificate))
    if actor is None:
        raise UnauthenticatedError
    visit.actor = actor
    visit.lacks = _lacks(actor, roles, (request.method, visit.template or ""))
    if visit.lacks is not None:
        route = request.method, visit.template or ""
        await office.tally.refused(office.database, office.desk, actor, route, visit.lacks)
        raise NotFoundError


def _lacks(actor: Actor, roles: frozenset[CallerRole], route: tuple[str, str]) -> str | None:
    """What keeps an actor from a route: their role, or its scope. It is logged, and never told to them (rule 2)."""
    if actor.role not in roles:
        return "role"
    if actor.scopes is None:
        return None
    scope = scopes.scope_of(*route)
    return None if scope in actor.scopes else scope


async def admit_again(request: Request) -> None:
    """Look the caller up again after a wait. Raises as `admit` does."""
    await admit(request, TABLE[request.method, visit_of(request).template or ""])


def caller(request: Request) -> Actor:
    """Who was let in."""
    actor = visit_of(request).actor
    if actor is None:
        raise UnauthenticatedError
    return actor


async def _caller(request: Request) -> Actor:  # awaited: for anything else the framework takes a thread
    return caller(request)


async def _office(request: Request) -> Office:
    return office_of(request)


Caller = Annotated[Actor, Depends(_caller)]
Desks = Annotated[Office, Depends(_office)]


def methods_at(path: str) -> list[str]:
    """The methods that some route answers at this path, for `Allow` (RFC 9110 section 10.2.1)."""
    return sorted({method for method, pattern in _PATTERNS if pattern.fullmatch(path)})


_PATTERNS: Final = tuple(
    (method, re.compile(compile_path(template.replace("{path}", "{path:path}"))[0].pattern))
    for method, template in TABLE
)
