"""The rules of the decision, as stories: what of a record is told, and why (docs/decision-rules.md)."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from tests.acceptance.test_rules import CPS, LE, PROVIDER, enrolled, in_force, sent_to, standing, told_to_a_human
from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import DANGER, SECRET, agency, grant, person, tip
from tests.support.service import START, Service, bundle
from tiprouter.api.schemas.policies import told as told_by_the_api
from tiprouter.domain.record import Guardian, Implicated, Location, Person, Record, Signaler, Statement
from tiprouter.domain.vocabulary import (
    Answer,
    CaseStatus,
    Category,
    Outcome,
    Perception,
    RecordKind,
    Relationship,
    Role,
    Urgency,
)
from tiprouter.workflow import inquiry
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import Actor

AUDITOR = Actor("cal_auditor", "auditor")
MINIMUM = {Category.INCIDENT, Category.LOCATION}
STREET = "1 Example Street"


def telling(*persons: Person, also: tuple[Statement, ...] = (), **changes: Any) -> Record:  # noqa: ANN401 - fields
    """A record that says something of each category of each person, in a word of its own; the street is the first's."""
    refs = [one.ref for one in persons]
    said = (Statement(f"told:{category.value}:{ref}.", (ref,), category) for ref in refs for category in Category)
    return tip(*persons, statements=(*said, *also), location=Location(street=STREET, persons=(refs[0],)), **changes)


def read(body: bytes) -> set[tuple[str, str]]:
    """Of whom a payload says what, by the words of `telling`; the persons' own fields say the same, or nothing."""
    told = set(re.findall(r"told:([a-z_]+):([a-z]+)\.", body.decode()))
    owned = ((Category.IDENTITY, "Example-"), (Category.HEALTH, "health of "), (Category.IMMIGRATION, "status of "))
    for category, word in owned:
        for ref in re.findall(rf"{word}([a-z]+)", body.decode()):
            assert (category.value, ref) in told, f"the {category} of {ref} is told"
    return {(ref, category) for category, ref in told}


async def payloads(service: Service) -> dict[str, bytes]:
    """Deliver what is due: the bytes by recipient."""
    return {one.recipient_id: one.envelope.body.body for one in await service.deliver()}


async def test_a_third_partys_tip_is_withheld_by_one_bundle_and_forwarded_minimised_by_the_other(
    service: Service,
) -> None:
    """Rule 4: of an adult who was not asked nothing leaves, or what happened and where; of the caller never a word."""
    (police,) = await enrolled(service, LE)
    sister = Signaler(Relationship.FAMILY_FRIEND, ref="caller")
    told = telling(person("adult"), person("caller", role=Role.SIGNALER), external_id="C-1", signaler=sister)
    record = replace(told, kind=RecordKind.CASE, status=CaseStatus.ACTIVE)
    accepted = await service.put_case(record, None)
    found = await standing(service, accepted)
    assert {one.outcome for one in found.values()} == {Outcome.WITHHOLD}
    assert "tenant.third-party-withheld" in found["adult", police].policies
    assert await service.deliver() == []
    await in_force(service, bundle("tip-sharing"))
    found = await standing(service, accepted)
    assert (found["adult", police].outcome, found["caller", police].outcome) == (Outcome.DISCLOSE, Outcome.WITHHOLD)
    assert found["adult", police].policies == ("tenant.third-party-forwarded",)
    body = (await payloads(service))[police]
    assert read(body) == {("adult", category) for category in MINIMUM}
    data = json.loads(body)["data"]
    assert (len(data["persons"]), data["location"]["street"]) == (1, STREET)
    assert "signaler" not in data
    for word in (SECRET, "555-0100", "caller", Relationship.FAMILY_FRIEND):
        assert word not in body.decode()
    await log_agrees_with_rows(service)


async def test_only_violence_that_is_immediate_escalating_first_hand_and_fresh_reaches_the_police(
    service: Service,
) -> None:
    """Rule 6: relayed, of yesterday, undated or partial is a review; all of it is incident and location at once."""
    (police,) = await enrolled(service, LE)
    violence = {
        "relayed": replace(DANGER, perceived=Perception.RELAYED),
        "stale": replace(DANGER, observed_at=START - timedelta(hours=12)),
        "undated": replace(DANGER, observed_at=None),
        "partial": replace(DANGER, escalating=Answer.UNKNOWN),
        "heard": DANGER,
    }
    for ref, known in violence.items():
        record = telling(person(ref), external_id=f"T-{ref}", violence=known)
        decision = (await standing(service, await service.accept(record)))[ref, police]
        if ref == "heard":
            assert (decision.outcome, decision.urgency) == (Outcome.REPORT, Urgency.IMMINENT)
            assert decision.deadline == record.received_at + timedelta(minutes=15)
            continue
        assert (decision.outcome, decision.policies) == (Outcome.HOLD_REVIEW, ("review.violence",)), ref
        assert ("review.wanted", decision.id) in await told_to_a_human(service)
    ((_, body),) = (await payloads(service)).items()
    assert read(body) == {("heard", category) for category in MINIMUM}
    assert json.loads(body)["data"]["location"]["street"] == STREET
    assert SECRET not in body.decode()
    await log_agrees_with_rows(service)


async def test_what_is_about_two_persons_leaves_only_if_both_allow_it(service: Service) -> None:
    """Rule 7: one consents to everything; what is also about the other waits until they do, the narrative for all."""
    police, provider = await enrolled(service, LE, PROVIDER)
    both = Statement("told:incident:both.", ("ann", "ben"), Category.INCIDENT)
    narrative = Statement("told:narrative:everybody.")
    record = telling(person("ann"), person("ben"), person("cid"), also=(both, narrative))
    accepted = await service.accept(record)
    ann, ben, cid = accepted.stored.persons
    everything, whole = {category.value for category in Category}, ("everybody", "narrative")

    await service.consent(Whose(person_id=ann), grant(LE, PROVIDER))
    bodies = await payloads(service)
    assert read(bodies[provider]) == {("ann", category) for category in everything}
    assert read(bodies[police]) == {("ann", category) for category in everything - {Category.IMMIGRATION}}
    assert "ben" not in bodies[provider].decode()

    await service.consent(Whose(person_id=ben), grant(LE, PROVIDER, categories=(Category.INCIDENT,)))
    bodies = await payloads(service)
    assert read(bodies[provider]) >= {("ann", Category.HEALTH), ("both", Category.INCIDENT)}
    assert {told for told in read(bodies[provider]) if told[0] == "ben"} == {("ben", Category.INCIDENT)}
    assert ("both", Category.INCIDENT) in read(bodies[police])

    await service.consent(Whose(person_id=cid), grant(LE, PROVIDER))
    bodies = await payloads(service)
    assert all(whole not in read(body) for body in bodies.values()), "ben did not allow all of it"
    await log_agrees_with_rows(service)


async def test_an_unlabelled_narrative_leaves_when_everybody_in_it_allows_everything(service: Service) -> None:
    """Rule 7: to the provider; never to the police, because it may hold immigration data."""
    police, provider = await enrolled(service, LE, PROVIDER)
    accepted = await service.accept(
        telling(person("ann"), person("ben"), also=(Statement("told:narrative:everybody."),))
    )
    for number, person_id in enumerate(accepted.stored.persons):
        await service.consent(Whose(person_id=person_id), grant(LE, PROVIDER))
        bodies = await payloads(service)
        assert (("everybody", "narrative") in read(bodies[provider])) == (number == 1)
        assert ("everybody", "narrative") not in read(bodies[police])
    await log_agrees_with_rows(service)


async def test_a_childs_report_does_not_carry_the_mother_who_did_not_consent(service: Service) -> None:
    """Rule 7: neither her name nor what is about both of them, nor that a neighbour called, nor that there are two."""
    police, protection = await enrolled(service, LE, CPS)
    child = person("child", 11, guardians=(Guardian("mother", Answer.NO, ref="mother"),))
    mother = person("mother", 34, role=Role.WITNESS)
    caller = person("caller", 50, role=Role.SIGNALER)
    also = (
        Statement("told:incident:both.", ("child", "mother"), Category.INCIDENT),
        Statement("told:narrative:everybody."),
    )
    record = telling(child, mother, caller, also=also, signaler=Signaler(Relationship.COMMUNITY_MEMBER, ref="caller"))
    await service.accept(record)
    bodies = await payloads(service)
    assert bodies.keys() == {police, protection}
    for body in bodies.values():
        reported = {*MINIMUM, Category.IDENTITY, Category.CONTACT}
        assert read(body) == {("child", category) for category in reported}
        data = json.loads(body)["data"]
        assert ([one["role"] for one in data["persons"]], data["location"]["street"]) == (["potential_victim"], STREET)
        for word in ("mother", "caller", Relationship.COMMUNITY_MEMBER):
            assert word not in body.decode()
    await log_agrees_with_rows(service)


async def test_every_decision_of_a_mixed_record_explains_itself(service: Service) -> None:
    """Rule 12: each policy it names has words and a source; who differs in one fact is told which; unknowns decide."""
    accused, police, protection, provider = await enrolled(service, LE, LE, CPS, PROVIDER)
    await service.enrol(agency(LE, "US-CA"))
    persons = (
        person("adult"),
        person("child", 12),
        person("perhaps", None),
        person("boss", 40, role=Role.ALLEGED_TRAFFICKER),
        person("caller", 40, role=Role.SIGNALER),
        person("witness", 15, role=Role.WITNESS),
    )
    record = tip(
        *persons,
        signaler=Signaler(Relationship.FAMILY_FRIEND, ref="caller"),
        implicated=(Implicated(recipient_id=accused),),
    )
    accepted = await service.accept(record)
    caller = accepted.stored.persons[4]
    await service.consent(Whose(person_id=caller), grant(PROVIDER, categories=(Category.INCIDENT,)))
    found = await standing(service, accepted)
    assert len(found) == len(persons) * 4
    for decision in found.values():
        ask = partial(inquiry.decision, desk=service.desk, actor=AUDITOR, decision_id=decision.id)
        notes = {note.id: note for note in (await service.database.write(ask)).notes}
        assert decision.policies
        for name in decision.policies:
            said = told_by_the_api(name, notes.get(name))
            assert said.basis
            assert re.search("[Rr]ule|Code|U.S.C.", said.cite), f"{name} cites {said.cite}"
    why = {whom: inquiry.counterfactuals(service.desk, decision) for whom, decision in found.items()}
    changes = {whom: {(one.fact, one.value): one.outcome for one in told.changes} for whom, told in why.items() if told}
    assert changes.keys() == found.keys()
    assert changes["adult", police]["consent.incident", "granted"] is Outcome.DISCLOSE
    assert changes["child", accused]["implicated", "false"] is Outcome.REPORT
    assert changes["caller", provider]["consent.signaler_identity", "granted"] is Outcome.DISCLOSE
    perhaps = why["perhaps", protection]
    assert perhaps is not None
    assert perhaps.deciding_unknowns == ("age",)
    assert {(one.value, one.outcome) for one in perhaps.changes if one.fact == "age"} == {
        ("adult", Outcome.WITHHOLD),
        ("minor", Outcome.REPORT),
    }
    assert await sent_to(service) == sorted([police, protection])
    await log_agrees_with_rows(service)
