"""What must hold after every story, whatever it was?

1. Every row that tells of something has its audit entry in the same transaction, and every such entry its row
   (`entered.py`). A story that changed no row changed nothing, and is not looked at.
2. States move along the tables of `domain/states.py` and `domain/subject_states.py` alone; what ended stays ended.
3. A disclosure has one delivery for good, a delivery one webhook-id; its attempts are numbered 1 to n.
4. What is made, and what leaves, is what the model permits at that moment: these markers, persons and categories, no
   more and no fewer. What no longer stands waits nowhere.
5. No personal data is in any audit entry or notice.
6. A decision says what the model says. What ended without arriving, or is overdue, was told to a human; what is
   discharged has its evidence; what is lifted has its cause.
7. What the hotline answered an agency's question leaves, waits and is recalled by the same rules, by itself. The duties
   of what will not arrive are remembered until they went on (`history.py`).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tests.machine.content import ANSWERED, MARKER, TOLD, Content, content_of, demand
from tests.machine.entered import Table, entered
from tests.machine.house import House, Row
from tests.machine.model import Model
from tiprouter.domain.endpoint_states import CHANGE_TRANSITIONS
from tiprouter.domain.facts import Facts
from tiprouter.domain.question import QUESTION_TRANSITIONS
from tiprouter.domain.replay_states import REPLAY_TRANSITIONS
from tiprouter.domain.states import (
    BUNDLE_TRANSITIONS,
    DUTY_TRANSITIONS,
    REVIEW_TRANSITIONS,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    DeliveryState,
    DutyPhase,
)
from tiprouter.domain.subject_states import CONSENT_TRANSITIONS, SUBJECT_NOTICE_TRANSITIONS
from tiprouter.domain.vocabulary import Category, ConsentState, Outcome
from tiprouter.storage import disclosures


def _reach(table: Mapping[Any, StrEnum]) -> dict[str, frozenset[str]]:
    """Where each state may lead, by any number of moves: a story may make several."""
    after: dict[str, set[str]] = {}
    for (_, before), then in table.items():
        after.setdefault(before.value, set()).add(then.value)
        after.setdefault(then.value, set())
    found = {}
    for state in after:
        seen, ahead = set[str](), [state]
        while ahead:
            following = after[ahead.pop()] - seen
            seen |= following
            ahead.extend(following)
        found[state] = frozenset(seen | {state})
    return found


REACH: Final = {
    "deliveries": _reach(TRANSITIONS),
    "duties": _reach(DUTY_TRANSITIONS),
    "reviews": _reach(REVIEW_TRANSITIONS),
    "consents": _reach(CONSENT_TRANSITIONS),
    "bundles": _reach(BUNDLE_TRANSITIONS),
    "subject_notices": _reach(SUBJECT_NOTICE_TRANSITIONS),
    "questions": _reach(QUESTION_TRANSITIONS),
    "replays": _reach(REPLAY_TRANSITIONS),
    "changes": _reach(CHANGE_TRANSITIONS),
}

QUERIES: Final = {
    "deliveries": "select id, state, disclosure_id, record_id, recipient_id, attempts, lease from deliveries",
    "attempts": "select id, number, delivery_id, kind, finished_at from attempts",
    "disclosures": (
        "select id, state = 'standing', recalls, record_id, recipient_id, answers, sequence from disclosures"
    ),
    "decisions": "select id, record_id, person_id, recipient_id, outcome, categories from decisions where current",
    "notices": "select id, reason, subject from notices",
    "duties": (
        "select id, phase, record_id, person_id, recipient_id, discharged_by, evidence_id, cause, current, deadline"
        " from duties"
    ),
    "reviews": "select id, state, record_id, person_id, recipient_id, decision_id from reviews",
    "consents": "select id, state, revision from consents",
    "bundles": "select digest, state from bundles",
    "subject_notices": "select id, state from subject_notices",
    "acknowledgements": "select id, status from acknowledgements",
    "calls": "select id, outcome from duty_calls",
    "records": "select id, revision, erased_at from records",
    "questions": "select id, state, record_id, recipient_id, carried_by from questions",
    "retries": "select id, became, delivery_id, made_id from retries",
    "replays": "select id, state, recipient_id, proposed_by from replays",
    "changes": "select id, state, recipient_id, proposed_by, changes from endpoint_changes",
}


@dataclass
class Watch:
    """What was seen of the service so far."""

    house: House
    model: Model
    tables: dict[str, Table] = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)
    serial: int = 0
    contents: dict[str, Content] = field(default_factory=dict)
    rested: dict[str, frozenset[tuple[str, Category]]] = field(default_factory=dict)
    reported: dict[str, frozenset[str]] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    stranded: dict[str, str] = field(default_factory=dict)
    moved: Counter[str] = field(default_factory=Counter)
    seen: int = -1
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Take what is there as given."""
        self.tables, self.seen = {name: self._read(name) for name in QUERIES}, self.house.changes()
        self._new_entries()

    def after(self) -> None:
        """A story was told: look at all that it changed (rules 1-7)."""
        changes = self.house.changes()
        if changes == self.seen:
            return
        self.seen, was = changes, self.tables
        self.tables = now = {name: self._read(name) for name in QUERIES}
        entries = self._new_entries()
        self.told = told = dict[str, list[dict[str, Any]]]()
        for entry in entries:
            said = json.loads(entry)
            told.setdefault(said["kind"], []).append(said.get("body", said))
        self._moved(was, now)
        entered(was, now, told)
        self._decisions_entered(was, now, [body["decision"] for body in told.get("decision", ())])
        for body in told.get("duty.moved", ()):
            self.moved[body["duty"]] += 1
            self.stranded.pop(body["duty"], None)
        self._deliveries(was, now)
        self._made(was, now)
        self._decided(was, now)
        self._owed(was, now)
        self.model.age_answers()

    def leaving(self, body: bytes, record_id: str, agency_id: str) -> None:
        """Rule 4: bytes that are handed out now."""
        found = content_of(body)
        if found.kind not in (TOLD, ANSWERED):
            demand(not found.markers and not found.persons, "a message of ids alone carries ids alone", found.kind)
            return
        self.permitted(found, record_id, agency_id, "what leaves is what may leave")

    def permitted(self, found: Content, record_id: str, agency_id: str, promise: str) -> None:
        """Rule 4: this is what may be told now, no more and no less."""
        demand(not found.markers & self.model.dead, promise, "something erased", record_id)
        if found.kind == ANSWERED:
            self._answer_permitted(found, record_id, agency_id, promise)
            return
        told, may = self.model.records[record_id], self.model.payload(record_id, agency_id)
        demand(may is not None, promise, "nothing may leave", record_id, agency_id)
        if may is None:
            return
        more, less = sorted(found.markers - may.markers), sorted(may.markers - found.markers)
        spelt = [told.markers.get(one) for one in more]
        demand(not more, promise, f"too much for {agency_id} of {record_id}", spelt)
        demand(not less, promise, f"too little for {agency_id} of {record_id}", [told.markers[one] for one in less])
        persons = tuple(frozenset(map(str, categories)) for _, categories in may.persons)
        demand(found.persons == persons, promise, "other persons or categories", found.persons, persons)
        demand(found.incident == may.incident, promise, "what happened", record_id)
        demand(found.signaler == may.signaler, promise, "who signaled", record_id)

    def _answer_permitted(self, found: Content, record_id: str, agency_id: str, promise: str) -> None:
        """Rule 7."""
        demand(len(found.markers) == 1, promise, "an answer says what was said", record_id)
        reply = self.model.replies[next(iter(found.markers))]
        demand((reply.record_id, reply.agency_id) == (record_id, agency_id), promise, "an answer goes to who asked")
        demand(self.model.may_answer(reply), promise, "this answer may not leave", record_id, agency_id, reply)

    def _read(self, name: str) -> Table:
        return {row[0]: tuple(row) for row in self.house.rows(QUERIES[name])}

    def _new_entries(self) -> list[bytes]:
        rows = self.house.rows(f"select serial, entry from outbox where serial > {self.serial} order by serial")  # noqa: S608 - a number
        if rows:
            self.serial = rows[-1][0]
        found = [bytes(row[1]) for row in rows]
        for entry in found:
            demand(not MARKER.search(entry), "no personal data in the log", entry)
        self.entries.extend(found)
        return found

    def drained(self) -> None:
        """The outbox was emptied; its numbers may begin anew."""
        (row,) = self.house.rows("select max(serial) from outbox")
        self.serial = row[0] or 0

    def _moved(self, was: Mapping[str, Table], now: Mapping[str, Table]) -> None:
        """Rule 2."""
        for name, reach in REACH.items():
            before, after = was[name], now[name]
            if name == "consents":
                before, after = _latest(before), _latest(after)
            demand(before.keys() <= after.keys(), "nothing is forgotten", name)
            for key, row in after.items():
                old = before.get(key)
                if old is not None and old[1] != row[1]:
                    demand(row[1] in reach[old[1]], "states move along their table", name, old[1], row[1])
                    self.outcomes[f"{name}: {row[1]}"] += 1

    def _decisions_entered(self, was: Mapping[str, Table], now: Mapping[str, Table], said: list[str]) -> None:
        # One that was made and replaced within the story is not current, and has its entry too.
        new = {key for key in now["decisions"] if key not in was["decisions"]}
        demand(new <= set(said) and len(said) == len(set(said)), "every decision has its entry", new - set(said))
        (row,) = self.house.rows("select count(*) from decisions")
        self.outcomes["decisions"] += len(said)
        demand(row[0] == self.outcomes["decisions"], "every entry has its decision", row[0], self.outcomes["decisions"])

    def _deliveries(self, was: Mapping[str, Table], now: Mapping[str, Table]) -> None:
        """Rule 3, and what no longer stands waits nowhere (rule 4)."""
        demand(len({row[2] for row in now["deliveries"].values()}) == len(now["deliveries"]), "one delivery each")
        made = {row[2]: row for row in now["deliveries"].values()}
        demand(made.keys() == now["disclosures"].keys(), "every disclosure has its delivery")
        counted = Counter(row[2] for row in now["attempts"].values())
        for key, row in now["attempts"].items():
            if key not in was["attempts"]:
                before = Counter(old[2] for old in was["attempts"].values())[row[2]]
                demand(row[1] == before + 1, "attempts are numbered one to n", row[1], before)
                if row[3] != "announce":
                    self.left.add(now["deliveries"][row[2]][2])
        for key, row in now["deliveries"].items():
            demand(row[5] == counted[key], "a delivery counts its attempts", key)
            old = was["deliveries"].get(key)
            demand(old is None or old[2:5] == row[2:5], "a delivery stays what it is", key)
            disclosure = now["disclosures"][row[2]]
            if not disclosure[1] and not disclosure[2]:
                demand(DeliveryState(row[1]) in TERMINAL, "what no longer stands waits nowhere", row[2], row[1])
            if row[1] in ("exhausted", "refused") and (old is None or old[1] != row[1]):
                reasons = {one[1] for one in now["notices"].values() if one[2] == key}
                demand(f"delivery.{row[1]}" in reasons, "what never arrived was told to a human", key)
                self._strand(row, now)
        live = Counter((row[3], row[4]) for row in now["disclosures"].values() if row[1] and not row[2] and not row[5])
        demand(all(count == 1 for count in live.values()), "one disclosure stands about a record, to an agency", live)

    def _strand(self, delivery: Row, now: Mapping[str, Table]) -> None:
        """The open duties of a delivery that will not arrive must go on (rule 7)."""
        persons = self.reported.get(delivery[2], frozenset())
        for key, row in now["duties"].items():
            same = row[2] == delivery[3] and row[4] == delivery[4] and row[3] in persons
            if same and row[1] == DutyPhase.OPEN and row[8]:
                self.stranded[key] = delivery[0]
                self.outcomes["duties of what will not arrive"] += 1

    def _made(self, was: Mapping[str, Table], now: Mapping[str, Table]) -> None:
        """Rule 4, for what was made just now."""
        new = [key for key in now["disclosures"] if key not in was["disclosures"]]
        if not new:
            return
        vault = self.house.desk.vault
        for key, (body, _) in self.house.write(lambda tx: disclosures.payloads(tx, vault, new)).items():
            _, live, recalls, record_id, agency_id, answers, _ = now["disclosures"][key]
            found = self.contents[key] = content_of(body)
            if recalls:
                demand(not found.markers, "a recall carries ids alone", key)
                demand(recalls in self.left, "what never left is not recalled", recalls)
                stood = recalls in was["disclosures"] and was["disclosures"][recalls][1]
                self.outcomes["recalls of what stood" if stood else "recalls of what had ended before"] += 1
            elif live:
                demand((found.kind == ANSWERED) == bool(answers), "what answers a question is an answer", key)
                self.permitted(found, record_id, agency_id, "what is made is what may leave")
                consented = self._consented(record_id, agency_id)
                self.rested[key] = self._of_answer(found, consented) if answers else consented
                self.outcomes["answers" if answers else "disclosures"] += 1
                if not answers:
                    ruled, told = self.model.ruled(record_id, agency_id), self.model.records[record_id]
                    self.reported[key] = frozenset(
                        person_id
                        for person, person_id in zip(told.record.persons, told.persons, strict=True)
                        if ruled[person.ref].outcome is Outcome.REPORT
                    )

    def _consented(self, record_id: str, agency_id: str) -> frozenset[tuple[str, Category]]:
        """What leaves by a person's own leave."""
        told = self.model.records[record_id]
        ruled = self.model.ruled(record_id, agency_id)
        return frozenset(
            (person_id, category)
            for person, person_id in zip(told.record.persons, told.persons, strict=True)
            for category in ruled[person.ref].categories
            if ruled[person.ref].facts.consent(category) is ConsentState.GRANTED
        )

    def _of_answer(self, found: Content, consented: frozenset[tuple[str, Category]]) -> frozenset[tuple[str, Category]]:
        """What an answer rests on of what leaves by a person's own leave."""
        reply = self.model.replies[next(iter(found.markers))]
        about = self.model.about(reply)
        return frozenset(one for one in consented if one[0] in about and reply.category in (None, one[1]))

    def _decided(self, was: Mapping[str, Table], now: Mapping[str, Table]) -> None:
        """Rule 6: what was decided in this story."""
        ruled: dict[tuple[str, str], Any] = {}
        for key, row in now["decisions"].items():
            if key in was["decisions"]:
                continue
            _, record_id, person_id, agency_id, outcome, categories = row
            self.outcomes[f"decided: {outcome}"] += 1
            if agency_id is None:
                demand(outcome == "DUTY_BLOCKED", "a duty without an agency is blocked", outcome)
                continue
            told = self.model.records[record_id]
            if (record_id, agency_id) not in ruled:
                # An answer about what has changed and is again as it was may count again, or be asked for again.
                ruled[record_id, agency_id] = [
                    self.model.ruled(record_id, agency_id, strictly=strictly) for strictly in (False, True)
                ]
            ref = told.record.persons[told.persons.index(person_id)].ref
            mine = [one[ref] for one in ruled[record_id, agency_id] if ref in one]
            demand(len(mine) == 2, "decided toward a candidate", record_id, agency_id)
            said = (outcome, frozenset(json.loads(categories) if isinstance(categories, str) else categories))
            may = [(one.outcome.value, frozenset(map(str, one.categories))) for one in mine]
            if said not in may:
                differ = self._differing(key, mine[0].facts)
                demand(False, "a decision says what the model says", record_id, agency_id, said, may, differ)  # noqa: FBT003

    def _differing(self, decision_id: str, facts: Facts) -> dict[str, Any]:
        """On which facts a decision and the model differ."""
        (row,) = self.house.rows(f"select facts, policies from decisions where id = '{decision_id}'")  # noqa: S608 - our own id
        theirs = json.loads(row[0]) if isinstance(row[0], str) else row[0] or {}
        mine = facts.plain()
        differing = {name: (theirs.get(name), value) for name, value in mine.items() if theirs.get(name) != value}
        return differing | {"policies": row[1]}

    def _owed(self, was: Mapping[str, Table], now: Mapping[str, Table]) -> None:
        """Rule 6: duties."""
        for key, row in now["duties"].items():
            old = was["duties"].get(key)
            if old is not None and old[1] == row[1]:
                continue
            self.outcomes[f"duty: {row[1]}"] += 1
            if row[1] == DutyPhase.OVERDUE:
                told = {one[1] for one in now["notices"].values() if one[2] == key}
                demand("duty.overdue" in told, "what is overdue was told to a human", key)
            if row[1] == DutyPhase.LIFTED:
                demand(row[7], "what is lifted has its cause", key)
            if row[1] == DutyPhase.DISCHARGED:
                taken = now["acknowledgements"].get(row[6], ("", ""))[1] in ("accepted", "closed")
                called = now["calls"].get(row[6], ("", ""))[1] == "reached"
                fits = {"acknowledged": taken, "called": called, "elsewhere": taken or called}
                demand(fits.get(row[5], False), "a duty is closed by evidence", key, row[5], row[6])

    def waiting(self, record_ids: Iterable[str]) -> None:
        """After a no: what still waits about these records is what may leave now."""
        wanted = set(record_ids)
        for row in self.tables["deliveries"].values():
            disclosure = self.tables["disclosures"][row[2]]
            if row[3] in wanted and DeliveryState(row[1]) in WAITING and not disclosure[2]:
                self.permitted(self.contents[row[2]], row[3], row[4], "what waits after a no is what may leave")

    def recalled(self) -> set[str]:
        """The disclosures that have a recall."""
        return {row[2] for row in self.tables["disclosures"].values() if row[2]}


def _latest(rows: Table) -> Table:
    """Each consent's newest revision."""
    found: Table = {}
    for row in rows.values():
        key = row[0].partition("~")[0]
        if key not in found or found[key][2] < row[2]:
            found[key] = row
    return found
