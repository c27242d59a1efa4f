"""Who may call, and how does one get a credential?

1. A token is `tr_<prefix>_<secret>`. The prefix is public and stands in lists; the secret is 256 random bits, shown
   once, of which only a verifier is kept (`workflow/key_secrets.py`).
2. The first start of an empty service makes one operator credential; every other one is made by an operator's hand.
   A later start makes one only when every credential was ended and no operator can sign in.
3. Making, rotating and ending credentials are happenings: they are logged like everything else.
4. A rotation keeps the credential, so that it stays one and the same person wherever two are asked; it adds a key, and
   the others end with the overlap.
5. Whoever was given part of their role's routes passes on no more of that role than their part. Giving other roles
   their credentials is what an operator's `credentials:write` is.
6. What gives somebody a role or a person's word that its maker has not waits, and opens nothing, until another operator
   confirms it: a credential as a whole, a rotation its new key, with the old ones as good as before until then.
7. A credential may name its holder, one of the staff's accounts: with that account it is one person
   (`workflow/separation.py`); without, with whoever made it. What a signed-in person makes for their own role is
   theirs, unless they name another, and so is what that makes in its turn. While its holder is suspended or has left,
   it is as if it were ended.
8. Whom a token names is read from the database whenever it is presented: an ended one has ended. The table at the end
   says by a token's first three characters who is asked.

The token of what waits is told to its maker, at the making, and not to who confirms: so it is known to one operator,
the one whose person it counts as, and the other's word gives them nothing that they could use. Told at the confirming,
it would be one operator's reward for confirming what another asked for; told to both, two would know it.

Making or rotating holds its transaction for one Argon2 computation, 20 to 30 ms; operators do it rarely.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import AccountState
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage import accounts, api_keys, callers, registry
from tiprouter.storage.api_keys import ApiKey
from tiprouter.storage.callers import Caller
from tiprouter.storage.database import Transaction
from tiprouter.workflow import access_tokens, presenting, signing_in
from tiprouter.workflow.happening import Actor, Desk, Happening, happening, moment
from tiprouter.workflow.key_secrets import SALT_BYTES, verifier_of
from tiprouter.workflow.presenting import Presented, Recognised
from tiprouter.workflow.separation import (
    GivenBeforeError,
    GivenByYouError,
    NothingWaitsError,
    Word,
    person,
    require_another,
    still_waits,
    word_for,
)
from tiprouter.workflow.standing import require_fresh

DAYS, DAYS_MAX, OVERLAP_DAYS_MAX = 365, 730, 7


@unique
class CallerRole(StrEnum):
    """What a credential is for.

    The operator runs the service, counsel writes and approves policy: neither reads a record. An agency sees its own
    only.
    """

    INTAKE = "intake"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    AGENCY = "agency"
    COUNSEL = "counsel"
    CUSTODIAN = "custodian"


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a credential is given: what it is called, which routes, how long, with which certificate.

    `scopes` None is everything that its role may use; `certificate` is an x5t#S256 (RFC 8705 section 3.1); `holder_id`
    is an account's.
    """

    label: str | None = None
    scopes: frozenset[str] | None = None
    days: int = DAYS
    certificate: str | None = None
    holder_id: str | None = None


@dataclass(frozen=True, slots=True)
class Rotated:
    """A credential's new key, its token, and when the keys before it end; None while that waits (rule 6)."""

    key: ApiKey
    token: str
    old_end_at: datetime | None


def make(
    tx: Transaction,
    desk: Desk,
    actor: Actor,
    role: CallerRole,
    recipient_id: str | None = None,
    terms: Terms | None = None,
) -> tuple[Caller, str]:
    """A new credential and its token, which nobody can be shown again. Raises `InvalidError`."""
    terms = terms or Terms()
    with happening(tx, desk, actor) as it:
        holder_id = terms.holder_id or own(tx, actor, role)
        caller = Caller(it.id("cal"), role.value, it.now, recipient_id, terms.label, terms.scopes, holder_id=holder_id)
        caller, word = given(it, caller)
        _, token = _new_key(it, caller, terms, word)
        return caller, token


def given(it: Happening, wanted: Caller) -> tuple[Caller, Word]:
    """A new caller as it is stored: by whom it was made, and whether it waits (rule 6). Raises as `admissible`."""
    admissible(it, wanted)
    made = replace(wanted, made_by=person(it.tx, it.actor.id))
    word = word_for(it, made)
    made = replace(made, waits=word.waits)
    callers.add(it.tx, made)
    return made, word


def confirm(tx: Transaction, desk: Desk, actor: Actor, caller_id: str) -> Caller:
    """Another operator's word for a credential, or for its new key (rule 6).

    Raises `NotFoundError`, `NothingWaitsError`, `GivenByYouError`, `StepUpNeededError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        caller = callers.hold(tx, caller_id)
        if caller is None or caller.jwks is not None:
            raise NotFoundError
        keys = api_keys.of(tx, [caller_id])
        key = keys[0] if caller.waits else _waiting(keys, it.now)
        if key is None or not still_waits(key.created_at, it.now):
            raise NothingWaitsError
        require_another(it, GivenByYouError, key.made_by)
        callers.confirmed(tx, caller_id)
        if key.waits:
            api_keys.confirmed(tx, key.prefix)
            _end_others(it, key, key.overlap_days or 0)
        it.log(
            Kind.CALLER_CONFIRMED,
            {
                "subject": caller_id,
                "what": "key" if key.waits else "credential",
                "prefix": key.prefix,
                "role": caller.role,
                "recipient": caller.recipient_id,
                "holder": caller.holder_id,
                "proposer": key.made_by,
            },
        )
        return replace(caller, waits=False)


def _waiting(keys: Sequence[ApiKey], now: datetime) -> ApiKey | None:
    return next((key for key in keys if key.waits and still_waits(key.created_at, now)), None)


def admissible(it: Happening, caller: Caller) -> None:
    """Let a new caller through whose parts fit together (rules 5 and 7). Raises `InvalidError`, `StepUpNeededError`."""
    require_fresh(it.actor, it.now)
    if (caller.role == CallerRole.AGENCY) is (caller.recipient_id is None):
        raise InvalidError("An agency's credential names its recipient, and no other does.", "/recipient_id")
    if caller.recipient_id is not None and registry.load(it.tx, caller.recipient_id) is None:
        raise InvalidError("This field names no recipient.", "/recipient_id")
    if caller.holder_id is not None and (caller.role == CallerRole.AGENCY or not _holds(it.tx, caller.holder_id)):
        raise InvalidError("This field names nobody of the staff who could hold it.", "/holder_id")
    within(it.actor, caller)


def own(tx: Transaction, actor: Actor, role: CallerRole) -> str | None:
    """Who holds what this actor makes for a role, where nobody is named (rule 7)."""
    if actor.role != role:
        return None
    if actor.session is not None:
        return actor.id
    maker = callers.load(tx, actor.id)
    return None if maker is None else maker.holder_id


def within(actor: Actor, caller: Caller) -> None:
    """Rule 5. Raises `InvalidError`."""
    if actor.scopes is None or caller.role != actor.role:
        return
    if caller.scopes is None or not caller.scopes <= actor.scopes:
        raise InvalidError("You may pass on no more than you may use yourself.", "/scopes")


def first(tx: Transaction, desk: Desk, actor: Actor) -> str | None:
    """The bootstrap operator's token, if nobody has a credential and no operator can sign in (rule 2)."""
    taken = callers.everyone(tx) or accounts.anybody(tx, CallerRole.OPERATOR)
    return None if taken else make(tx, desk, actor, CallerRole.OPERATOR)[1]


def rotate(tx: Transaction, desk: Desk, actor: Actor, caller_id: str, overlap_days: int, days: int = DAYS) -> Rotated:
    """A new key for a credential; the others end after the overlap, or when they would have ended before.

    A certificate that the newest key was bound to binds the new one. Raises `NotFoundError`, `InvalidError`,
    `GivenBeforeError`.
    """
    with happening(tx, desk, actor) as it:
        caller = callers.hold(tx, caller_id)
        if caller is None or caller.jwks is not None:
            raise NotFoundError
        require_fresh(actor, it.now)
        within(actor, caller)
        keys = api_keys.of(tx, [caller_id])
        if caller.waits or _waiting(keys, it.now) is not None:
            raise GivenBeforeError
        good = next((key for key in keys if not key.waits), keys[0])
        word = word_for(it, caller)
        key, token = _new_key(it, caller, Terms(days=days, certificate=good.certificate), word, overlap_days)
        return Rotated(key, token, None if word.waits else _end_others(it, key, overlap_days))


def _end_others(it: Happening, key: ApiKey, overlap_days: int) -> datetime:
    """The keys before this one end with the overlap."""
    at = it.now + timedelta(days=overlap_days)
    api_keys.end(it.tx, key.caller_id, at, but=key.prefix)
    it.log(Kind.KEY_REVOKED, {"key": key.caller_id, "purpose": "caller", "until": moment(at)})
    return at


def revoke(tx: Transaction, desk: Desk, actor: Actor, caller_id: str) -> None:
    """End a credential or a client at once, with all its keys and tokens. Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        if not callers.revoke(tx, caller_id, it.now):
            raise NotFoundError
        it.log(Kind.KEY_REVOKED, {"key": caller_id, "purpose": "caller"})


def listed(tx: Transaction, after: str | None, limit: int) -> list[tuple[Caller, list[ApiKey]]]:
    """Live credentials with their keys, newest first; no secret is in what is returned."""
    page = callers.page(tx, clients=False, after=after, limit=limit)
    keys = api_keys.of(tx, [caller.id for caller in page])
    return [(caller, [key for key in keys if key.caller_id == caller.id]) for caller in page]


def used(tx: Transaction, prefix: str, now: datetime) -> None:
    """Remember the day on which a key was used."""
    api_keys.used(tx, prefix, _day(now))


def _holds(tx: Transaction, account_id: str) -> bool:
    account = accounts.load(tx, account_id)
    return account is not None and account.state is not AccountState.ENDED


def _new_key(
    it: Happening, caller: Caller, terms: Terms, word: Word, overlap_days: int | None = None
) -> tuple[ApiKey, str]:
    """A key and its token; `overlap_days` is said of a rotation, whose key may wait while its credential does not."""
    secret = presenting.spelt(it.desk.entropy(presenting.TOKEN_BYTES))
    # 40 random bits of an id's spelling: a prefix names a key, and keeps no secret.
    prefix = it.id("key")[-8:].lower()
    verifier = verifier_of(secret, it.desk.entropy(SALT_BYTES), it.desk.secret_cost)
    key = ApiKey(
        prefix,
        caller.id,
        verifier,
        terms.certificate,
        it.now,
        it.now + timedelta(days=terms.days),
        made_by=person(it.tx, it.actor.id),
        waits=word.waits and overlap_days is not None,
        overlap_days=overlap_days,
    )
    api_keys.add(it.tx, key)
    it.log(
        Kind.KEY_CREATED,
        {
            "key": caller.id,
            "prefix": prefix,
            "purpose": "caller",
            "role": caller.role,
            "holder": caller.holder_id,
            "recipient": caller.recipient_id,
            "until": moment(key.expires_at),
            **word.said,
        },
    )
    return key, f"{presenting.KEY}{prefix}_{secret}"


def identify(tx: Transaction, presented: Presented, now: datetime) -> Recognised | None:
    """Whom a token names, if anybody (rule 8); they are let in by `workflow/porter.py`."""
    asked = IDENTIFIERS.get(presented.token[:3])
    return None if asked is None else asked(tx, presented, now)


def _api_key(tx: Transaction, presented: Presented, now: datetime) -> Recognised | None:
    parts = presenting.key_parts(presented.token)
    if parts is None:
        found = api_keys.by_digest(tx, presenting.digest(presented.token))
    else:
        found = api_keys.by_prefix(tx, parts[0])
    if found is None:
        return None
    key, caller = found
    refusal = presenting.standing(
        now,
        expires_at=key.expires_at,
        revoked=caller.revoked_at is not None or access_tokens.holder_left(tx, caller),
        waits=caller.waits or key.waits,
        bound_to=key.certificate,
        shown=presented.certificate,
    )
    fresh = key.last_used_on is None or key.last_used_on < _day(now)
    actor = Actor(caller.id, caller.role, caller.recipient_id, scopes=caller.scopes)
    return Recognised(actor, refusal, key.verifier, key.prefix if fresh else None)


def _session(tx: Transaction, presented: Presented, now: datetime) -> Recognised | None:
    actor = signing_in.identify(tx, presented.token, now)
    return None if actor is None else Recognised(actor)


def _day(now: datetime) -> datetime:
    return datetime(now.year, now.month, now.day, tzinfo=UTC)


Identifier = Callable[[Transaction, Presented, datetime], Recognised | None]

IDENTIFIERS: Final[Mapping[str, Identifier]] = MappingProxyType(
    {presenting.KEY: _api_key, presenting.ACCESS: access_tokens.identify, presenting.SESSION: _session}
)
"""Who is asked about a token, by its form (rule 8)."""
