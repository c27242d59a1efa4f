"""Credentials as tests are given them: each by a person of its own, and usable at once."""

from tests.support.service import CONFIRMER, OPERATOR, Service
from tiprouter.storage.callers import Caller
from tiprouter.storage.database import Transaction
from tiprouter.workflow import credentials
from tiprouter.workflow.credentials import CallerRole, Terms
from tiprouter.workflow.happening import Actor


def another(name: str) -> Actor:
    """An operator who is nobody else's person."""
    return Actor(f"cal_{name}", "operator")


async def give(
    service: Service,
    role: CallerRole,
    recipient_id: str | None = None,
    terms: Terms | None = None,
    *,
    by: Actor = OPERATOR,
) -> tuple[Caller, str]:
    """A credential and its token, confirmed by another operator where that is asked."""

    def story(tx: Transaction) -> tuple[Caller, str]:
        made, token = credentials.make(tx, service.desk, by, role, recipient_id, terms)
        if made.waits:
            made = credentials.confirm(tx, service.desk, CONFIRMER, made.id)
        return made, token

    return await service.database.write(story)
