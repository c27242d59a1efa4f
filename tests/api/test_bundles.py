"""How does a policy bundle come into force over HTTP, and how does it leave again?"""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.calling import Api, agency, tip, until
from tests.api.governed import approve, at_bundle, colleague, handed_on, own_files, problem, propose, setting, told
from tests.support.governing import COUNSEL, approved, gate_report
from tests.support.second_words import agree
from tests.support.service import OPERATOR, bundle
from tiprouter.api.idempotency import REPLAYED
from tiprouter.policy import bundle as bundles
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate import check
from tiprouter.policy.gate.diff import Difference, difference
from tiprouter.policy.gate.extras import GateUnavailableError
from tiprouter.workflow import governing
from tiprouter.workflow.happening import Actor

SURVIVOR_LED, TIP_SHARING = bundle().digest, bundle("tip-sharing").digest


async def _standing(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await told(api, "reviewer", "/v1/decisions?current=true"))["items"]
    return found


async def _proposed_and_checked(api: Api) -> str:
    """A proposed bundle with the gate's word, which other tests ask the gate itself for."""
    digest: str = (await propose(api)).json()["digest"]
    service, report = api.service, gate_report("tip-sharing")
    await service.database.write(lambda tx: governing.record_check(tx, service.desk, COUNSEL, digest, report))
    return digest


async def test_the_whole_life_of_a_bundle(either: Api) -> None:
    """Proposed, proved, approved by two, active, rolled back; what waits is decided again each time, and says so."""
    api = either
    await colleague(api)
    assert (await api.send("operator", "POST", "/v1/recipients", agency())).status_code == 201
    assert (await api.send("intake", "POST", "/v1/tips", handed_on())).status_code == 201
    (before,) = await _standing(api)
    assert (before["outcome"], before["bundle"]) == ("HOLD_REVIEW", SURVIVOR_LED)

    draft = await propose(api)
    assert draft.status_code == 201, draft.text
    found = draft.json()
    assert (found["digest"], found["state"], found["gate"], found["approvals"]) == (TIP_SHARING, "draft", None, [])
    assert (found["name"], found["replaces"]) == ("tip-sharing", None)
    assert problem(await approve(api, TIP_SHARING, SURVIVOR_LED)) == (409, "bundle-state")

    gated = (await at_bundle(api, "counsel", TIP_SHARING, "check")).json()
    assert (gated["state"], gated["gate"]["passed"]) == ("gated", True)
    assert all(step["ok"] and step["title"] and step["detail"] for step in gated["gate"]["steps"])
    difference = await told(api, "counsel", f"/v1/bundles/{TIP_SHARING}/difference")
    assert (difference["against"], difference["discloses"]) == (SURVIVOR_LED, True)

    assert problem(await approve(api, TIP_SHARING, SURVIVOR_LED, accept=False)) == (409, "bundle-discloses")
    for _ in range(2):
        once = (await approve(api, TIP_SHARING, SURVIVOR_LED)).json()
        assert (once["state"], len(once["approvals"])) == ("gated", 1)
    assert problem(await at_bundle(api, "operator", TIP_SHARING, "activate")) == (409, "bundle-state")
    twice = (await approve(api, TIP_SHARING, SURVIVOR_LED, "colleague")).json()
    assert (twice["state"], len({one["approver"] for one in twice["approvals"]})) == ("approved", 2)
    assert all(one["newly_discloses"] and one["against"] == SURVIVOR_LED for one in twice["approvals"])

    activated = await at_bundle(api, "operator", TIP_SHARING, "activate")
    assert activated.status_code == 200, activated.text
    in_force = activated.json()
    assert (in_force["bundle"]["state"], in_force["retired"]) == ("active", SURVIVOR_LED)
    assert (in_force["decided"], in_force["waiting"]) == (1, 0)
    (after,) = await _standing(api)
    assert (after["outcome"], after["categories"]) == ("DISCLOSE", ["incident", "location"])
    assert (after["bundle"], after["cause"]) == (TIP_SHARING, "bundle.activated")

    assert problem(await api.send("operator", "POST", "/v1/bundles/rollback")) == (409, "second-word-needed")
    await agree(api, "operator", "counsel", "roll-back")
    rolled = (await api.send("operator", "POST", "/v1/bundles/rollback")).json()
    assert (rolled["bundle"]["digest"], rolled["bundle"]["state"]) == (SURVIVOR_LED, "active")
    assert rolled["retired"] == TIP_SHARING
    assert problem(await api.send("counsel", "POST", "/v1/bundles/rollback")) == (409, "nothing-to-roll-back")
    assert (await told(api, "auditor", f"/v1/bundles/{TIP_SHARING}"))["state"] == "retired"
    (again,) = await _standing(api)
    assert (again["outcome"], again["bundle"]) == ("HOLD_REVIEW", SURVIVOR_LED)

    old = await told(api, "auditor", f"/v1/decisions/{after['id']}")
    assert (old["current"], old["bundle"]) == (False, TIP_SHARING)
    (policy,) = (one for one in old["policies"] if one["id"] == "tenant.third-party-forwarded")
    assert (policy["layer"], policy["effect"]) == ("tenant", "permit")
    assert old["why"]["changes"]
    await api.service.check_house()


async def test_approvals_lapse_when_another_bundle_became_active(api: Api) -> None:
    """What two people approved was a change from the bundle that is no longer active."""
    await colleague(api)
    digest = await _proposed_and_checked(api)
    for role in ("counsel", "colleague"):
        assert (await approve(api, digest, SURVIVOR_LED, role)).status_code == 200
    other = (await propose(api, own_files(bundle_toml=setting("version", '"3"')))).json()["digest"]
    service = api.service
    report = gate_report("tip-sharing")
    changed = type(report)(report.name, other, report.steps, report.points)
    await service.database.write(lambda tx: governing.record_check(tx, service.desk, COUNSEL, other, changed))
    for role in ("counsel", "colleague"):
        assert (await approve(api, other, SURVIVOR_LED, role)).status_code == 200
    assert (await at_bundle(api, "counsel", other, "activate")).status_code == 200
    assert problem(await at_bundle(api, "counsel", digest, "activate")) == (409, "bundle-state")
    assert problem(await approve(api, digest, SURVIVOR_LED)) == (409, "bundle-lapsed")
    for role in ("counsel", "colleague"):
        anew = await approve(api, digest, other, role, accept=False)
        assert anew.status_code == 200, "the two tell the same, so nothing need be accepted"
    assert (await at_bundle(api, "counsel", digest, "activate")).json()["retired"] == other


async def test_a_bundle_that_the_gate_refuses_stays_a_draft_and_says_where(api: Api) -> None:
    """More may leave than counsel's promise allows: the step that failed names the facts, and nobody can approve."""
    promise = own_files()["ceiling.cedar"]
    least = promise[: promise.index("@id", promise.index("@id") + 1)]
    digest = (await propose(api, own_files(ceiling_cedar=least))).json()["digest"]
    found = (await at_bundle(api, "counsel", digest, "check")).json()
    assert (found["state"], found["gate"]["passed"]) == ("draft", False)
    assert any("when" in step["detail"] for step in found["gate"]["steps"] if not step["ok"])
    assert problem(await approve(api, digest, SURVIVOR_LED)) == (409, "bundle-state")
    assert problem(await at_bundle(api, "operator", digest, "activate")) == (409, "bundle-state")


async def test_without_the_gates_packages_nothing_is_proved_and_nothing_changes(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 for the check, the comparison and the approval; the bundle stays a draft."""
    digest = (await propose(api)).json()["digest"]

    def missing(_name: str) -> None:
        raise GateUnavailableError

    monkeypatch.setattr(check, "extra", missing)
    monkeypatch.setattr("tiprouter.policy.gate.space.extra", missing)
    before = await api.counts()
    for answer in (
        await at_bundle(api, "counsel", digest, "check"),
        await approve(api, digest, SURVIVOR_LED),
        await api.send("counsel", "GET", f"/v1/bundles/{digest}/difference"),
    ):
        assert problem(answer) == (503, "gate-unavailable")
        assert "tiprouter[gate]" in answer.json()["detail"]
    assert await api.counts() == before
    assert (await told(api, "operator", f"/v1/bundles/{digest}"))["state"] == "draft"


async def test_the_same_request_again_is_answered_without_proving_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay has the stored answer; another request under the same key is refused; neither asks the gate."""
    digest = (await propose(api)).json()["digest"]
    path, key = f"/v1/bundles/{digest}/check", {"Idempotency-Key": "once"}
    first = await api.send("counsel", "POST", path, headers=key)
    assert first.status_code == 200

    def never(_bundle: object) -> None:
        raise AssertionError

    monkeypatch.setattr("tiprouter.api.proving.examine", never)
    again = await api.send("counsel", "POST", path, headers=key)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = await api.send("counsel", "POST", path, {}, headers=key)
    assert problem(other) == (422, "idempotency-key-reused")


async def test_the_same_check_twice_at_once_is_made_once(api: Api) -> None:
    """While the gate proves, the same request waits for its answer, or is told to."""
    digest = (await propose(api)).json()["digest"]
    path, key = f"/v1/bundles/{digest}/check", {"Idempotency-Key": "at-once"}
    answers = await asyncio.gather(*(api.send("counsel", "POST", path, headers=key) for _ in range(2)))
    made = [one for one in answers if one.status_code == 200 and REPLAYED not in one.headers]
    assert len(made) == 1
    assert all(one.status_code == 409 or one.json() == made[0].json() for one in answers)


async def test_a_comparison_is_made_once_for_all_who_ask(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles do not change: the second person's approval need not compare them again."""
    digest = await _proposed_and_checked(api)
    made: list[str] = []

    def counted(before: Bundle, after: Bundle) -> Difference:
        made.append(after.digest)
        return difference(before, after)

    monkeypatch.setattr("tiprouter.api.proving.difference", counted)
    for _ in range(2):
        assert (await approve(api, digest, SURVIVOR_LED)).status_code == 200
    assert made == [digest]


async def test_bundles_are_listed_by_digest_page_by_page(api: Api) -> None:
    """The installed one and the proposed ones, each once; the release vouches for the first."""
    for version in ('"1"', '"2"', '"3"'):
        await propose(api, own_files(bundle_toml=setting("version", version)))
    path: str | None = "/v1/bundles?limit=2"
    seen: list[str] = []
    while path is not None:
        page = await api.send("reviewer", "GET", path)
        seen += [one["digest"] for one in page.json()["items"]]
        link = page.headers.get("link")
        path = None if link is None else link[1 : link.index(">")]
    assert len(seen) == 4
    assert seen == sorted(set(seen))
    installed = await told(api, "operator", f"/v1/bundles/{SURVIVOR_LED}")
    assert (installed["state"], installed["gate"]["by"], installed["proposed_by"]) == ("active", "release", "tiprouter")


async def test_a_bundle_keeps_complete_texts_whatever_it_extends(api: Api) -> None:
    """What was approved does not change when the product's own bundle does: the copy is complete."""
    digest = (await propose(api)).json()["digest"]
    files = (await told(api, "auditor", f"/v1/bundles/{digest}/files"))["files"]
    assert files == dict(bundle("tip-sharing").files)
    assert "guards.cedar" not in own_files()
    assert (await propose(api, files | {"bundle.toml": setting("name", '"whole"').replace("extends", "#")})).json()[
        "name"
    ] == "whole"


async def test_a_bundle_proposed_again_stays_where_it_is_until_it_retired(api: Api) -> None:
    """Nobody sends a gated bundle back by proposing it; a retired one begins anew."""
    digest = await _proposed_and_checked(api)
    assert (await propose(api)).json()["state"] == "gated"
    service = api.service
    await approved(service, "tip-sharing")
    await service.database.write(lambda tx: governing.activate(tx, service.desk, OPERATOR, digest))
    await service.database.write(lambda tx: governing.roll_back(tx, service.desk, Actor("command-line", "operator")))
    again = (await propose(api)).json()
    assert (again["state"], again["gate"]) == ("draft", None)


async def test_the_log_tells_of_every_step(api: Api) -> None:
    """Proposed, checked and approved are entries that name the bundle."""
    digest = await _proposed_and_checked(api)
    await approve(api, digest, SURVIVOR_LED)
    await api.service.check_house()
    for kind in ("bundle.proposed", "bundle.checked", "bundle.approved"):
        (entry,) = (await told(api, "auditor", f"/v1/audit/entries?kind={kind}"))["items"]
        assert entry["entry"]["body"]["bundle"] == digest


async def test_a_tip_is_answered_while_a_bundle_is_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a bundle holds neither the loop nor a transaction, however long it takes."""
    begun, answered = threading.Event(), threading.Event()

    def slowly(files: Mapping[str, str]) -> Bundle:
        begun.set()
        assert answered.wait(10), "the tip waited for the bundle"
        return bundles.read(files)

    monkeypatch.setattr("tiprouter.api.proving.read", slowly)
    reading = asyncio.create_task(propose(api))
    await until(begun.is_set)
    assert (await api.send("intake", "POST", "/v1/tips", tip())).status_code == 201
    answered.set()
    assert (await reading).status_code == 201


async def test_who_runs_the_service_does_not_write_its_policy(api: Api) -> None:
    """The operator neither proposes, checks nor approves; who reviews reads no policy text; all get the same 404."""
    digest = await _proposed_and_checked(api)
    assert problem(await propose(api, role="operator")) == (404, "not-found")
    assert problem(await at_bundle(api, "operator", digest, "check")) == (404, "not-found")
    assert problem(await approve(api, digest, SURVIVOR_LED, "operator")) == (404, "not-found")
    assert problem(await at_bundle(api, "reviewer", digest, "activate")) == (404, "not-found")
    for role in ("operator", "reviewer"):
        assert (await api.send(role, "GET", f"/v1/bundles/{digest}")).status_code == 200
        assert problem(await api.send(role, "GET", f"/v1/bundles/{digest}/files")) == (404, "not-found")
    for path in ("/v1/tips", "/v1/cases", "/v1/consents", "/v1/decisions", "/v1/disclosures", "/v1/recipients"):
        assert problem(await api.send("counsel", "GET", path)) == (404, "not-found")


async def test_a_bundle_that_nobody_proposed_is_not_there(api: Api) -> None:
    """Whatever is asked of it: the same 404, also for what only looks like a digest; as `against` it is named."""
    digest = await _proposed_and_checked(api)
    for absent in ("0" * 64, digest.upper(), digest[:-1], "rollback"):
        for path in ("", "/files", "/difference"):
            assert problem(await api.send("counsel", "GET", f"/v1/bundles/{absent}{path}")) == (404, "not-found")
        for verb in ("check", "activate", "simulate"):
            assert problem(await at_bundle(api, "counsel", absent, verb)) == (404, "not-found")
        assert problem(await approve(api, absent, SURVIVOR_LED)) == (404, "not-found")
    nothing = await approve(api, digest, "0" * 64)
    assert nothing.json()["errors"] == [{"pointer": "/against", "reason": "This field names no bundle."}]
