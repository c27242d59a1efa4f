"""The steps that look just behind a change: nothing was done about it yet, and somebody claims, pulls or asks.

1. `brink`: the moment at which something that waits may leave no longer, a millisecond before it or after it.
2. `hasten`: an agency came or changed, and a worker is faster than the chore that decides again; or the chores are.
3. `gone`: an endpoint is gone, and the chores come at once.
4. `endpoint`: what two persons change is proposed, and waits; until the second confirms, everything goes where it went.
5. `comes_late`: an agency that somebody's grant is for is not there yet, or is suspended; then it comes, or comes back.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tests.machine.content import demand
from tests.machine.machine import AGENCIES_MAX, Agencies, Network
from tests.machine.staff import Offices
from tests.support.endpoints import SECOND
from tests.support.fictional import agency as fictional_agency
from tests.support.service import OPERATOR
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.domain.recipient import DeliveryMode, Recipient, RecipientStatus
from tiprouter.domain.states import TERMINAL, DeliveryState
from tiprouter.errors import ConflictError, InvalidError
from tiprouter.workflow import endpoint_changes
from tiprouter.workflow.endpoint_changes import Wish

MILLISECOND: Final = timedelta(milliseconds=1)
AROUND: Final = (-MILLISECOND, timedelta(), timedelta(), MILLISECOND)
GONE: Final = Attempted(AttemptResult.GONE, 410, None, 5, "203.0.113.9", b"")
SOON: Final = timedelta(hours=23)


class Edges(Agencies, Network, Offices):
    """What happens at the very moment."""

    def brink(self) -> str | None:
        """Time passes to where a permission ends, and whoever waits for a payload is there (rule 1)."""
        moments = sorted({at for at in self._ends() if self.model.now < at <= self.model.now + SOON})
        if not moments:
            return None
        at = self.chance.choice(moments) + self.chance.choice(AROUND)
        self.lost += self.flying
        self.flying = []
        self.pass_time(max(at - self.model.now, timedelta()))
        return self._whoever_is_first()

    def hasten(self) -> str | None:
        """An agency comes or changes, and what waits is asked for at once (rule 2)."""
        comes = len(self.model.agencies) < AGENCIES_MAX and self.chance.random() < 0.4
        said = self.register() if comes else self.change()
        if said is None:
            return None
        if self.chance.random() < (0.7 if comes else 0.2):
            self.everything_due()
            return "the chores first"
        return self._whoever_is_first()

    def comes_late(self) -> str | None:
        """An agency that grants are for is registered after them, or suspended and later active again (rule 5)."""
        away = [one for one in self.model.agencies.values() if one.status is RecipientStatus.SUSPENDED]
        if (away or len(self.model.agencies) < AGENCIES_MAX) and self.chance.random() < 0.5:
            # What still waits for somebody would be looked at anyway.
            self.settle()
        if away:
            back, said = self.chance.choice(away), "comes back"
            lasting = self.model.now + timedelta(days=900)
            self.changed_to(back, replace(back, status=RecipientStatus.ACTIVE, agreement_until=lasting))
        elif len(self.model.agencies) < AGENCIES_MAX and self.chance.random() < 0.4:
            kinds = [
                kind
                for told in self.open_records()
                for person_id in told.persons
                for one in self.model.sayings.get(person_id, ())
                if one.grant and one.counts and one.withdrawn is None
                for kind in sorted(one.extent.kinds)
            ]
            if not kinds:
                return None
            lasting = self.model.now + timedelta(days=900)
            wanted = fictional_agency(self.chance.choice(kinds), "US-TX", agreement_until=lasting)
            self.registered(wanted)
            said = f"{wanted.kind.value} comes"
        else:
            gone = self.any_agency()
            self.changed_to(gone, replace(gone, status=RecipientStatus.SUSPENDED))
            return "goes away"
        if self.chance.random() < 0.7:
            self.everything_due()
        return said

    def settle(self) -> str:
        """Everything that can happen by itself happens."""
        raise NotImplementedError

    def everything_due(self) -> int:
        """The chores, until nothing is due."""
        raise NotImplementedError

    def gone(self) -> str | None:
        """An endpoint says that it is gone; what was for it goes on elsewhere (rule 3)."""
        if not self.flying and self.claim() != "sent":
            return None
        self.finished(self.flying.pop(self.chance.randrange(len(self.flying))), GONE)
        if self.chance.random() < 0.7:
            self.everything_due()
            return "and the chores are done"
        return "gone"

    def endpoint(self) -> str | None:
        """Where an agency is reached is changed by two persons, one after the other (rule 4)."""
        waiting = [row for row in self.watch.tables["changes"].values() if row[1] == "proposed"]
        if waiting and self.chance.random() < 0.75:
            return self._go_on_changing(self.chance.choice(waiting))
        agency, desk = self.any_agency(), self.house.desk
        mode = self.chance.choice((DeliveryMode.PUSH, DeliveryMode.THIN))
        url = f"https://agency.example/hook/{self.chance.randint(1, 3)}"
        wish = Wish(agency.id, agency.revision, {"delivery_mode": mode, "url": url})
        story = self.attempt(
            lambda tx: endpoint_changes.propose(tx, desk, OPERATOR, wish), lambda _: None, ConflictError, InvalidError
        )
        return "proposed" if story else None

    def _go_on_changing(self, row: tuple[str, ...]) -> str:
        desk, actor = self.house.desk, self.chance.choice((OPERATOR, SECOND, SECOND))
        if self.chance.random() < 0.2:
            self.tell(lambda tx: endpoint_changes.withdraw(tx, desk, actor, row[0]))
            return "withdrawn"
        self.shelve()

        def books(now_is: Recipient) -> None:
            demand(row[3] != actor.id, "another person confirms a change", row)
            self.model.agencies[now_is.id] = now_is

        done = self.attempt(lambda tx: endpoint_changes.confirm(tx, desk, actor, row[0]), books, ConflictError)
        return "confirmed" if done else "not confirmed"

    def _whoever_is_first(self) -> str:
        claimed = self.claim()
        self.poll()
        return f"then {claimed or self.fetch() or 'nothing'}"

    def _ends(self) -> Iterator[datetime]:
        """When something about what waits may be otherwise."""
        tables, model = self.watch.tables, self.model
        waiting = {(row[3], row[4]) for row in tables["deliveries"].values() if DeliveryState(row[1]) not in TERMINAL}
        for record_id, agency_id in sorted(waiting):
            told, agreed = model.records[record_id], model.agencies[agency_id].agreement_until
            observed = told.record.violence.observed_at
            yield from () if agreed is None else (agreed,)
            yield from () if observed is None else (observed + model.protocol.violence_fresh,)
            for person_id in told.persons:
                for one in model.sayings.get(person_id, ()):
                    if one.grant and one.counts:
                        yield from () if one.extent.ends is None else (one.extent.ends,)
                        yield one.begins
