"""Does the checker find what it is there for? Each fault is planted in recorded evidence of a run without any."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from tests.kills.checker import PROMISES, violations
from tests.kills.evidence import Answered, Arrival, Evidence, Kill, Tip
from tests.kills.resuming import rows
from tiprouter.audit.entry import Entry
from tiprouter.audit.kinds import Kind

START = 1_900_000_000.0
AGENCIES = ("police-1", "police-2")
CHILD, CONSENTING, WITHDRAWN, SILENT = 1, 2, 3, 4

Fault: TypeAlias = Callable[[Evidence], Evidence]


def entry(kind: Kind, at: float, **body: object) -> Entry:
    """An entry of the log."""
    return Entry(kind, datetime.fromtimestamp(at, UTC), bytes(16), body)  # type: ignore[arg-type]  # JSON, all of it


def tip_of(number: int) -> Tip:
    """A tip of its kind, offered ten seconds after the one before."""
    at = START + 10 * number

    def answered(name: str, later: float) -> Answered:
        return Answered(f"{name}_{number}", "edge-1", at + later - 0.1, at + later)

    tip = Tip(number, number == CHILD, answered("tip", 0))
    if number in (CONSENTING, WITHDRAWN):
        tip = replace(tip, consent_sent=at + 1, consented=answered("cns", 1.1))
    return replace(tip, withdrawal_sent=at + 3, withdrawn=answered("withdrawn", 3.1)) if number == WITHDRAWN else tip


def told_of(tip: Tip) -> list[Entry]:
    """What the log says of a tip, in order; one that is told to the agencies is told two seconds after it came."""
    at, record, number = tip.accepted.at, tip.accepted.id, tip.number
    said = [entry(Kind.RECORD_ACCEPTED, at, record=record)]
    for agency in AGENCIES if number != SILENT else ():
        name, ids = f"{number}_{agency}", {"record": record, "recipient": agency}
        made = {"disclosure": f"dis_{name}", "delivery": f"msg_{name}"}
        attempt = {"attempt": f"att_{name}", **made}
        said += [
            entry(Kind.DECISION, at + 1, decision=f"dec_{name}", outcome="DISCLOSE", **ids),
            entry(Kind.DISCLOSURE_MADE, at + 1, decisions=[f"dec_{name}"], **made, **ids),
            entry(Kind.ATTEMPT_STARTED, at + 2, **attempt),
            entry(Kind.ATTEMPT_FINISHED, at + 2.5, result="success", **attempt),
        ]
    if tip.withdrawn is not None and tip.consented is not None:
        said.append(entry(Kind.CONSENT_WITHDRAWN, at + 3, consent=tip.consented.id))
    return said


def arrivals_of(tip: Tip) -> list[Arrival]:
    """One message at each agency."""
    names = [(agency, f"{tip.number}_{agency}") for agency in AGENCIES if tip.number != SILENT]
    return [Arrival(agency, f"msg_{one}", f"dis_{one}", tip.number, tip.accepted.at + 2.1) for agency, one in names]


def sound() -> Evidence:
    """A run in which every promise was kept."""
    tips = tuple(map(tip_of, (CHILD, CONSENTING, WITHDRAWN, SILENT)))
    return Evidence(
        agencies=AGENCIES,
        tips=tips,
        arrivals=tuple(one for tip in tips for one in arrivals_of(tip)),
        entries=tuple(one for tip in tips for one in told_of(tip)),
        stored=frozenset(tip.accepted.id for tip in tips),
    )


def without(seen: Evidence, kind: Kind, **body: str) -> Evidence:
    """The same, but for the log's entries of this kind that say this."""

    def meant(one: Entry) -> bool:
        return one.kind is kind and all(one.body.get(name) == value for name, value in body.items())

    return replace(seen, entries=tuple(one for one in seen.entries if not meant(one)))


def instead(seen: Evidence, kind: Kind, name: str, **body: str) -> Evidence:
    """The same, but the entry of this kind about this decision says something else too."""
    changed = [
        replace(one, body={**one.body, **body}) if one.kind is kind and one.body.get("decision") == name else one
        for one in seen.entries
    ]
    return replace(seen, entries=tuple(changed))


def arriving(seen: Evidence, number: int, later: float, **changes: object) -> Evidence:
    """The same, and a message more at the first agency, so long after its tip."""
    name = f"{number}_police-1"
    at = seen.tips[number - 1].accepted.at + later
    more = replace(Arrival("police-1", f"msg_{name}", f"dis_{name}", number, at), **changes)  # type: ignore[arg-type]  # its own fields
    return replace(seen, arrivals=(*seen.arrivals, more))


def attempted(seen: Evidence, number: int, later: float, name: str = "") -> Evidence:
    """The same, and an attempt more at the end of the log, so long after its tip."""
    at, words = seen.tips[number - 1].accepted.at + later, name or f"{number}_police-1"
    more = {"attempt": f"att_{words}_again", "delivery": f"msg_{words}", "disclosure": f"dis_{number}_police-1"}
    again = (entry(Kind.ATTEMPT_STARTED, at, **more), entry(Kind.ATTEMPT_FINISHED, at, result="success", **more))
    return replace(seen, entries=(*seen.entries, *again))


def backwards(seen: Evidence) -> Evidence:
    """The same, told from the last to the first."""
    return replace(seen, entries=seen.entries[::-1])


def decided_last(seen: Evidence) -> Evidence:
    """The same, but every decision comes at the end of the log."""
    return replace(seen, entries=tuple(sorted(seen.entries, key=lambda one: one.kind is Kind.DECISION)))


def answered_alike(seen: Evidence) -> Evidence:
    """The same, but the last caller was answered with the first one's tip, and nothing was made for them."""
    last = replace(seen.tips[-1], accepted=seen.tips[0].accepted)
    return without(replace(seen, tips=(*seen.tips[:-1], last)), Kind.RECORD_ACCEPTED, record="tip_4")


LOST, MISSING, SECOND_ID, UNTOLD, UNPERMITTED, UNASKED, TOO_LATE, UNENDED, UNANSWERED, UNVERIFIED = PROMISES

FAULTS: tuple[tuple[str, str, Fault], ...] = (
    ("a tip dropped after its 201", LOST, lambda it: replace(it, stored=it.stored - {"tip_1"})),
    ("a tip not in the log", LOST, lambda it: without(it, Kind.RECORD_ACCEPTED, record="tip_4")),
    ("a tip twice in the log", LOST, lambda it: replace(it, entries=(*it.entries, it.entries[0]))),
    ("a tip accepted of nobody", LOST, lambda it: replace(it, tips=it.tips[:-1])),
    ("two tips answered alike", LOST, answered_alike),
    ("one agency never told", MISSING, lambda it: replace(it, arrivals=it.arrivals[1:])),
    (
        "a delivery sent under a second id",
        SECOND_ID,
        lambda it: arriving(attempted(it, CHILD, 2, "other"), CHILD, 3, webhook_id="msg_other"),
    ),
    (
        "a tip told a second time, as another disclosure",
        SECOND_ID,
        lambda it: arriving(it, CHILD, 3, webhook_id="msg_other", disclosure_id="dis_other"),
    ),
    (
        "a recall sent under a second id",
        SECOND_ID,
        lambda it: arriving(attempted(it, CHILD, 2, "other"), CHILD, 3, webhook_id="msg_other", tip=None),
    ),
    ("an attempt not logged", UNTOLD, lambda it: without(it, Kind.ATTEMPT_STARTED, delivery="msg_1_police-1")),
    ("sent twice, attempted once", UNTOLD, lambda it: arriving(it, CHILD, 2.3)),
    ("logged after it was sent", UNTOLD, lambda it: arriving(attempted(it, CHILD, 4), CHILD, 3)),
    ("a withheld decision", UNPERMITTED, lambda it: instead(it, Kind.DECISION, "dec_1_police-1", outcome="WITHHOLD")),
    ("another tip's decision", UNPERMITTED, lambda it: instead(it, Kind.DECISION, "dec_1_police-1", record="tip_2")),
    ("another agency's", UNPERMITTED, lambda it: instead(it, Kind.DECISION, "dec_1_police-1", recipient="police-2")),
    ("no decision", UNPERMITTED, lambda it: without(it, Kind.DECISION, decision="dec_1_police-1")),
    ("no disclosure", UNPERMITTED, lambda it: without(it, Kind.DISCLOSURE_MADE, delivery="msg_1_police-1")),
    ("attempted before it was told of", UNPERMITTED, backwards),
    ("decided after it was attempted", UNPERMITTED, decided_last),
    ("an adult who was not asked", UNASKED, lambda it: arriving(it, SILENT, 1)),
    ("an adult told of before the consent", UNASKED, lambda it: arriving(it, CONSENTING, 0.5)),
    ("an attempt behind the withdrawal in the log", TOO_LATE, lambda it: attempted(it, WITHDRAWN, 2.8)),
    (
        "an attempt after the withdrawal's answer",
        TOO_LATE,
        lambda it: replace(it, entries=attempted(it, WITHDRAWN, 3.2).entries[-2:] + it.entries),
    ),
    ("arrived long after the withdrawal", TOO_LATE, lambda it: arriving(it, WITHDRAWN, 60)),
    ("a withdrawal that is not told", TOO_LATE, lambda it: without(it, Kind.CONSENT_WITHDRAWN)),
    ("an attempt without an end", UNENDED, lambda it: without(it, Kind.ATTEMPT_FINISHED, attempt="att_1_police-1")),
    ("a caller who was never answered", UNANSWERED, lambda it: replace(it, unanswered=("t9: not answered",))),
    ("a log that does not verify", UNVERIFIED, lambda it: replace(it, log_faults=("the root is another",))),
)


def test_where_every_promise_was_kept_nothing_is_found() -> None:
    """The evidence in which faults are planted below has none itself."""
    assert violations(sound()) == {promise: [] for promise in PROMISES}


@pytest.mark.parametrize(("promise", "fault"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_found(promise: str, fault: Fault) -> None:
    """Whatever else it looks like, it is found under the promise that it breaks."""
    assert violations(fault(sound()))[promise]


def test_each_promise_has_a_planted_fault() -> None:
    """No part of the checker goes untried."""
    assert {promise for _, promise, _ in FAULTS} == set(PROMISES)


def test_how_long_each_work_waited_is_counted_from_its_kill() -> None:
    """A worker killed with an attempt in its hands, the sequencer, and an edge after which nobody asked any more."""
    seen = without(sound(), Kind.ATTEMPT_FINISHED, attempt="att_1_police-1")
    at = seen.tips[0].accepted.at + 2
    lost = {"attempt": "att_1_police-1", "delivery": "msg_1_police-1", "disclosure": "dis_1_police-1"}
    seen = replace(seen, entries=(*seen.entries, entry(Kind.ATTEMPT_FINISHED, at + 4, result="unknown", **lost)))
    seen = attempted(seen, CHILD, 6)
    kills = (
        Kill("worker", "worker-1", at + 0.05, at + 3),
        Kill("sequencer", "sequencer", at, at + 1),
        Kill("edge", "edge-1", at + 90, at + 91),
    )
    found = {(row.kind, row.work): row for row in rows(replace(seen, kills=kills, growths=(at - 1, at + 2, at + 9)))}
    longest = [found["worker", work].max_seconds for work in ("sending", "what was in hand")]
    assert longest == pytest.approx([10.05, 3.95])
    assert (found["worker", "sending"].late, found["worker", "what was in hand"].late) == (1, 0)
    assert (found["sequencer", "log"].median_seconds, found["sequencer", "log"].back_seconds) == (2.0, 1.0)
    assert (found["edge", "tips accepted"].kills, found["edge", "tips accepted"].never) == (1, 1)
