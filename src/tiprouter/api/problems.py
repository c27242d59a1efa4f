"""Which problem document does an error become? (RFC 9457)

1. This is the one place where problem documents are made; every refusal of the service is one row of the table.
2. A document says nothing that the caller sent: details are ours, pointers name fields of our own schema and array
   indexes (RFC 6901), reasons come from a closed table. What is wrong with a policy bundle is told with file, line and
   the reader's own reason: a bundle is about nobody.
3. Not found is one document, whatever was not found and whoever asked; but for what the log has not grown to, of which
   it is said how long the log is: its checkpoint tells that to everybody, and no thing is behind it.
4. What the table does not know is a defect: 500, and only the error's class is logged.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from tiprouter.api import errors, reasons
from tiprouter.api.strict_json import Fault, StrictJsonError
from tiprouter.domain.widening import TooEarlyError
from tiprouter.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from tiprouter.policy.gate.extras import GateUnavailableError
from tiprouter.policy.gate.solver import UndecidedError
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow import (
    endpoint_changes,
    erasing,
    granting,
    holding,
    noticing,
    questions,
    recovery,
    replaying,
    second_words,
    separation,
)
from tiprouter.workflow.acknowledging import RepeatedError, UntrustedError
from tiprouter.workflow.consenting import NothingToConfirmError, NothingToNarrowError, WithdrawnError
from tiprouter.workflow.endpoint_messages import NoEndpointError
from tiprouter.workflow.enrolment import SecondPersonError
from tiprouter.workflow.evidence import NoLongerOwedError
from tiprouter.workflow.governing import LapsedError, NothingToRollBackError, NotNowError, UnacceptedError
from tiprouter.workflow.inquiry import BeyondLogError
from tiprouter.workflow.intake import DuplicateError, StaleError
from tiprouter.workflow.local_sign_in import InvitationError
from tiprouter.workflow.once import InFlightError, KeyReusedError
from tiprouter.workflow.people import AccountStateError, NameTakenError, OwnAccountError
from tiprouter.workflow.reviewing import (
    MovedOnError,
    SamePersonError,
    SettledError,
    TakenError,
    UnclaimedError,
    UnfitAnswerError,
)
from tiprouter.workflow.signing_in import NoSessionError, OtherWayError
from tiprouter.workflow.standing import StepUpNeededError
from tiprouter.workflow.trying import SignInRefusedError, ThrottledError

MEDIA_TYPE: Final = "application/problem+json"
PREFIX: Final = "urn:tiprouter:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a class of errors becomes. `detail` None takes the error's own words, which are ours too."""

    status: int
    slug: str
    title: str
    detail: str | None = None
    headers: Mapping[str, str] | None = None


TABLE: Final[Mapping[type[Exception], Kind]] = {
    errors.UnauthenticatedError: Kind(
        401, "unauthenticated", "No valid credential", headers={"WWW-Authenticate": "Bearer"}
    ),
    BeyondLogError: Kind(404, "beyond-log", "The log is not that long"),
    NotFoundError: Kind(404, "not-found", "Not found", "There is no such thing, or not for you."),
    errors.KeyMissingError: Kind(400, "idempotency-key", "Idempotency-Key is missing or malformed"),
    errors.PreconditionMalformedError: Kind(400, "precondition-malformed", "The precondition cannot be read"),
    errors.PreconditionMissingError: Kind(428, "precondition-required", "A precondition is required"),
    errors.BodyTooSlowError: Kind(408, "body-too-slow", "The body took too long", headers={"Connection": "close"}),
    errors.BodyTooLargeError: Kind(413, "body-too-large", "The body is too large"),
    errors.BodyBrokenError: Kind(400, "body-broken", "The body is incomplete"),
    errors.MediaTypeError: Kind(415, "media-type", "The body is not application/json"),
    SignInRefusedError: Kind(401, "sign-in-refused", "Not signed in", headers={"WWW-Authenticate": "Bearer"}),
    StepUpNeededError: Kind(
        401,
        "step-up-needed",
        "Show again who you are",
        headers={"WWW-Authenticate": 'Bearer error="insufficient_user_authentication", max_age="900"'},
    ),
    ThrottledError: Kind(429, "sign-in-throttled", "Too many tries"),
    InvitationError: Kind(409, "invitation-unusable", "The invitation cannot be used"),
    NoSessionError: Kind(409, "no-session", "Nobody is signed in here"),
    OtherWayError: Kind(409, "other-way", "This is not how the account signs in"),
    OwnAccountError: Kind(409, "own-account", "This takes somebody else"),
    AccountStateError: Kind(409, "account-state", "This cannot happen to the account now"),
    NameTakenError: Kind(409, "name-taken", "There is such an account"),
    separation.GivenByYouError: Kind(409, "given-by-you", "Another operator must confirm"),
    separation.GivenBeforeError: Kind(409, "given-before", "What was given before waits"),
    separation.NothingWaitsError: Kind(409, "nothing-waits", "Nothing waits here"),
    errors.TooManyError: Kind(429, "too-many-requests", "Too many requests"),
    errors.OverloadedError: Kind(503, "overloaded", "Too much is asked at once", headers={"Retry-After": "1"}),
    InFlightError: Kind(409, "in-flight", "The same request is being answered", headers={"Retry-After": "1"}),
    DuplicateError: Kind(409, "duplicate", "This tip was accepted before"),
    WithdrawnError: Kind(409, "nothing-to-withdraw", "There is nothing to withdraw"),
    NothingToConfirmError: Kind(409, "nothing-to-confirm", "There is nothing to confirm"),
    TooEarlyError: Kind(409, "too-early", "It is too early to confirm"),
    erasing.HeldError: Kind(409, "held", "It must be kept"),
    erasing.SamePersonError: Kind(409, "erasure-same-person", "A second credential must confirm"),
    holding.ReleasedError: Kind(409, "hold-released", "The hold was released before"),
    noticing.SettledError: Kind(409, "notice-settled", "There is nothing to tell"),
    NothingToNarrowError: Kind(409, "nothing-to-narrow", "There is nothing to narrow"),
    NotNowError: Kind(409, "bundle-state", "This cannot happen to the bundle now"),
    LapsedError: Kind(409, "bundle-lapsed", "Another bundle is active"),
    UnacceptedError: Kind(409, "bundle-discloses", "Something would newly leave"),
    NothingToRollBackError: Kind(409, "nothing-to-roll-back", "There is nothing to roll back to"),
    TakenError: Kind(409, "review-taken", "Another reviewer has this review"),
    UnclaimedError: Kind(409, "review-unclaimed", "The review is not claimed by you"),
    SettledError: Kind(409, "review-settled", "The review does not wait for this"),
    MovedOnError: Kind(409, "review-moved-on", "What is held has changed"),
    UnfitAnswerError: Kind(409, "review-unfit", "This answer does not fit what is held"),
    SamePersonError: Kind(409, "review-same-person", "A second reviewer must confirm"),
    RepeatedError: Kind(409, "acknowledgement-repeated", "This was acknowledged before"),
    UntrustedError: Kind(
        422, "signature-untrusted", "The signature cannot be trusted", "Nothing was acknowledged or changed."
    ),
    questions.SettledError: Kind(409, "question-settled", "The question is not open"),
    recovery.NotRetriedError: Kind(409, "delivery-not-retried", "Another try would do nothing"),
    replaying.UnderWayError: Kind(409, "replay-under-way", "Another replay is under way"),
    replaying.EndedError: Kind(409, "replay-ended", "The replay does not wait for this"),
    replaying.SamePersonError: Kind(409, "replay-same-person", "A second credential must confirm"),
    granting.GrantEndedError: Kind(409, "grant-ended", "The grant does not wait for this"),
    granting.NotAnotherError: Kind(409, "grant-same-person", "Two other credentials must approve"),
    second_words.SecondWordNeededError: Kind(409, "second-word-needed", "Another person must say yes first"),
    second_words.WordEndedError: Kind(409, "second-word-ended", "It does not wait for this"),
    second_words.KeyAskedByYouError: Kind(409, "key-same-person", "Another person must say yes to a key"),
    second_words.ExportAskedByYouError: Kind(409, "export-same-person", "Another person must say yes to an export"),
    second_words.RollBackAskedByYouError: Kind(
        409, "roll-back-same-person", "Another person must say yes to a roll-back"
    ),
    endpoint_changes.ChangeWaitsError: Kind(409, "change-waits", "Another change waits"),
    endpoint_changes.ChangeEndedError: Kind(409, "change-ended", "The change does not wait for this"),
    endpoint_changes.OneCredentialError: Kind(409, "change-same-person", "A second credential must confirm"),
    endpoint_changes.EntryMovedError: Kind(409, "change-moved-on", "The entry has changed"),
    NoEndpointError: Kind(409, "no-endpoint", "There is no endpoint"),
    SecondPersonError: Kind(422, "second-person", "This takes a second person", "Nothing was changed."),
    NoLongerOwedError: Kind(409, "duty-not-owed", "The duty is owed no longer"),
    StaleError: Kind(412, "stale", "The record is at another revision"),
    ConflictError: Kind(412, "stale", "This is at another revision"),
    ErasedError: Kind(410, "erased", "Erased", "What this was about was erased, and nobody can bring it back."),
    KeyReusedError: Kind(422, "idempotency-key-reused", "The Idempotency-Key belongs to another request"),
    errors.BundleRefusedError: Kind(
        422, "bundle-refused", "The policy bundle cannot be used", "Nothing was changed; the active bundle stays."
    ),
    InvalidError: Kind(422, "invalid", "The request is not valid", "A field cannot mean what it says."),
    GateUnavailableError: Kind(
        503,
        "gate-unavailable",
        "The gate is not installed",
        "The gate's packages are missing here (tiprouter[gate]), so nothing was proved and nothing was changed. "
        "A bundle that the gate did not pass is never activated.",
    ),
    UndecidedError: Kind(
        503, "gate-undecided", "The gate gave up", "Nothing was proved, and nothing was changed.", {"Retry-After": "60"}
    ),
    UnavailableError: Kind(503, "unavailable", "Not available now", headers={"Retry-After": "1"}),
}

FAULTS: Final[Mapping[Fault, str]] = {
    Fault.EMPTY: "The body is empty",
    Fault.BYTE_ORDER_MARK: "The body begins with a byte order mark",
    Fault.NOT_UTF_8: "The body is not UTF-8",
    Fault.NOT_JSON: "The body is not JSON",
    Fault.DUPLICATE_NAME: "An object names a member twice",
    Fault.NOT_A_NUMBER: "NaN and Infinity are not JSON",
    Fault.NUMBER_TOO_LARGE: "A number is beyond 2^53",
    Fault.TOO_DEEP: "The body nests deeper than 32 levels",
    Fault.LONE_SURROGATE: "A text holds half a character",
    Fault.NUL: "A text holds the character NUL",
    Fault.TOO_MANY_MEMBERS: "An object has more than 1,000 members",
}

UNEXPECTED: Final = Kind(500, "unexpected", "Something went wrong", "This is our fault; nothing was changed.")
METHOD: Final = Kind(405, "method-not-allowed", "This method is not for this path", "Allow names the methods that are.")
INVALID: Final = TABLE[InvalidError]
REFUSED: Final[Mapping[str, Kind]] = {
    one.slug: one
    for one in (
        Kind(400, "malformed", "This is not a request", "It is not HTTP/1.1, or it can be read in two ways."),
        Kind(400, "host", "The host cannot be read", "Send one Host that is a name or an address."),
        Kind(414, "target-too-long", "The target is too long", "Send what is long in a body."),
        Kind(421, "misdirected", "This service does not answer for that host", "It answers for its own names only."),
        Kind(431, "head-too-large", "The head is too large", "Send fewer and shorter header fields."),
        Kind(501, "method-unknown", "This method is not known here", "The paths name the methods that they take."),
        Kind(505, "version-unknown", "This version of HTTP is not spoken here", "Speak HTTP/1.1."),
    )
}
"""What is refused before it is anybody's request: the connection ends with it."""

QUERY: Final = Kind(422, "query-invalid", "The query is not valid", "A parameter of the query is not valid.")


def kind_of(error: Exception) -> Kind | None:
    """The row of an error's nearest class; None for a defect."""
    if isinstance(error, StrictJsonError):
        return Kind(400, error.fault.value, FAULTS[error.fault], "Send one strict JSON value.")
    return next((TABLE[one] for one in type(error).__mro__ if one in TABLE), None)


def answer(kind: Kind, request_id: str, detail: str | None = None, **members: Any) -> Response:  # noqa: ANN401 - JSON
    """The document as a response."""
    document = {
        "type": PREFIX + kind.slug,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.detail or detail or kind.title,
        "instance": f"urn:request:{request_id}",
    }
    body = json.dumps(document | members, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, kind.status, dict(kind.headers or {}), MEDIA_TYPE)


def answer_to(error: Exception, request_id: str) -> Response:
    """The response to an error of the table, or to a defect (rule 4)."""
    kind = kind_of(error)
    if kind is None:
        return answer(UNEXPECTED, request_id)
    if isinstance(error, InvalidError) and not isinstance(error, KeyReusedError):
        where = {"file": error.file, "line": error.line} if isinstance(error, errors.BundleRefusedError) else {}
        return answer(kind, request_id, errors=[{"pointer": error.pointer, "reason": str(error)} | where])
    response = answer(kind, request_id, str(error))
    if isinstance(error, ThrottledError):
        response.headers["Retry-After"] = str(error.seconds)
    return response


def answer_to_shapes(found: Sequence[Mapping[str, Any]], request_id: str) -> Response:
    """The response to what pydantic found wrong with a body, or with a query."""
    kind = QUERY if any(one["loc"][:1] == ("query",) for one in found) else INVALID
    return answer(kind, request_id, errors=reasons.told(found))


def answer_not_ready(request_id: str, down: Sequence[str]) -> Response:
    """The response of a service that cannot do its work: `down` names its own parts."""
    return answer(TABLE[UnavailableError], request_id, "Some parts of the service are down.", down=list(down))
