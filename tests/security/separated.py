"""Everything that takes another person's word, each as a story of two actors: the first says it, then the second.

A story answers whether it came about. Whose word is refused, and for what other reason, is the stories' own tests'.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

import pytest

from tests.support import governing as policy
from tests.support import granting as auditing
from tests.support import recovering
from tests.support.fictional import BLAMELESS, agency, grant, person, tip
from tests.support.giving import another, give
from tests.support.reviewing import LE, release
from tests.support.service import Service, bundle
from tiprouter.domain.accounts import AccountEvent, AccountRole
from tiprouter.domain.second_word_states import ByTwo
from tiprouter.domain.states import BundleState, DeliveryState
from tiprouter.domain.vocabulary import Category, Grantor, Role
from tiprouter.storage import bundles
from tiprouter.storage.database import Transaction
from tiprouter.workflow import (
    credentials,
    endpoint_changes,
    erasing,
    exporting,
    governing,
    granting,
    key_rotation,
    people,
    replaying,
    reviewing,
    second_words,
)
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.endpoint_changes import Wish
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.separation import Act, OnePersonError


@dataclass(frozen=True, slots=True)
class Two:
    """Two actors, the account of the first, and a number that no other pair of the same service has.

    The second showed who they are `since` before they say the second word.
    """

    first: Actor
    second: Actor
    account_id: str
    number: int
    since: timedelta = timedelta()

    def then(self, service: Service) -> Actor:
        """The second, who showed who they are so long before their word."""
        if self.second.session is None:
            return self.second
        return replace(self.second, verified_at=service.clock() - self.since)


async def bundle_approved(service: Service, two: Two) -> bool:
    """A bundle that the gate passed (it is tried elsewhere) is approved by both, and brought into force."""
    wanted = bundle("tip-sharing")
    active = await service.database.read(bundles.active)
    wish = governing.Wish(active or "", newly_discloses=True, accepted=True)

    def ready(tx: Transaction) -> None:
        governing.propose(tx, service.desk, policy.COUNSEL, wanted)
        bundles.change(tx, wanted.digest, state=BundleState.GATED)

    await service.database.write(ready)
    for actor in (two.first, two.then(service)):
        approving = partial(governing.approve, desk=service.desk, actor=actor, digest=wanted.digest, wish=wish)
        await service.database.write(approving)
    try:
        await service.database.write(lambda tx: governing.activate(tx, service.desk, two.then(service), wanted.digest))
    except governing.NotNowError:
        return False
    return True


async def endpoint_changed(service: Service, two: Two) -> bool:
    """An agency's disclosures go elsewhere."""
    known = (await service.enrol(agency())).recipient
    wish = Wish(known.id, known.revision, {"url": "https://elsewhere.example/hook"})
    change = await service.database.write(lambda tx: endpoint_changes.propose(tx, service.desk, two.first, wish))
    return await _said(service, lambda tx: endpoint_changes.confirm(tx, service.desk, two.then(service), change.id))


async def replay_confirmed(service: Service, two: Two) -> bool:
    """Deliveries are tried again in numbers."""
    recipient = (await service.enrol(agency(LE))).recipient
    await recovering.adult(service, two.number)
    await service.deliver()
    service.clock.forward(seconds=1)
    wanted = recovering.plan(service, recipient, DeliveryState.DELIVERED)
    proposed = await recovering.propose(service, wanted, two.first)
    return await _said(service, lambda tx: replaying.confirm(tx, service.desk, two.then(service), proposed.replay.id))


async def release_confirmed(service: Service, two: Two) -> bool:
    """Who a child is goes to the police by release."""
    await service.enrol(agency(LE))
    child = person(f"w{two.number}", years=15, role=Role.WITNESS, guardians=BLAMELESS)
    accepted = await service.accept(tip(child, external_id=f"W-{two.number}"))
    whose = Whose(person_id=accepted.stored.persons[0])
    await service.consent(whose, grant(LE, grantor=Grantor.BOTH, categories=(Category.INCIDENT, Category.IDENTITY)))
    query = f"select id from reviews where record_id = '{accepted.stored.id}' and state = 'open' order by id"  # noqa: S608
    review_id = (await service.rows(query))[0].id
    said = release(Category.INCIDENT, Category.IDENTITY)
    await service.database.write(lambda tx: reviewing.claim(tx, service.desk, two.first, review_id))
    await service.database.write(lambda tx: reviewing.decide(tx, service.desk, two.first, review_id, said))
    return await _said(service, lambda tx: reviewing.confirm(tx, service.desk, two.then(service), review_id))


async def grant_opened(service: Service, two: Two) -> bool:
    """A matter is opened to an auditor."""
    record = await service.accept(tip(person(f"g{two.number}"), external_id=f"G-{two.number}"))
    asked = await auditing.ask(service, record.stored.id)
    await auditing.approve(service, asked.id, two.first)
    return await _said(service, lambda tx: granting.approve(tx, service.desk, two.then(service), asked.id))


async def record_erased(service: Service, two: Two) -> bool:
    """What somebody told us ends."""
    record = await service.accept(tip(person(f"e{two.number}"), external_id=f"E-{two.number}"))
    await service.database.write(lambda tx: erasing.erase_record(tx, service.desk, two.first, record.stored.id))
    return await _said(service, lambda tx: erasing.erase_record(tx, service.desk, two.then(service), record.stored.id))


async def account_suspended(service: Service, two: Two) -> bool:
    """An account is ended; the first word is its holder's, by having it."""
    return await _said(
        service, lambda tx: people.move(tx, service.desk, two.then(service), two.account_id, AccountEvent.END)
    )


async def credential_confirmed(service: Service, two: Two) -> bool:
    """Somebody gets an intake's credential, where there is a third operator."""
    await give(service, CallerRole.OPERATOR, by=another("third"))
    made, _ = await service.database.write(lambda tx: credentials.make(tx, service.desk, two.first, CallerRole.INTAKE))
    assert made.waits
    return await _said(service, lambda tx: credentials.confirm(tx, service.desk, two.then(service), made.id))


async def key_replaced(service: Service, two: Two) -> bool:
    """Another key signs what goes to an agency."""
    to = (await service.enrol(agency())).recipient.id
    rotating = partial(
        key_rotation.rotate_key, desk=service.desk, actor=two.first, recipient_id=to, overlap=timedelta()
    )
    return await _by_two(service, two, (ByTwo.KEY, to), lambda: service.database.write(rotating))


async def matter_exported(service: Service, two: Two) -> bool:
    """One matter leaves as a file."""
    record_id = (await service.accept(tip(person(f"x{two.number}"), external_id=f"X-{two.number}"))).stored.id
    await service.sequencer.drain()
    exporting_it = partial(exporting.export, service.database, service.desk, two.first, record_id)
    return await _by_two(service, two, (ByTwo.EXPORT, record_id), exporting_it)


async def rolled_back(service: Service, two: Two) -> bool:
    """The bundle before returns."""
    if await service.database.read(bundles.active) != bundle("tip-sharing").digest:
        assert await bundle_approved(service, Two(policy.COUNSEL, policy.SECOND_COUNSEL, "", 0))
    returning = partial(governing.roll_back, desk=service.desk, actor=two.first)
    return await _by_two(service, two, (ByTwo.ROLL_BACK, None), lambda: service.database.write(returning))


async def _by_two(
    service: Service, two: Two, word: tuple[ByTwo, str | None], deed: Callable[[], Awaitable[object]]
) -> bool:
    """The first asks, the second says yes, and only then the first does it, where there is a third person."""
    await give(service, CallerRole.OPERATOR, by=another("third"))
    asked = await service.database.write(lambda tx: second_words.ask(tx, service.desk, two.first, *word))
    with pytest.raises(second_words.SecondWordNeededError):
        await deed()
    if not await _said(service, lambda tx: second_words.say(tx, service.desk, two.then(service), asked.id)):
        return False
    await deed()
    return True


async def _said(service: Service, second: Callable[[Transaction], object]) -> bool:
    try:
        await service.database.write(second)
    except OnePersonError:
        return False
    return True


STORIES: Final[Mapping[Act, Callable[[Service, Two], Awaitable[bool]]]] = {
    Act.BUNDLE: bundle_approved,
    Act.ENDPOINT: endpoint_changed,
    Act.REPLAY: replay_confirmed,
    Act.RELEASE: release_confirmed,
    Act.GRANT: grant_opened,
    Act.ERASURE: record_erased,
    Act.ACCOUNT: account_suspended,
    Act.CALLER: credential_confirmed,
    Act.KEY: key_replaced,
    Act.EXPORT: matter_exported,
    Act.ROLL_BACK: rolled_back,
}
ROLE_OF: Final[Mapping[Act, AccountRole]] = {
    Act.BUNDLE: AccountRole.COUNSEL,
    Act.ENDPOINT: AccountRole.OPERATOR,
    Act.REPLAY: AccountRole.OPERATOR,
    Act.RELEASE: AccountRole.REVIEWER,
    Act.GRANT: AccountRole.REVIEWER,
    Act.ERASURE: AccountRole.REVIEWER,
    Act.ACCOUNT: AccountRole.OPERATOR,
    Act.CALLER: AccountRole.OPERATOR,
    Act.KEY: AccountRole.OPERATOR,
    Act.EXPORT: AccountRole.AUDITOR,
    Act.ROLL_BACK: AccountRole.COUNSEL,
}
LONG_AGO: Final = timedelta(minutes=16)
