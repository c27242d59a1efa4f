"""What takes two people takes two people, whatever they hold, and each of them shows who they are."""

import re
from pathlib import Path

import pytest

from tests.api.calling import running
from tests.attacks.agreement import entries_of
from tests.security.furnished import CLIENT_KEY
from tests.security.separated import LONG_AGO, ROLE_OF, STORIES, Two
from tests.support.fictional import agency
from tests.support.giving import another, give
from tests.support.service import OPERATOR, Service
from tests.support.staff import invite, member
from tiprouter import workflow
from tiprouter.api import problems
from tiprouter.domain.accounts import AccountRole
from tiprouter.errors import InvalidError
from tiprouter.storage.accounts import Account
from tiprouter.storage.tables import callers
from tiprouter.workflow import credentials, separation
from tiprouter.workflow.credentials import CallerRole, Terms
from tiprouter.workflow.happening import ROUTER, Actor
from tiprouter.workflow.separation import SECOND_WORDS, Act, OnePersonError
from tiprouter.workflow.standing import StepUpNeededError

_BY_HAND = re.compile(r"(proposed|requested|decided|asked|approved|confirmed)_by (==|!=|in|not in) (it\.)?actor\.id")


async def account(service: Service, name: str, act: Act) -> Account:
    """Somebody of the staff."""
    return (await invite(service, f"{name}-{act}@hotline.example", ROLE_OF[act]))[0]


def session(service: Service, who: Account, number: int = 1) -> Actor:
    """One of a person's sessions, in which they have just shown who they are."""
    return Actor(who.id, who.role.value, None, f"ses_{number}", service.clock())


async def holds(service: Service, who: Account, by: Actor = OPERATOR, holder_id: str | None = None) -> Actor:
    """A credential of this person's role, in their hands."""
    terms, role = Terms(holder_id=holder_id or who.id), CallerRole(who.role)
    made, _ = await service.database.write(lambda tx: credentials.make(tx, service.desk, by, role, None, terms))
    return Actor(made.id, made.role)


def test_every_act_is_tried_here_refuses_in_its_own_words_and_is_in_the_log() -> None:
    """A row in the table of acts has a story, a subclass of the refusal, an answer of the edge, and two entries."""
    refusals = {one.act: one for one in OnePersonError.__subclasses__()}
    assert set(STORIES) == set(ROLE_OF) == set(SECOND_WORDS) == set(Act)
    # Of two approvals one is no refusal: it is counted once.
    assert set(refusals) == set(Act) - {Act.BUNDLE}
    kinds = [problems.TABLE[one] for one in refusals.values()]
    assert {one.status for one in kinds} == {409}
    assert len({one.slug for one in kinds}) == len(kinds)


def test_no_story_compares_credentials_by_itself() -> None:
    """Who is another person is asked in one place."""
    (folder,) = workflow.__path__
    found = [path.name for path in Path(folder).glob("*.py") if _BY_HAND.search(path.read_text())]
    assert found == []


@pytest.mark.parametrize("act", Act)
async def test_one_person_twice_is_refused_and_two_are_not(service: Service, act: Act) -> None:
    """One session twice, two sessions, a session and a credential, two credentials; then somebody else."""
    one, other = await account(service, "one", act), await account(service, "other", act)
    key, second_key = await holds(service, one), await holds(service, one)
    pairs = [(0, 0), (0, 1), (0, 2), (2, 3), (3, 1)]
    for number, (first, second) in enumerate(pairs, 1):
        mine = [session(service, one), session(service, one, 2), key, second_key]
        two = Two(mine[first], mine[second], one.id, number)
        assert await STORIES[act](service, two) is False, (first, second)
    fresh = Two(session(service, one), session(service, other), one.id, len(pairs) + 1)
    assert await STORIES[act](service, fresh)
    await service.check_house()
    entries = await entries_of(service)
    first_kind, second_kinds = SECOND_WORDS[act]
    said = [entry for entry in entries if entry.kind in {first_kind, *second_kinds}]
    (last,) = [entry for entry in said if entry.kind in second_kinds][-1:]
    assert last.body["actor"] == other.id
    assert any(entry.kind == first_kind and entry.body["actor"] != other.id for entry in said)


@pytest.mark.parametrize("act", Act)
async def test_the_second_person_showed_lately_who_they_are(service: Service, act: Act) -> None:
    """A session left open says no second word."""
    one, other = await account(service, "one", act), await account(service, "other", act)
    two = Two(session(service, one), session(service, other), one.id, 1, LONG_AGO)
    with pytest.raises(StepUpNeededError):
        await STORIES[act](service, two)


async def test_credentials_of_one_agency_are_one_person_and_of_nobody_their_makers(service: Service) -> None:
    """Whose a credential is is asked of its row: the agency's, the account's, or the person's who made it."""
    recipient_id = (await service.enrol(agency())).recipient.id
    made = []
    agencys, reviewers = (CallerRole.AGENCY, recipient_id), (CallerRole.REVIEWER, None)
    for role, to in (agencys, agencys, reviewers, reviewers):
        made.append((await give(service, role, to))[0].id)
    made += [(await give(service, CallerRole.REVIEWER, by=by))[0].id for by in (another("other"), ROUTER)]
    found = await service.database.read(lambda tx: [separation.person(tx, one) for one in made])
    assert found == [recipient_id, recipient_id, OPERATOR.id, OPERATOR.id, "cal_other", ROUTER.id]


async def test_what_the_house_made_is_the_first_operators(service: Service) -> None:
    """The first start's, the machine's own, and what nobody knows the maker of are one person, whose account comes."""
    first, _ = await give(service, CallerRole.OPERATOR, by=ROUTER)
    by_hand, _ = await give(service, CallerRole.REVIEWER, by=Actor("command-line", "operator"))
    before, _ = await give(service, CallerRole.COUNSEL)
    await service.database.write(
        lambda tx: tx.execute(callers.update().where(callers.c.id == before.id).values(made_by=None))
    )

    async def whose() -> frozenset[str]:
        all_three = (first.id, by_hand.id, before.id)
        return await service.database.read(lambda tx: separation.persons(tx, all_three))

    assert await whose() == {ROUTER.id}
    invited = await member(service, "operator@hotline.example", AccountRole.OPERATOR)
    assert await whose() == {invited.account.id}
    await member(service, "another@hotline.example", AccountRole.OPERATOR)
    assert await whose() == {invited.account.id}


async def test_what_somebody_makes_for_their_own_role_is_theirs(service: Service) -> None:
    """A signed-in operator's new operator credential is one person with them, unless they name another holder."""
    one, other = await account(service, "one", Act.ENDPOINT), await account(service, "other", Act.ENDPOINT)
    me, desk = session(service, one), service.desk
    own, _ = await service.database.write(lambda tx: credentials.make(tx, desk, me, CallerRole.OPERATOR))
    theirs = await holds(service, other, me)
    systems, _ = await service.database.write(lambda tx: credentials.make(tx, desk, me, CallerRole.INTAKE))
    assert await STORIES[Act.ENDPOINT](service, Two(me, Actor(own.id, own.role), one.id, 1)) is False
    assert await STORIES[Act.ENDPOINT](service, Two(me, theirs, one.id, 2))
    assert systems.holder_id is None
    with pytest.raises(InvalidError):
        await holds(service, one, holder_id="acc_01KJQH0CC0BX86ENBVMH4TY5PG")


async def test_a_holder_is_named_shown_and_checked_by_http(service: Service) -> None:
    """A credential and a client name an account that is there; an agency's names nobody."""
    one = await account(service, "one", Act.ENDPOINT)
    async with running(service) as api:
        for path, more in (("/v1/credentials", {}), ("/v1/clients", {"keys": [CLIENT_KEY]})):
            wanted = {"role": "operator", "holder_id": one.id} | more
            made = await api.send("operator", "POST", path, wanted)
            assert made.status_code == 201, made.text
            shown = (await api.send("operator", "GET", path)).json()["items"]
            assert [each["holder_id"] for each in shown if each["id"] == made.json()["id"]] == [one.id]
            nobody = wanted | {"holder_id": "acc_01KJQH0CC0BX86ENBVMH4TY5PG"}
            refused = await api.send("operator", "POST", path, nobody)
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/holder_id")
