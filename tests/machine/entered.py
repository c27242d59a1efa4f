"""Does every row that tells of something have its audit entry in the same transaction, and every entry its row?"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.machine.content import demand
from tests.machine.house import Row

Table = dict[str, Row]


def entered(was: Mapping[str, Table], now: Mapping[str, Table], told: Mapping[str, Any]) -> None:
    """Hold rows against entries, both of one story; `told` is the bodies by kind."""

    def new(name: str) -> list[str]:
        return [key for key in now[name] if key not in was[name]]

    def turned(name: str, state: str) -> list[str]:
        return [key for key, row in now[name].items() if row[1] == state and was[name].get(key, ("", ""))[1] != state]

    def named(field_name: str, *kinds: str) -> list[str]:
        return [body[field_name] for kind in kinds for body in told.get(kind, ())]

    made = new("disclosures")
    consents = [row for key, row in now["consents"].items() if key not in was["consents"]]
    ended = [k for k, row in now["attempts"].items() if row[4] and not was["attempts"].get(k, (None,) * 5)[4]]
    revised = [k for k, row in now["records"].items() if row[1] != was["records"].get(k, (None, None))[1]]
    wiped = [k for k, row in now["records"].items() if row[2] and not was["records"].get(k, (None,) * 3)[2]]
    sent = [body["question"] for body in told.get("question.answered", ()) if body["result"] == "sent"]
    proposed = [body["change"] for body in told.get("endpoint.change", ()) if body["state"] == "proposed"]
    # One that a replay asked for has no retry of its own.
    retried = [body["retry"] for body in told.get("delivery.retried", ()) if body.get("retry")]
    pairs = (
        ("attempts", new("attempts"), named("attempt", "attempt.started")),
        ("disclosures", [k for k in made if not now["disclosures"][k][2]], named("disclosure", "disclosure.made")),
        ("recalls", [k for k in made if now["disclosures"][k][2]], named("recall", "recall.made")),
        ("cancellations", turned("deliveries", "cancelled"), named("delivery", "disclosure.cancelled")),
        ("notices", new("notices"), named("notice", "notice")),
        ("duties", new("duties"), named("duty", "duty.opened")),
        ("discharged duties", turned("duties", "discharged"), named("duty", "duty.discharged")),
        ("lifted duties", turned("duties", "lifted"), named("duty", "duty.lifted")),
        ("acknowledgements", new("acknowledgements"), named("acknowledgement", "acknowledgement")),
        ("reviews", new("reviews"), named("review", "review.opened")),
        ("calls", new("calls"), named("call", "duty.call")),
        ("questions", new("questions"), named("question", "question.asked")),
        ("closed questions", turned("questions", "closed"), named("question", "question.closed")),
        ("answered questions", turned("questions", "answered"), sent),
        ("retries", new("retries"), retried),
        ("replays", new("replays"), named("replay", "replay.proposed")),
        ("confirmed replays", turned("replays", "running"), named("replay", "replay.confirmed")),
        ("proposed changes", new("changes"), proposed),
        (
            "consents",
            [f"{row[0].partition('~')[0]} {row[2]}" for row in consents],
            [f"{body['consent']} {body['revision']}" for kind, some in told.items() for body in some if _speaks(kind)],
        ),
    )
    for what, rows, said in pairs:
        demand(Counter(rows) == Counter(said), "every row has its entry and every entry its row", what, rows, said)
    finished = named("attempt", "attempt.finished")
    demand(set(ended) <= set(finished), "every answer has its entry", ended, finished)
    erased = {body["record"] for body in told.get("record.erased", ()) if body["whole"]}
    demand(set(wiped) == erased, "every erasure has its entry", wiped)
    whole = set(named("record", "record.accepted", "record.revised", "record.erased"))
    demand(set(revised) <= whole, "every revision has its entry", revised)
    overdue = [body["duty"] for body in told.get("duty.overdue", ())]
    demand(set(turned("duties", "overdue")) <= set(overdue), "every overdue duty has its entry")


def _speaks(kind: str) -> bool:
    return kind.startswith("consent.")
