"""How does a policy bundle come into force, and how does it leave again?

1. Proposed: anybody who may author policy stores a bundle that can be read. Its digest is its name; it never changes.
2. Gated: the gate passed it. Without the gate's packages nothing is gated, and so nothing comes into force.
   Whatever the gate passed before and now does not is a draft again, and approved by nobody.
3. Approved: two different people approved it against the bundle that is active. Where anything may newly leave, each
   must say that they accept it. When another bundle becomes active meanwhile, the approvals lapse, and stay so when the
   earlier one returns. What was in force and is proposed again is approved again: an approval is for one activation.
4. Active: in one transaction it takes the other's place and every open record is decided again; decisions in the
   making are waited for. What is beyond `DECIDED_AT_ONCE` records is decided again by the workers, and nothing that
   rests on the old bundle starts meanwhile.
5. Rolled back: the bundle whose place the active one took returns at once. Two approved it before; one of those who
   may roll back does it, by another's word of the last hour (`workflow/second_words.py`).
6. An empty service installs the bundle its settings name: a shipped one, which passed the gate at release, or another
   that passes it now. A sandbox, which can tell nobody anything, may install any.

Who counts as another person is `workflow/separation.py`'s.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from tiprouter.audit.kinds import Kind
from tiprouter.domain.second_word_states import ByTwo
from tiprouter.domain.states import BundleEvent, BundleState, IllegalTransitionError, next_bundle_state
from tiprouter.errors import ConflictError, NotFoundError
from tiprouter.policy.bundle import Bundle, engine_versions
from tiprouter.policy.gate.check import GateReport
from tiprouter.policy.library import files_digest
from tiprouter.storage import bundles
from tiprouter.storage.bundles import Approval, BundleRow, Texts
from tiprouter.storage.database import Transaction
from tiprouter.workflow import separation
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening
from tiprouter.workflow.revisit import everything_open
from tiprouter.workflow.second_words import require_word
from tiprouter.workflow.standing import require_fresh

APPROVERS: Final = 2
DECIDED_AT_ONCE: Final = 500

INSTALLED: Final = "installed"
ACTIVATED: Final = "bundle.activated"
ROLLED_BACK: Final = "bundle.rolled-back"

Report: TypeAlias = Mapping[str, Any]


class NotNowError(ConflictError):
    """The bundle is not in a state in which this can happen to it."""


class LapsedError(ConflictError):
    """Another bundle became active since; look at what would change now, and approve again."""


class UnacceptedError(ConflictError):
    """Something would newly leave; the approval must say that this is accepted."""


class NothingToRollBackError(ConflictError):
    """The active bundle took no other's place."""


@dataclass(frozen=True, slots=True)
class Governed:
    """A bundle as it stands, and who approved it."""

    row: BundleRow
    approvals: tuple[Approval, ...]


@dataclass(frozen=True, slots=True)
class InForce:
    """What became active, in whose place, and how many records were or will be decided again for it."""

    row: BundleRow
    replaces: str | None
    decided: int
    waiting: int


def install(tx: Transaction, desk: Desk, bundle: Bundle, report: Report) -> str:
    """Bring the first bundle into force (rule 6); the digest of the one that is, which an older one stays."""
    # Held before it is looked for: of two first starts at once the later one finds the earlier one's.
    bundles.hold(tx)
    known = bundles.active(tx)
    if known is not None:
        return known
    with happening(tx, desk, ROUTER) as it:
        row = replace(_row(it, bundle), state=BundleState.ACTIVE, report=dict(report), activated_at=it.now)
        bundles.add(tx, row, _texts(bundle))
        _log_activation(it, row, None, INSTALLED, (0, 0), {})
    desk.library.keep(bundle)
    return bundle.digest


def propose(tx: Transaction, desk: Desk, actor: Actor, bundle: Bundle) -> Governed:
    """Store a bundle (rule 1). One that is known already stays where it is; a retired one begins again."""
    with happening(tx, desk, actor) as it:
        known = bundles.load(tx, bundle.digest)
        if known is None:
            bundles.add(tx, _row(it, bundle), _texts(bundle))
        elif known.state is BundleState.RETIRED:
            bundles.change(tx, known.digest, state=_next(known, BundleEvent.PROPOSE_AGAIN), report=None)
            bundles.forget_approvals(tx, known.digest)
        it.log(Kind.BUNDLE_PROPOSED, {"bundle": bundle.digest})
        return _governed(tx, bundle.digest)


def record_check(tx: Transaction, desk: Desk, actor: Actor, digest: str, report: GateReport) -> Governed:
    """Keep what the gate said of a bundle (rule 2). Raises `NotFoundError`, `NotNowError`."""
    with happening(tx, desk, actor) as it:
        row = _found(bundles.load(tx, digest))
        event = BundleEvent.PASS if report.passed and report.digest == digest else BundleEvent.FAIL
        bundles.change(tx, digest, state=_next(row, event), report=told(report))
        if event is BundleEvent.FAIL:
            bundles.forget_approvals(tx, digest)
        failed = [step.number for step in report.steps if not step.ok]
        it.log(
            Kind.BUNDLE_CHECKED,
            {"bundle": digest, "result": event.value, "points": report.points, "failed": failed},
        )
        return _governed(tx, digest)


def approve(tx: Transaction, desk: Desk, actor: Actor, digest: str, wish: "Wish") -> Governed:
    """Approve a bundle (rule 3). Raises `NotFoundError`, `NotNowError`, `LapsedError`, `UnacceptedError`."""
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        row = _found(bundles.load(tx, digest))
        if row.state not in (BundleState.GATED, BundleState.APPROVED):
            raise NotNowError
        if wish.against != bundles.active(tx):
            raise LapsedError
        if wish.newly_discloses and not wish.accepted:
            raise UnacceptedError
        bundles.approve(tx, Approval(digest, actor.id, wish.against, wish.newly_discloses, it.now))
        valid = _valid(tx, digest, wish.against)
        if row.state is BundleState.GATED and len(valid) >= APPROVERS:
            bundles.change(tx, digest, state=_next(row, BundleEvent.APPROVE))
        it.log(
            Kind.BUNDLE_APPROVED,
            {
                "bundle": digest,
                "against": wish.against,
                "newly_discloses": wish.newly_discloses,
                "approvals": len(valid),
            },
        )
        return _governed(tx, digest)


@dataclass(frozen=True, slots=True)
class Wish:
    """An approval as its approver states it: against which active bundle, and whether more leaving is accepted.

    `newly_discloses` is what the difference between the two found.
    """

    against: str
    newly_discloses: bool
    accepted: bool


def activate(tx: Transaction, desk: Desk, actor: Actor, digest: str) -> InForce:
    """Bring an approved bundle into force (rule 4). Raises `NotFoundError`, `NotNowError`, `LapsedError`."""
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        bundles.hold(tx)
        row = _found(bundles.load(tx, digest))
        if row.state is not BundleState.APPROVED:
            raise NotNowError
        active = bundles.active(tx)
        if active is None or len(_valid(tx, digest, active)) < APPROVERS:
            raise LapsedError
        return _take_place(it, row, BundleEvent.ACTIVATE, ACTIVATED)


def roll_back(tx: Transaction, desk: Desk, actor: Actor) -> InForce:
    """Return to the bundle whose place the active one took (rule 5).

    Raises `NothingToRollBackError`, `SecondWordNeededError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        bundles.hold(tx)
        active = bundles.active(tx)
        now = None if active is None else bundles.load(tx, active)
        before = None if now is None or now.replaced is None else bundles.load(tx, now.replaced)
        if now is None or before is None or before.state is not BundleState.RETIRED:
            raise NothingToRollBackError
        said = require_word(it, ByTwo.ROLL_BACK, now.digest)
        return _take_place(it, before, BundleEvent.ROLL_BACK, ROLLED_BACK, said)


def listed(tx: Transaction, after: str | None, limit: int) -> list[BundleRow]:
    """Bundles, by digest."""
    return bundles.page(tx, after, limit)


def governed(tx: Transaction, digest: str) -> Governed:
    """One bundle and its approvals. Raises `NotFoundError`."""
    return _governed(tx, digest)


def told(report: GateReport) -> dict[str, Any]:
    """What the gate said, as JSON values."""
    steps = [asdict(step) | {"seconds": round(step.seconds, 4)} for step in report.steps]
    return {"passed": report.passed, "points": report.points, "steps": steps, "engine": engine_versions()}


def _take_place(
    it: Happening, row: BundleRow, event: BundleEvent, cause: str, said: Mapping[str, Any] = MappingProxyType({})
) -> InForce:
    """One bundle retires, another takes its place, and what is open is decided under it."""
    old = bundles.active(it.tx)
    if old is not None:
        retiring = _found(bundles.load(it.tx, old))
        bundles.change(it.tx, old, state=_next(retiring, BundleEvent.SUPERSEDE), retired_at=it.now)
    returning = event is BundleEvent.ROLL_BACK
    bundles.change(
        it.tx,
        row.digest,
        state=_next(row, event),
        activated_at=it.now,
        retired_at=None,
        replaced=row.replaced if returning else old,
    )
    # Whoever approved another bundle approved it against the one that has just left, even if that one returns.
    for other in bundles.in_state(it.tx, BundleState.APPROVED):
        bundles.change(it.tx, other.digest, state=_next(other, BundleEvent.LAPSE))
    for other in bundles.in_state(it.tx, BundleState.GATED):
        bundles.forget_approvals(it.tx, other.digest)
    decided, waiting = everything_open(it, cause, DECIDED_AT_ONCE)
    _log_activation(it, row, old, cause, (decided, waiting), said)
    return InForce(_found(bundles.load(it.tx, row.digest)), old, decided, waiting)


def _log_activation(
    it: Happening, row: BundleRow, old: str | None, cause: str, counts: tuple[int, int], said: Mapping[str, Any]
) -> None:
    given = [] if old is None or cause != ACTIVATED else _valid(it.tx, row.digest, old)
    it.log(
        Kind.BUNDLE_ACTIVATED,
        {
            "bundle": row.digest,
            "replaces": old,
            "cause": cause,
            "approvers": [approval.approver for approval in given],
            "engine": row.engine.replace("; ", ".").replace(" ", "-"),
            "decided": counts[0],
            "waiting": counts[1],
            **said,
        },
    )


def _valid(tx: Transaction, digest: str, against: str) -> list[Approval]:
    """One approval of each person who still may call: whoever approved under two credentials approved once (rule 3)."""
    given = [one for one in bundles.approvals(tx, digest) if one.against == against]
    standing = [one for one in given if not separation.ended(tx, one.approver)]
    return list({separation.person(tx, one.approver): one for one in standing}.values())


def _row(it: Happening, bundle: Bundle) -> BundleRow:
    return BundleRow(
        digest=bundle.digest,
        name=bundle.name,
        version=bundle.version,
        summary=bundle.summary,
        state=BundleState.DRAFT,
        engine=engine_versions(),
        report=None,
        proposed_by=it.actor.id,
        proposed_at=it.now,
        activated_at=None,
        retired_at=None,
        replaced=None,
    )


def _texts(bundle: Bundle) -> Texts:
    return Texts(bundle.files, files_digest(bundle.files), engine_versions())


def _governed(tx: Transaction, digest: str) -> Governed:
    return Governed(_found(bundles.load(tx, digest)), tuple(bundles.approvals(tx, digest)))


def _found(row: BundleRow | None) -> BundleRow:
    if row is None:
        raise NotFoundError
    return row


def _next(row: BundleRow, event: BundleEvent) -> BundleState:
    try:
        return next_bundle_state(row.state, event)
    except IllegalTransitionError as error:
        raise NotNowError from error
