"""The steps of persons: what they say, take back and confirm, and what becomes of what was sent."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from tests.machine.content import demand
from tests.machine.machine import Basics
from tests.machine.model import Told, served
from tests.machine.saying import Asked, Extent, Saying, state, would_wait
from tests.support.service import INTAKE
from tiprouter.domain.consent import Choice, Consent, Guardianship, InformedItem
from tiprouter.domain.states import WAITING, DeliveryState
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import (
    PURPOSE_OF,
    Answer,
    Category,
    ConsentMethod,
    ConsentState,
    Grantor,
    RecipientKind,
)
from tiprouter.errors import ConflictError
from tiprouter.storage.database import Transaction
from tiprouter.workflow import consenting
from tiprouter.workflow.consenting import Given, Narrower, Whose, Withdrawal

TAKEN_BACK: Final = (ConsentState.WITHDRAWN, ConsentState.REFUSED)
EVERYTHING: Final = tuple(Category)
PLACES: Final = ((), ("US-TX",), ("US-CA", "US-TX"), ("US",))
POLICE: Final = RecipientKind.LAW_ENFORCEMENT


class People(Basics):
    """What persons say."""

    def grant(self) -> str | None:
        """Somebody consents."""
        person_id = self._somebody()
        if person_id is None:
            return None
        return self._said(person_id, self._wish(person_id, grant=True))

    def refuse(self) -> str | None:
        """Somebody refuses: everything, or a part."""
        person_id = self._somebody()
        return None if person_id is None else self._said(person_id, self._wish(person_id, grant=False))

    def confirm(self) -> str | None:
        """Somebody says again what waits; too early or too late it is refused."""
        found = [(who, one) for who, some in self.model.sayings.items() for one in some if one.waits]
        if not found:
            return None
        person_id, one = self.chance.choice(found)
        desk = self.house.desk
        if self.chance.random() < 0.6 and not one.may_be_confirmed(self.model.now):
            self.pass_time(timedelta(minutes=11))
        if not one.may_be_confirmed(self.model.now):
            self.refused(lambda tx: consenting.confirm(tx, desk, INTAKE, one.id, None), ConflictError)
            return "refused"

        def books(_: Given) -> None:
            one.waits, one.confirmed = False, self.model.now
            self._touched(person_id)

        self.tell(lambda tx: consenting.confirm(tx, desk, INTAKE, one.id, None), books)
        return "confirmed"

    def withdraw(self) -> str | None:
        """Somebody withdraws."""
        found = [
            (who, one)
            for who, some in self.model.sayings.items()
            for one in some
            if one.grant and one.withdrawn is None and not one.lapsed
        ]
        if not found:
            return None
        # Most of all by whom somebody holds something of: that is what a recall is for.
        held = {who for key in self.watch.left & self.watch.rested.keys() for who, _ in self.watch.rested[key]}
        sent = [(who, one) for who, one in found if who in held and not one.waits]
        person_id, one = self.chance.choice(sent if sent and self.chance.random() < 0.7 else found)
        waited = one.waits

        def books() -> None:
            one.withdrawn = self.model.now
            if waited:
                one.waits, one.lapsed = False, True

        desk = self.house.desk
        found_ = self._took_back(
            person_id, lambda tx: consenting.withdraw(tx, desk, INTAKE, one.id, None), books, waited=waited
        )
        if self.chance.random() < 0.1:
            self.refused(lambda tx: consenting.withdraw(tx, desk, INTAKE, one.id, None), consenting.WithdrawnError)
        return "what waited" if waited else found_

    def narrow(self) -> str | None:
        """Somebody takes a part back."""
        found = [
            (who, one)
            for who, some in self.model.sayings.items()
            for one in some
            if one.may_be_narrowed(self.model.now)
        ]
        if not found:
            return None
        person_id, one = self.chance.choice(found)
        old, waited = one.extent, one.waits
        less = self._less(old)
        if less is None:
            return None
        extent, narrower = less

        def books() -> None:
            if not waited:
                one.cuts.append((self.model.now, old))
            one.extent = extent

        desk = self.house.desk
        said = self._took_back(
            person_id, lambda tx: consenting.narrow(tx, desk, INTAKE, one.id, None, narrower), books, waited=waited
        )
        return "what waited" if waited else said

    def _less(self, old: Extent) -> tuple[Extent, Narrower] | None:
        ends = old.ends
        if self.chance.random() < 0.3 and ends is not None:
            sooner = self.model.now + (ends - self.model.now) / 3
            return replace(old, ends=sooner), Narrower(expires_at=sooner)
        if len(old.categories) > 1:
            keep = frozenset(self.chance.sample(sorted(old.categories), len(old.categories) - 1))
            return replace(old, categories=keep), Narrower(categories=tuple(keep))
        if self.chance.random() < 0.3 and old.places != {"US-TX"} and (not old.places or "US-TX" in old.places):
            texas = frozenset({"US-TX"})
            return replace(old, places=texas), Narrower(jurisdictions=tuple(texas))
        if len(old.kinds) > 1:
            kinds = frozenset(self.chance.sample(sorted(old.kinds), 1))
            return replace(old, kinds=kinds), Narrower(kinds=tuple(kinds))
        return None

    def _somebody(self) -> str | None:
        # In the order in which they came in: the same whatever the service calls them.
        known = list(dict.fromkeys(one for told in self.open_records() for one in told.persons))
        return self.chance.choice(known) if known else None

    def _wish(self, person_id: str, *, grant: bool) -> Saying:
        chance, now = self.chance, self.model.now
        kinds = frozenset(chance.sample((POLICE, POLICE, *RecipientKind), chance.randint(2, 5)))
        agencies = frozenset[str]()
        if chance.random() < 0.3:
            agencies, kinds = frozenset({self.any_agency().id}), kinds if chance.random() < 0.5 else frozenset()
        if not grant and chance.random() < 0.5:
            agencies, kinds = frozenset(), frozenset()
        whole = chance.random() < 0.5
        categories = frozenset(EVERYTHING if whole else chance.sample(EVERYTHING, chance.randint(1, 6)))
        purposes = frozenset(
            PURPOSE_OF[kind] for kind in (*kinds, *(self.model.agencies[one].kind for one in agencies))
        )
        places = frozenset(chance.choices(PLACES, (12, 2, 2, 1))[0])
        ends = now + timedelta(hours=chance.choices((1, 12, 24 * 9, 24 * 60), (2, 3, 3, 4))[0])
        given = now - timedelta(minutes=chance.choice((0, 1, 30)))
        return Saying(
            id="",
            grant=grant,
            grantor=chance.choices(tuple(Grantor), (8, 1, 3))[0].value,
            guardian_clear=chance.random() < 0.85,
            guardian=chance.choice((None, None, None, "somebody-else")),
            informed=not grant or chance.random() < 0.92,
            extent=Extent(
                agencies,
                kinds,
                purposes if grant else frozenset(),
                categories if grant or not whole else frozenset(),
                ends if grant else None,
                places,
            ),
            given=given,
            heard=now,
            begins=chance.choice((given, given, given, now + timedelta(minutes=30))),
        )

    def _said(self, person_id: str, new: Saying) -> str:
        desk, extent = self.house.desk, new.extent
        consent = Consent(
            id="",
            person_id="",
            choice=Choice.GRANT if new.grant else Choice.REFUSE,
            grantor=Grantor(new.grantor),
            guardian_implicated=Answer.NO if new.guardian_clear else Answer.UNKNOWN,
            guardian=Guardianship("parent", "Example Advocate", new.given, new.guardian),
            recipients=tuple(sorted(extent.agencies)),
            kinds=tuple(sorted(extent.kinds)),
            purposes=tuple(sorted(extent.purposes)),
            categories=tuple(sorted(extent.categories)),
            method=ConsentMethod.VERBAL,
            informed=new.informed or tuple(self.chance.sample(tuple(InformedItem), 5)),
            jurisdictions=tuple(sorted(extent.places)),
            given_at=new.given,
            valid_from=new.begins,
            expires_at=extent.ends,
        )
        known = self.model.sayings.setdefault(person_id, [])
        new.waits = would_wait(known, new, self.model.now)

        def books(given: Given) -> None:
            new.id = given.consent.id
            waits = given.consent.life is ConsentPhase.PENDING
            demand(waits == new.waits, "what widens waits, and nothing else", waits, new)
            if not new.grant:
                self._lapse(person_id)
            known.append(new)
            self._touched(person_id)

        whose = Whose(person_id=person_id)
        self.tell(lambda tx: consenting.give_consent(tx, desk, INTAKE, whose, consent), books)
        if new.grant:
            return "waits" if new.waits else "stands"
        self._after_a_no(person_id)
        return "refused"

    def _took_back(
        self, person_id: str, story: Callable[[Transaction], Withdrawal], books: Callable[[], None], *, waited: bool
    ) -> str:
        was, before = self.watch.tables, self._standing(person_id)

        def written(_: Withdrawal) -> None:
            if not waited:
                self._lapse(person_id)
            books()
            self._touched(person_id)

        found = self.tell(story, written)
        gone = before.keys() - self._standing(person_id).keys()
        queued = {key for key in gone if before[key] in WAITING}
        flying = {key for key in gone if before[key] == DeliveryState.CLAIMED}
        now = self.watch.tables["disclosures"]
        # Whatever it recalled had left, whichever version it was; each is told of once.
        left = {row[2] for key, row in now.items() if row[2] and key not in was["disclosures"]} - queued - flying
        counted = (len(queued), len(flying), len(left))
        said = (found.cancelled, found.in_flight, found.delivered)
        demand(said == counted, "a withdrawal says what it found", said, counted)
        self._after_a_no(person_id)
        self.watch.outcomes["withdrawals and narrowings"] += 1
        for word, count in zip(("queued", "in flight", "delivered"), counted, strict=True):
            self.watch.outcomes[f"withdrawn while {word}"] += count
        return "stopped something" if gone else "nothing to stop"

    def _standing(self, person_id: str) -> dict[str, str]:
        """The disclosures that stand about records that ever named the person, and where their deliveries are."""
        about = {told.id for told in self._ever_about(person_id)}
        tables = self.watch.tables
        return {
            row[2]: row[1]
            for row in tables["deliveries"].values()
            if row[3] in about and tables["disclosures"][row[2]][1] and not tables["disclosures"][row[2]][2]
        }

    def _about(self, person_id: str) -> list[Told]:
        return [told for told in self.open_records() if person_id in told.persons]

    def _ever_about(self, person_id: str) -> list[Told]:
        return [told for told in self.open_records() if person_id in told.ever]

    def _lapse(self, person_id: str) -> None:
        for one in self.model.sayings[person_id]:
            if one.waits:
                one.waits, one.lapsed = False, True

    def _touched(self, person_id: str) -> None:
        for told in self._ever_about(person_id):
            self.history.discard(told.id)

    def _after_a_no(self, person_id: str) -> None:
        """Nothing of it waits any more, and whoever may hold it was told."""
        about = {told.id for told in self._about(person_id)}
        self.watch.waiting(about)
        recalled, tables = self.watch.recalled(), self.watch.tables
        for key in self.watch.left & self.watch.rested.keys():
            record_id, agency_id = tables["disclosures"][key][3:5]
            mine = {category for who, category in self.watch.rested[key] if who == person_id}
            if not mine or key in recalled or self.model.records[record_id].erased:
                continue
            if person_id not in self.model.records[record_id].ever:
                continue
            agency = self.model.agencies[agency_id]
            record = self.model.records[record_id].record
            where = tuple(place.code for place in served(record, agency)) or agency.jurisdictions
            asked = Asked(agency_id, agency.kind, minor=False, minor_alone=True, places=where)
            sayings = self.model.sayings[person_id]
            gone = {one for one in mine if state(sayings, asked, one, self.model.now) in TAKEN_BACK}
            told = self.model.records[record_id]
            if person_id in told.persons:
                ref = told.record.persons[told.persons.index(person_id)].ref
                ruled = self.model.ruled(record_id, agency_id).get(ref)
                gone -= ruled.categories if ruled is not None else frozenset()
            demand(not gone, "whoever may hold what was taken back gets a recall", key, sorted(gone), agency_id)
