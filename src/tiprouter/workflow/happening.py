"""What does every story need beside its transaction, and how does it leave its trace?

1. A happening is one transaction with one moment (`now`), one actor, and the audit entries it leaves.
2. Entries are written to the outbox inside the same transaction, when the story ends well: no story commits without
   its entries, and no entry without its story.
3. The clock, randomness, keys and the engines come from the desk; no story reads them elsewhere.
4. The bundle that decides is the one active in this very transaction (`Happening.engine`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tiprouter import ids
from tiprouter.audit.entry import NONCE_BYTES, Alike, commit, compose
from tiprouter.audit.kinds import Kind
from tiprouter.domain.notice import PageChannel, reason_of
from tiprouter.domain.pace import Pace
from tiprouter.domain.page_states import PageState
from tiprouter.domain.repeating import Routing, give_up_at, repeat_after
from tiprouter.domain.retention import Retained
from tiprouter.domain.suppression import THRESHOLD
from tiprouter.errors import UnavailableError
from tiprouter.policy.engine import Engine
from tiprouter.policy.library import Library
from tiprouter.storage import bundles, notices, outbox, pages
from tiprouter.storage.database import Transaction, forgiving
from tiprouter.storage.notices import Raised
from tiprouter.storage.pages import Alarm, Page
from tiprouter.storage.vault import SALT_BYTES, Vault, blind
from tiprouter.workflow.key_secrets import Cost


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes something happen: a credential's id, its role, and the agency it belongs to, if any.

    Somebody who signed in is their account's id in every session; `verified_at` is when they last showed who they are.
    `scopes` None is everything that the role may use.
    """

    id: str
    role: str
    recipient_id: str | None = None
    session: str | None = None
    verified_at: datetime | None = None
    scopes: frozenset[str] | None = None


ROUTER: Final = Actor("tiprouter", "router")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the stories are told with.

    `blind_key` keys the blind indexes. A widened consent may be confirmed after `confirm_after`. What is over is erased
    after the `retention` of its class; none, or zero, keeps it. `pace` is how much one recipient gets a minute.
    `verify_endpoints` has endpoints prove themselves before they are sent disclosures. `small_cell` is what a published
    count reaches, or is withheld. `secret_cost` is what keeping the secret of a new API key costs. `ahead` is how far
    `now` is ahead of the machine's clock.
    """

    now: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    vault: Vault
    library: Library
    blind_key: bytes
    sandbox: bool
    confirm_after: timedelta = timedelta(minutes=10)
    retention: Mapping[Retained, timedelta] = field(default_factory=dict)
    routing: Routing = field(default_factory=Routing)
    pace: Pace = field(default_factory=Pace)
    verify_endpoints: bool = True
    small_cell: int = THRESHOLD
    secret_cost: Cost = field(default_factory=Cost)
    ahead: Callable[[], timedelta] = timedelta

    def blind(self, *parts: str) -> str:
        """The blind index of an outside name."""
        return blind(self.blind_key, *parts)


@dataclass(slots=True)
class Happening:
    """One transaction, while its story is told."""

    tx: Transaction
    desk: Desk
    actor: Actor
    now: datetime
    new: str | None = None
    """The record that began in this very transaction, until it was decided about: nothing can stand about it yet."""
    _entries: list[bytes] = field(default_factory=list)
    _engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine of the bundle in force (rule 4). Raises `NoBundleError`."""
        if self._engine is None:
            self._engine = engine_of(self.tx, self.desk, bundles.active(self.tx))
        return self._engine

    @property
    def vault(self) -> Vault:
        """The desk's vault."""
        return self.desk.vault

    def id(self, prefix: str) -> str:
        """A new id."""
        return ids.mint(prefix, self.now, self.desk.entropy(ids.RANDOM_BYTES))

    def log(self, kind: Kind, body: dict[str, Any]) -> None:
        """Leave an audit entry; fields without a value are left out."""
        self._entries.append(compose(kind, self.now, self.desk.entropy(NONCE_BYTES), self._by_actor(body)))

    def alike(self, kind: Kind, shared: Mapping[str, Any]) -> Alike:
        """Entries that are to say this alike, and each something of its own (`log_as`)."""
        return Alike(kind, self.now, self._by_actor(shared))

    def log_as(self, alike: Alike, own: Mapping[str, str | None]) -> None:
        """Leave one of those entries; fields without a value are left out."""
        said = {name: word for name, word in own.items() if word is not None}
        self._entries.append(alike.compose(self.desk.entropy(NONCE_BYTES), said))

    def _by_actor(self, body: Mapping[str, Any]) -> dict[str, Any]:
        said = {name: value for name, value in body.items() if value is not None}
        return said | {"actor": self.actor.id, "actor_class": self.actor.role}

    def salted(self, value: bytes) -> tuple[bytes, str]:
        """A fresh salt, to be sealed with the value (`vault.py`, rule 2), and the commitment to the value under it."""
        salt = self.desk.entropy(SALT_BYTES)
        return salt, commit(salt, value)

    def tell(
        self,
        reason: str,
        subject: str,
        record_id: str | None,
        deadline: datetime | None,
        *,
        again_after: timedelta | None = None,
    ) -> None:
        """Tell a human, once per reason and subject; of what may happen again, once in `again_after`."""
        since = None if again_after is None else self.now - again_after
        if notices.about(self.tx, reason, subject, since):
            return
        raised = Raised(self.id("ntc"), reason, subject, record_id, deadline, self.now)
        notices.add(self.tx, raised)
        again = repeat_after(reason, 0)
        if again is not None:
            pages.sound(self.tx, Alarm(raised.id, 0, self.now + again))
        self.page(raised, self.desk.routing.first(reason))
        self.log(
            Kind.NOTICE,
            {
                "notice": raised.id,
                "reason": reason,
                "subject": subject,
                "record": record_id,
                "deadline": moment(deadline),
            },
        )

    def page(self, raised: Raised, channels: tuple[PageChannel, ...], repeat: int = 0) -> None:
        """Let people outside be told of a notice through these channels (`workflow/paging.py`)."""
        for channel in channels:
            pages.add(
                self.tx,
                Page(
                    id=self.id("pag"),
                    notice_id=raised.id,
                    channel=channel,
                    repeat=repeat,
                    severity=reason_of(raised.reason).severity,
                    state=PageState.WAITING,
                    attempts=0,
                    next_at=self.now,
                    give_up_at=give_up_at(raised.reason, self.now),
                    created_at=self.now,
                ),
            )

    @contextmanager
    def forgiving(self) -> Iterator[None]:
        """A part of the story that may fail alone: its writes and entries are undone together; the error goes on."""
        before = len(self._entries)
        try:
            with forgiving(self.tx):
                yield
        except Exception:
            del self._entries[before:]
            raise

    def leave_entries(self) -> None:
        """Write the entries to the outbox."""
        outbox.add(self.tx, self._entries)
        self._entries = []


class NoBundleError(UnavailableError):
    """No policy bundle is in force, so nothing can be decided."""


def engine_of(tx: Transaction, desk: Desk, digest: str | None) -> Engine:
    """The engine of a bundle by digest, read once. Raises `NoBundleError`, `AlteredBundleError`."""
    known = None if digest is None else desk.library.find(digest)
    if known is not None:
        return known
    texts = None if digest is None else bundles.texts(tx, digest)
    if digest is None or texts is None:
        raise NoBundleError
    return desk.library.open(digest, texts.files, texts.files_digest, texts.engine)


@contextmanager
def happening(tx: Transaction, desk: Desk, actor: Actor, *, deciding: bool = False) -> Iterator[Happening]:
    """Tell a story: on a good end its entries go to the outbox, on an error nothing is left.

    One that decides holds the bundle in force before anything else, as an activation does: the two never wait for each
    other in a circle. Raises `NoBundleError` then.
    """
    it = Happening(tx, desk, actor, desk.now())
    if deciding:
        _ = it.engine
    yield it
    it.leave_entries()


def moment(value: datetime | None) -> str | None:
    """A time as an audit entry spells it."""
    return None if value is None else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
