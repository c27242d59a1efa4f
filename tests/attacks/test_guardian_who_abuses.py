"""The abuser is the child's guardian, and consents in the child's place: nothing leaves by it, and a human looks."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.calling import AUNT, Api, agency, case, grant, running
from tests.support.service import Service, open_service
from tiprouter.domain import consent as consent_rules
from tiprouter.domain.vocabulary import Answer

MOTHER = {"relationship": "mother", "implicated": "no", "ref": "mother"}
ABUSER = {"relationship": "stepfather", "implicated": "yes", "ref": "stepfather"}
PERHAPS = ABUSER | {"implicated": "unknown"}
ACCUSED = ABUSER | {"implicated": "no"}
OTHERS: list[dict[str, Any]] = [
    {"ref": "mother", "role": "witness", "age": {"years": 40}},
    {"ref": "stepfather", "role": "witness"},
]

WAYS: dict[str, tuple[list[dict[str, Any]], str | None]] = {
    "he names himself": ([MOTHER, ABUSER], "stepfather"),
    "he names nobody": ([MOTHER, ABUSER], None),
    "he is the only one": ([ABUSER], None),
    "it is not known whether he harms": ([MOTHER, PERHAPS], "stepfather"),
    "he is accused, and called blameless": ([MOTHER, ACCUSED], "stepfather"),
    "he names somebody the record does not know": ([MOTHER], "grandfather"),
    "the record knows no guardian": ([], None),
}
"""Whom the record knows, and whom the grant names."""


def child(guardians: list[dict[str, Any]], role: str = "witness") -> dict[str, Any]:
    """A case about a child with these guardians; the stepfather stands accused where a guardian is called blameless."""
    accused = ACCUSED in guardians
    others = [one | {"role": "alleged_trafficker"} if accused and one["ref"] == "stepfather" else one for one in OTHERS]
    her = {"ref": "p1", "role": role, "age": {"years": 15}, "guardians": guardians}
    said = [{"text": "Example text about nobody.", "persons": ["p1"], "category": "incident"}]
    return case(persons=[her, *others], statements=said)


def consent(ref: str | None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Both of them consent to the police and to a shelter, and somebody was made to attest to the guardian."""
    more = {"kinds": ["law_enforcement", "service_provider"], "purposes": ["investigation", "services"]}
    return grant(grantor="both", guardian=AUNT | {"ref": ref}, **more, **changes)


async def ok(api: Api, role: str, method: str, path: str, *more: Any) -> Any:  # noqa: ANN401 - JSON
    """The body of an answer that says yes."""
    answer = await api.send(role, method, path, *more)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def enrolled(api: Api) -> None:
    """Police and a shelter."""
    await ok(api, "operator", "POST", "/v1/recipients", agency())
    shelter = agency(name="Example Shelter", kind="service_provider", url="https://shelter.example/hook")
    await ok(api, "operator", "POST", "/v1/recipients", shelter)


async def filed(api: Api, about: dict[str, Any], revision: int = 0) -> dict[str, Any]:
    """The case as the hotline knows it now."""
    sees = {"If-Match": f'"{revision}"'} if revision else {"If-None-Match": "*"}
    kept: dict[str, Any] = await ok(api, "intake", "PUT", "/v1/cases/C-1", about, sees)
    return kept


def of_child(outcomes: list[dict[str, Any]]) -> set[str]:
    """What was decided about the child."""
    return {one["outcome"] for one in outcomes if one["person"]["ref"] == "p1"}


def to_shelter(outcomes: list[dict[str, Any]]) -> set[str]:
    """What was decided about the child toward the shelter."""
    return of_child([one for one in outcomes if one["recipient"] and one["recipient"]["kind"] == "service_provider"])


async def nothing_leaves_and_a_reviewer_is_told(api: Api, way: str) -> None:
    """The attack, from the record to what a reviewer sees and may do."""
    guardians, ref = WAYS[way]
    await enrolled(api)
    await filed(api, child(guardians))
    given = await ok(api, "intake", "POST", "/v1/consents", consent(ref))
    assert of_child(given["outcomes"]) <= {"WITHHOLD", "HOLD_REVIEW"}, given["outcomes"]
    assert await api.service.deliver() == []
    (waiting,) = (
        one
        for one in (await ok(api, "reviewer", "GET", "/v1/reviews"))["items"]
        if one["person"]["id"] == given["person"]["id"]
    )
    held = await ok(api, "reviewer", "GET", f"/v1/reviews/{waiting['id']}")
    assert set(held["facts"]["consents"].values()) <= {"void", "out_of_scope"}
    assert held["facts"]["consents"]["incident"] == "void"
    assert held["release"]["categories"] == [], "and the reviewer cannot let it out on that consent"
    told = (await ok(api, "reviewer", "GET", "/v1/notices"))["items"]
    assert "review.wanted" in {one["reason"] for one in told}
    api.service.clock.forward(hours=1)
    assert await api.service.deliver() == []
    await api.service.check_house()


@pytest.mark.parametrize("way", list(WAYS))
async def test_the_abuser_consents_in_the_childs_place(way: str, tmp_path: Path) -> None:
    """However he spells it, over HTTP: nobody is told, and the review says that the consent is void."""
    url = f"sqlite:///{tmp_path / 'tiprouter.db'}"
    async with open_service(url, tmp_path) as service, running(service) as api:
        await nothing_leaves_and_a_reviewer_is_told(api, way)


UNSOUND: list[tuple[dict[str, Any], str]] = [
    ({"guardian": None}, "/guardian"),
    ({"guardian": AUNT | {"attested_by": None}}, "/guardian/attested_by"),
    ({"guardian": AUNT | {"attested_at": None}}, "/guardian/attested_at"),
    ({"guardian": {"attested_by": "Example Advocate"}}, "/guardian/relationship"),
    ({"guardian": AUNT | {"attested_by": "stepfather", "ref": "stepfather"}}, "/guardian/attested_by"),
    ({"guardian_implicated": "unknown"}, "/guardian/attested_by"),
    ({"guardian_implicated": "yes"}, "/guardian/attested_by"),
    ({"guardian": AUNT | {"attested_at": "2031-01-01T00:00:00Z"}}, "/guardian/attested_at"),
]


@pytest.mark.parametrize("grantor", ["guardian", "both"])
async def test_a_guardian_whom_nobody_vouches_for_is_refused(grantor: str, tmp_path: Path) -> None:
    """422 with the field that is missing or cannot be so; nothing is kept. The same words as a refusal are heard."""
    url = f"sqlite:///{tmp_path / 'tiprouter.db'}"
    async with open_service(url, tmp_path) as service, running(service) as api:
        await filed(api, child([MOTHER, ABUSER]))
        for changes, pointer in UNSOUND:
            answer = await api.send("intake", "POST", "/v1/consents", consent(None) | {"grantor": grantor} | changes)
            assert (answer.status_code, [one["pointer"] for one in answer.json()["errors"]]) == (422, [pointer])
        assert await service.rows("select id from consents") == []
        no = consent(None) | {"grantor": grantor, "choice": "refuse", "guardian": None}
        assert (await api.send("intake", "POST", "/v1/consents", no)).status_code == 201


async def test_whom_the_record_clears_may_consent_until_it_no_longer_does(service: Service) -> None:
    """The mother consents with her child and the shelter is told; the day the record implicates her, nothing goes."""
    async with running(service) as api:
        await enrolled(api)
        await filed(api, child([MOTHER, ABUSER], "potential_victim"))
        given = await ok(api, "intake", "POST", "/v1/consents", consent("mother"))
        assert to_shelter(given["outcomes"]) == {"DISCLOSE"}
        again = await filed(api, child([MOTHER | {"implicated": "yes"}, ABUSER], "potential_victim"), 1)
        assert to_shelter(again["outcomes"]) == {"WITHHOLD"}
        await service.deliver()
        rows = await service.rows(
            "select v.state from deliveries v join disclosures d on d.id = v.disclosure_id"
            " join recipients r on r.id = d.recipient_id where r.kind = 'service_provider'"
        )
        assert {row.state for row in rows} == {"cancelled"}
        await service.check_house()


@pytest.mark.parametrize(
    "way", ["he names himself", "he is accused, and called blameless", "the record knows no guardian"]
)
async def test_a_guardian_who_counts_by_the_hotlines_word_alone_is_found_out(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with the record unasked, as it once was, the consent counts and the story fails."""
    monkeypatch.setattr(consent_rules, "_guardian_clear", lambda one, _: one.guardian_implicated is Answer.NO)
    url = f"sqlite:///{tmp_path / 'tiprouter.db'}"
    async with open_service(url, tmp_path) as service, running(service) as api:
        with pytest.raises(AssertionError):
            await nothing_leaves_and_a_reviewer_is_told(api, way)
