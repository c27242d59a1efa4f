"""A service with two of everything, made by its own API: two agencies, their records, auditors, and what hangs on them.

What only time makes (a notice to a subject, checkpoints of the log) is made by the chores that make it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.api.calling import MARKER, Api, agency, at, case, grant, running, tip
from tests.api.governed import own_files
from tests.support.questioning import ED25519
from tests.support.second_words import agree, ask
from tests.support.service import open_service
from tests.support.staff import CHEAP, member
from tiprouter.api.limiter import Bounds
from tiprouter.domain.redaction import stamp
from tiprouter.receiver import verify
from tiprouter.receiver.acknowledgement import public_jwk, sign_acknowledgement
from tiprouter.storage import deliveries, delivery_queries
from tiprouter.storage.database import Transaction
from tiprouter.storage.deliveries import Ended
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.noticing import owe_notices
from tiprouter.workflow.passwords import Hasher

CLIENT_KEY: Final = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
UNLIMITED: Final = Bounds(reads=0, writes=0, strangers=0, attempts=0)
PLACES: Final = ("US-TX", "US-CA")
SCOPES: Final = {
    "intake": ("tips:read", "cases:read"),
    "reviewer": ("tips:read", "cases:read"),
    "auditor": ("decisions:read", "duties:read"),
    "operator": ("notices:read", "people:read"),
    "agency": ("disclosures:read", "inbox:read"),
    "counsel": ("bundles:read", "decisions:write"),
    "custodian": ("session:read", "session:write"),
}
"""Two narrowed credentials of each role: of any route, one of the two is not given its scope."""


@dataclass
class Things:
    """The ids of what is there: by name of a path's parameter, the first one's and the second one's."""

    ids: dict[str, list[str]] = field(default_factory=dict)

    def add(self, **named: str) -> None:
        """One more of each."""
        for name, found in named.items():
            self.ids.setdefault(name, []).append(found)


@asynccontextmanager
async def furnished(url: str, folder: Path) -> AsyncIterator[tuple[Api, Things]]:
    """A running service on this database, and what is in it."""
    async with open_service(url, folder) as service, running(service) as api:
        yield api, await furnish(api)


async def told(
    api: Api, role: str, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> Any:  # noqa: ANN401 - JSON
    """What a request that must be let in is answered."""
    answer = await api.send(role, method, path, body, headers)
    assert answer.status_code < 300, (role, method, path, answer.text)
    return answer.json()


async def furnish(api: Api) -> Things:
    """Two of everything; no limits on who asks how often."""
    api.office.limiter.bounds = UNLIMITED
    api.office.front.hasher = Hasher(CHEAP)
    things = Things()
    for number, place in enumerate(PLACES):
        await _agency(api, things, number, place)
        await _records(api, things, number, place)
    for number in range(2):
        await _disclosed(api, things, number)
    await api.service.database.write(lambda tx: owe_notices(tx, api.service.desk))
    for one in (await told(api, "intake", "GET", "/v1/subject-notices"))["items"][::-1]:
        things.add(subject_notice_id=one["id"])
    await _reviews(api, things)
    for number in range(2):
        await _looked_into(api, things, number)
    await _callers(api, things)
    await _policy(api, things)
    await api.service.sequencer.drain()
    size = len(await api.service.rows('select "index" from log_entries'))
    for _ in range(2):
        things.add(path=f"000.p/{size}" if size < 256 else "000", level="0")
    things.add(index="0")
    things.add(index="1")
    return things


def _child(number: int, place: str, name: str, **person: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    ref = f"{name}{number}"
    known = {"ref": ref, "role": "potential_victim", "age": {"years": 12}, "guardians": []}
    named = {"identity": {"first_name": "Example", "second_name": MARKER}, "contact": {"safe_channel": "text"}}
    return tip(
        f"{name}-{number}",
        persons=[known | named | person],
        signaler={"relationship": "self", "wish": "unstated", "ref": ref},
        jurisdictions=[{"code": place, "reason": "found"}],
        statements=[{"text": f"Example {MARKER}", "persons": [ref], "category": "incident"}],
    )


async def _agency(api: Api, things: Things, number: int, place: str) -> None:
    jwk = public_jwk(ED25519.public_key())
    wanted = agency(delivery_mode="pull", url=None, jurisdictions=[place], acknowledgement_key=jwk)
    enrolled = await told(api, "operator", "POST", "/v1/recipients", wanted)
    known = {"role": "agency", "recipient_id": enrolled["id"]}
    made = await told(api, "operator", "POST", "/v1/credentials", known)
    api.tokens[("agency", "agency-two")[number]] = made["token"]
    things.add(recipient_id=enrolled["id"], verification_key=enrolled["signing_key"]["verification_key"])


async def _records(api: Api, things: Things, number: int, place: str) -> None:
    """A child who is reported, one more, an adult in danger, a case, and a child who only witnessed."""
    kept = await told(api, "intake", "POST", "/v1/tips", _child(number, place, "child"))
    things.add(tip_id=kept["id"], record_id=kept["id"], person_id=kept["persons"][0]["id"])
    things.add(decision_id=next(one["decision"] for one in kept["outcomes"] if one["recipient"]))
    duties = await told(api, "intake", "GET", f"/v1/duties?record_id={kept['id']}")
    duty_id = next(one["id"] for one in duties["items"] if one["recipient"])
    things.add(duty_id=duty_id)
    call = {"outcome": "no_answer", "called_at": at(minutes=1), "caller": f"Example {MARKER}", "number": "+1-555-0101"}
    await told(api, "intake", "POST", f"/v1/duties/{duty_id}/calls", call)
    held = await told(api, "reviewer", "POST", f"/v1/records/{kept['id']}/hold", {"reason": "Example hold."})
    things.add(hold_id=held["id"])
    danger = {"immediate": "yes", "escalating": "yes", "perceived": "heard", "observed_at": at(minutes=3)}
    adult = _child(number, place, "adult", age={"years": 30}) | {"violence": danger}
    await told(api, "intake", "POST", "/v1/tips", adult)
    filed = _child(number, place, "filed")
    del filed["external_id"]
    wanted = case() | filed | {"status": "Active", "tips": []}
    things.add(case_id=f"C-{number}")
    await told(api, "intake", "PUT", f"/v1/cases/C-{number}", wanted, {"If-None-Match": "*"})
    blameless = [{"relationship": "aunt", "implicated": "no"}]
    witness = _child(number, place, "seen", role="witness", age={"years": 15}, guardians=blameless)
    await told(api, "intake", "POST", "/v1/tips", witness)
    whose = {"source": "hotline-example", "ref": f"seen{number}"}
    consent = grant(person=whose, grantor="both", categories=["incident", "identity"])
    given = await told(api, "intake", "POST", "/v1/consents", consent)
    things.add(consent_id=given["id"])


def _quote(tx: Transaction, desk: Desk, delivery_id: str) -> None:
    """As if an endpoint had answered an attempt and quoted what it was sent: these agencies have none."""
    attempt, record_id = deliveries.attempts_of(tx, delivery_id)[0], delivery_queries.record_of(tx, delivery_id)
    deliveries.finish(tx, desk.vault, [Ended(attempt, str(record_id), MARKER.encode())])


async def _disclosed(api: Api, things: Things, number: int) -> None:
    """An agency takes what waits for it, answers signed, asks, and leaves one delivery where it is."""
    name = ("agency", "agency-two")[number]
    listed = (await told(api, name, "GET", "/v1/inbox"))["items"]
    assert len(listed) > 2, listed
    *taken, waiting = sorted(listed, key=lambda one: one["delivery"])
    for place, one in enumerate(taken):
        answer = await api.send(name, "GET", f"/v1/inbox/{one['delivery']}")
        now = api.service.clock.at
        message = verify(dict(answer.headers), answer.content, [things.ids["verification_key"][number]], now)
        signed = sign_acknowledgement(message, "accepted", ED25519, now)
        said = {"status": "accepted", "case_number": "EX-1", "jws": signed}
        made = await told(api, name, "POST", f"/v1/inbox/{one['delivery']}/ack", said)
        if place == 0:
            path = f"/v1/disclosures/{made['disclosure']}/acknowledgements"
            await told(api, name, "POST", path, {"status": "needs_information", "question": "Which one?"})
            things.add(disclosure_id=made["disclosure"], acknowledgement_id=made["id"], delivery_id=one["delivery"])
            asked = (await told(api, "intake", "GET", "/v1/questions"))["items"]
            things.add(question_id=asked[0]["id"])
            retry = {"reason": "other", "note": f"Example {MARKER}"}
            await api.send("reviewer", "POST", f"/v1/deliveries/{one['delivery']}/retry", retry)
            await api.service.database.write(partial(_quote, desk=api.service.desk, delivery_id=one["delivery"]))
    things.add(inbox_id=waiting["delivery"])


async def _reviews(api: Api, things: Things) -> None:
    for one in (await told(api, "reviewer", "GET", "/v1/reviews"))["items"][::-1][:2]:
        things.add(review_id=one["id"])
    for one in (await told(api, "operator", "GET", "/v1/notices"))["items"][::-1][:2]:
        things.add(notice_id=one["id"])


async def _looked_into(api: Api, things: Things, number: int) -> None:
    """A replay, a change of the endpoint, and an auditor to whom one matter is open."""
    recipient_id = things.ids["recipient_id"][number]
    wanted = {"recipient": recipient_id, "since": at(hours=1), "states": ["delivered"], "reason": "endpoint_mended"}
    api.service.clock.forward(seconds=1)
    things.add(replay_id=(await told(api, "operator", "POST", "/v1/replays", wanted))["id"])
    change = {"url": "https://new.agency.example/hook", "delivery_mode": "push"}
    path = f"/v1/recipients/{recipient_id}/changes"
    things.add(change_id=(await told(api, "operator", "POST", path, change, {"If-Match": '"1"'}))["id"])
    auditor = ("auditor", "auditor-two")[number]
    if number:
        made = await told(api, "operator", "POST", "/v1/credentials", {"role": "auditor"})
        api.tokens[auditor] = made["token"]
    until = stamp(api.service.clock.at + timedelta(days=7))
    asking = {"record": things.ids["record_id"][number], "until": until, "reason": "Example reason."}
    asked = await told(api, auditor, "POST", "/v1/grants", asking)
    for role in ("reviewer", "counsel"):
        await told(api, role, "POST", f"/v1/grants/{asked['id']}/approve")
    things.add(grant_id=asked["id"])
    if number:
        things.add(word_id=await ask(api, "operator", "key", recipient_id))
    else:
        await agree(api, "auditor", "reviewer", "export", things.ids["record_id"][0])
        things.add(word_id=await ask(api, "reviewer", "export", things.ids["record_id"][0]))


async def _callers(api: Api, things: Things) -> None:
    for number in range(2):
        spare = await told(api, "operator", "POST", "/v1/credentials", {"role": "intake"})
        known = {"role": "intake", "label": f"crm-{number}", "keys": [CLIENT_KEY]}
        client = await told(api, "operator", "POST", "/v1/clients", known)
        email = f"person{number}@hotline.example"
        invited = {"role": "reviewer", "way": "local", "name": "Example Person", "email": email}
        person = await told(api, "operator", "POST", "/v1/people", invited)
        things.add(credential_id=spare["id"], client_id=client["id"], account_id=person["id"])
        signed_in = await member(api.service, f"signed-in-{number}@hotline.example")
        things.add(session_id=(await signed_in.sign_in()).session.id)
    for role, narrowed in SCOPES.items():
        for number, scope in enumerate(narrowed):
            known = {"role": role, "scopes": [scope]}
            known |= {"recipient_id": things.ids["recipient_id"][0]} if role == "agency" else {}
            made = await told(api, "operator", "POST", "/v1/credentials", known)
            api.tokens[f"{role}-narrowed-{number}"] = made["token"]


async def _policy(api: Api, things: Things) -> None:
    (active,) = (await told(api, "counsel", "GET", "/v1/bundles"))["items"]
    things.add(digest=active["digest"])
    proposed = await told(api, "counsel", "POST", "/v1/bundles", {"files": own_files()})
    things.add(digest=proposed["digest"])
