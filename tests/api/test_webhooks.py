"""Is the webhook what the documentation says it is?"""

import json
from pathlib import Path

from tests.support.fictional import agency, grant, person, tip
from tests.support.service import Service, open_service
from tiprouter.api.schemas.webhooks import DisclosureMade, DisclosureRecalled
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
