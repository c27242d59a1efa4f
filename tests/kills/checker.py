"""Does what was seen keep the promises?

1. No accepted tip is lost: each that was answered with 201 is stored, and accepted in the log exactly once; and
   nothing is accepted that nobody was answered for, since every caller asks until there is an answer.
2. Every allowed disclosure arrived at least once: a child's tip, and an adult's whose consent stands, at every agency.
3. None has two ids: one tip is one webhook-id at one agency, and so is one disclosure.
4. Nothing arrived whose attempt is not in the log, each arrival after an attempt of its own.
5. Every attempt has a decision before it in the log that permits it, of that record to that agency; a recall has the
   disclosure that it recalls.
6. Nobody was told of an adult before that adult's consent was given.
7. Nothing began after a withdrawal had committed: no attempt stands behind it in the log or after its answer in time,
   and nothing arrived when every attempt from before must have ended.
8. Every attempt that started has an end (two, where a lease ran out before its holder could write what came of it);
   the log verifies, and continues every checkpoint that was seen of it.

Rule 7 reads order in the log: entries of one record are written under that record's lock, so theirs is the order of
commits. It does not promise to see what was sent to somebody who keeps no record of it.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from tests.kills.evidence import Evidence, Tip
from tiprouter.audit.kinds import Kind
from tiprouter.workflow.dispatch import ATTEMPT_SECONDS

PERMITS: Final = ("REPORT", "DISCLOSE")
GRACE_SECONDS: Final = 5.0
"""Beyond an attempt's own time: how long a request may lie in the sockets of a busy machine."""
MILLISECOND: Final = 0.001
"""The log drops parts of a millisecond."""

Said = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """The log as it is asked about here: indices by kind and id."""

    seen: Evidence

    @cached_property
    def of(self) -> dict[Kind, list[tuple[int, float, Said]]]:
        """Entries of each kind: index, moment, body."""
        found: dict[Kind, list[tuple[int, float, Said]]] = defaultdict(list)
        for index, entry in enumerate(self.seen.entries):
            found[entry.kind].append((index, entry.at.timestamp(), entry.body))
        return found

    @cached_property
    def attempts(self) -> dict[str, list[tuple[int, float, Said]]]:
        """Attempts by delivery, which is the webhook-id."""
        found: dict[str, list[tuple[int, float, Said]]] = defaultdict(list)
        for index, at, body in self.of[Kind.ATTEMPT_STARTED]:
            found[body["delivery"]].append((index, at, body))
        return found

    @cached_property
    def made(self) -> dict[str, tuple[int, Said]]:
        """What each delivery delivers: a disclosure or a recall."""
        both = [*self.of[Kind.DISCLOSURE_MADE], *self.of[Kind.RECALL_MADE]]
        return {body["delivery"]: (index, body) for index, _, body in both}

    @cached_property
    def decided(self) -> dict[str, tuple[int, Said]]:
        """Decisions by id."""
        return {body["decision"]: (index, body) for index, _, body in self.of[Kind.DECISION]}

    @cached_property
    def deliveries_of(self) -> dict[str, list[str]]:
        """Deliveries of disclosures, by record."""
        found: dict[str, list[str]] = defaultdict(list)
        for _, _, body in self.of[Kind.DISCLOSURE_MADE]:
            found[body["record"]].append(body["delivery"])
        return found


def _lost(it: Reading) -> Iterator[str]:
    told = Counter(body["record"] for _, _, body in it.of[Kind.RECORD_ACCEPTED])
    answered = Counter(tip.accepted.id for tip in it.seen.tips)
    for tip_id, times in answered.items():
        if tip_id not in it.seen.stored or told[tip_id] != 1 or times != 1:
            yield f"{tip_id}: stored {tip_id in it.seen.stored}, {told[tip_id]} times in the log, {times} answers"
    strangers = sorted(told.keys() - answered.keys())
    # A caller who was never answered may have been heard all the same; that is another fault, told elsewhere.
    if len(strangers) > len(it.seen.unanswered):
        yield from (f"{tip_id}: accepted, and nobody was answered so" for tip_id in strangers)


def _missing(it: Reading) -> Iterator[str]:
    arrived = {(one.tip, one.agency) for one in it.seen.arrivals}
    for tip in it.seen.tips:
        for agency in it.seen.agencies:
            if tip.owed and (tip.number, agency) not in arrived:
                yield f"{tip.accepted.id}: never arrived at {agency}"


def _second_ids(it: Reading) -> Iterator[str]:
    ids: dict[object, set[str]] = defaultdict(set)
    for one in it.seen.arrivals:
        ids[one.disclosure_id].add(one.webhook_id)
        if one.tip is not None:
            ids[f"tip {one.tip} at {one.agency}"].add(one.webhook_id)
    yield from (f"{what}: {sorted(names)}" for what, names in ids.items() if len(names) > 1)


def _untold(it: Reading) -> Iterator[str]:
    arrivals: dict[str, list[float]] = defaultdict(list)
    for one in it.seen.arrivals:
        arrivals[one.webhook_id].append(one.at)
    for webhook_id, moments in arrivals.items():
        begun = sorted(at for _, at, _ in it.attempts.get(webhook_id, ()))
        for count, moment in enumerate(sorted(moments), start=1):
            if bisect_right(begun, moment) < count:
                yield f"{webhook_id}: arrived {count} times at {moment:.3f}, by then attempted less often"
                break


def _unpermitted(it: Reading) -> Iterator[str]:
    for delivery, attempts in it.attempts.items():
        first = min(index for index, _, _ in attempts)
        index, made = it.made.get(delivery, (first, {}))
        if index >= first:
            yield f"{delivery}: attempted before the log tells of what it delivers"
        elif "recall" not in made and not _is_permitted(it, made, first):
            yield f"{delivery}: attempted without a decision that permits it"


def _is_permitted(it: Reading, made: Said, first: int) -> bool:
    found = [it.decided.get(one) for one in made.get("decisions", ())]
    return bool(found) and all(
        one is not None
        and one[0] < first
        and one[1]["outcome"] in PERMITS
        and (one[1]["record"], one[1]["recipient"]) == (made["record"], made["recipient"])
        for one in found
    )


def _unasked(it: Reading) -> Iterator[str]:
    adults = {tip.number: tip for tip in it.seen.tips if not tip.child}
    for one in it.seen.arrivals:
        if one.tip in adults:
            given = adults[one.tip].consent_sent
            if given is None or one.at < given:
                yield f"{one.webhook_id}: arrived at {one.agency} without the consent of tip {one.tip}"


def _too_late(it: Reading) -> Iterator[str]:
    withdrawn = {body["consent"]: index for index, _, body in it.of[Kind.CONSENT_WITHDRAWN]}
    ended: dict[int, float] = {}
    for tip in it.seen.tips:
        if tip.withdrawn is None or tip.consented is None:
            continue
        ended[tip.number] = tip.withdrawn.at
        at = withdrawn.get(tip.consented.id)
        if at is None:
            yield f"{tip.consented.id}: withdrawn, and the log does not tell"
        else:
            yield from _began_after(it, tip, at, tip.withdrawn.at)
    for one in it.seen.arrivals:
        if one.tip in ended and one.at > ended[one.tip] + ATTEMPT_SECONDS + GRACE_SECONDS:
            yield f"{one.webhook_id}: arrived {one.at - ended[one.tip]:.1f} s after its withdrawal"


def _began_after(it: Reading, tip: Tip, withdrawal: int, answered: float) -> Iterator[str]:
    for delivery in it.deliveries_of[tip.accepted.id]:
        for index, at, body in it.attempts.get(delivery, ()):
            if index > withdrawal or at > answered + MILLISECOND:
                yield f"{body['attempt']}: began after the withdrawal of {tip.accepted.id}"


def _unended(it: Reading) -> Iterator[str]:
    ended = {body["attempt"] for _, _, body in it.of[Kind.ATTEMPT_FINISHED]}
    yield from (body["attempt"] for _, _, body in it.of[Kind.ATTEMPT_STARTED] if body["attempt"] not in ended)


PROMISES: Final[Mapping[str, Callable[[Reading], Iterator[str]]]] = MappingProxyType(
    {
        "an accepted tip is lost, or told of twice": _lost,
        "an allowed disclosure never arrived": _missing,
        "a disclosure has a second id": _second_ids,
        "something arrived whose attempt is not in the log": _untold,
        "an attempt has no decision that permits it": _unpermitted,
        "an adult was told of without consent": _unasked,
        "something began after a withdrawal": _too_late,
        "an attempt has no end": _unended,
        "a request was not answered as it should be": lambda it: iter(it.seen.unanswered),
        "the log does not verify": lambda it: iter(it.seen.log_faults),
    }
)
"""Each way to break a promise, and what finds it."""


def violations(seen: Evidence) -> dict[str, list[str]]:
    """What was broken, by promise, each with ids alone; a promise that was kept has an empty list."""
    reading = Reading(seen)
    return {name: list(look(reading)) for name, look in PROMISES.items()}
