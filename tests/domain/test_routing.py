"""Which recipients is a record decided about at all?"""

from tiprouter.domain.consent import Consent
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.record import Implicated, Record
from tiprouter.domain.routing import Directory, candidates

from .examples import CHILDREN, POLICE, PROVIDER, agency, grant, place, record, refusal

HERE = agency(POLICE, id="here")
ELSEWHERE = agency(PROVIDER, id="elsewhere", jurisdictions=("US-GA",))
NATION = agency(CHILDREN, id="nation", jurisdictions=("US",))
COUNTY = agency(POLICE, id="county", counties=("48113",))
REGISTRY = (HERE, ELSEWHERE, NATION, COUNTY)


def _ids(*consents: Consent, about: Record | None = None, registry: tuple[Recipient, ...] = REGISTRY) -> list[str]:
    return [recipient.id for recipient in candidates(about or record(), consents, Directory(registry))]


def test_who_serves_or_may_serve_is_asked() -> None:
    """Rule 1: a county agency counts while nobody knows the county."""
    assert _ids() == ["here", "nation", "county"]
    assert _ids(about=record(jurisdictions=(place(county="48201"),))) == ["here", "nation"]


def test_nationwide_recipients_are_always_asked() -> None:
    """Rule 2: even for a record without a place."""
    assert _ids(about=record(jurisdictions=())) == ["nation"]


def test_a_recipient_named_in_a_grant_is_asked_wherever_it_is() -> None:
    """Rule 3: but not one named in a refusal, nor one whose kind alone was named."""
    assert "elsewhere" in _ids(grant(recipients=("elsewhere",)))
    assert "elsewhere" not in _ids(refusal(recipients=("elsewhere",)))
    assert "elsewhere" not in _ids(grant(PROVIDER))


def test_an_implicated_or_suspended_recipient_stays_a_candidate() -> None:
    """Rule 4: its denial is decided and explained."""
    suspended = agency(id="suspended", status=RecipientStatus.SUSPENDED)
    accused = record(implicated=(Implicated(recipient_id="here"),))
    assert _ids(about=accused, registry=(HERE, suspended)) == ["here", "suspended"]
