"""Is the webhook what the documentation says it is?"""

import json
from pathlib import Path

from tests.support.fictional import SECRET, agency, grant, person, tip
from tests.support.service import Service, open_service
from tiprouter.api.schemas.webhooks import DisclosureAvailable, DisclosureMade, DisclosureRecalled
from tiprouter.domain.recipient import DeliveryMode
from tiprouter.domain.record import Location
from tiprouter.domain.vocabulary import RecipientKind, Role
from tiprouter.workflow.consenting import Whose


async def test_what_redaction_makes_is_what_is_documented(tmp_path: Path) -> None:
    """A disclosure with everything permitted and its recall have exactly the documented fields."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await _tell_and_withdraw(service)
        bodies = [json.loads(envelope.body.body) for envelope in service.sent]
    made = [DisclosureMade.model_validate(body) for body in bodies if body["type"] == "disclosure.made"]
    assert {category for one in made[0].data.persons for category in one.categories}
    assert any(one.data.location is not None for one in made)
    recalls = [body for body in bodies if body["type"] == "disclosure.recalled"]
    assert len([DisclosureRecalled.model_validate(body) for body in recalls]) == 1


async def test_an_announcement_is_what_is_documented_and_tells_nothing_of_anybody(tmp_path: Path) -> None:
    """An agency in thin mode is sent exactly the documented ids, and no word of the record."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await service.enrol(agency(delivery_mode=DeliveryMode.THIN))
        await service.accept(tip(person(years=12), location=Location(city="Exampleton", persons=("p1",))))
        (ready,) = await service.deliver()
        stored = (await service.rows("select id, disclosure_id, deadline from deliveries"))[0]
    said = DisclosureAvailable.model_validate(json.loads(ready.envelope.body.body))
    assert (said.data.delivery_id, said.data.disclosure_id) == (stored.id, stored.disclosure_id)
    assert not any(word in ready.envelope.body.body.decode() for word in (SECRET, "Exampleton", "incident", "minor"))


async def _tell_and_withdraw(service: Service) -> None:
    await service.enrol(agency())
    everything = tip(
        person(),
        person("p2", 12, Role.DEPENDANT),
        location=Location(street="Example Street 1", city="Exampleton", persons=("p1",)),
    )
    accepted = await service.accept(everything)
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(RecipientKind.LAW_ENFORCEMENT))
    await service.deliver()
    await service.withdraw(given.consent.id)
    service.clock.forward(seconds=1)
    await service.deliver()
