"""Two people of counsel, the gate's word on the shipped bundles, and a bundle that both approved."""

from functools import partial

from tests.support.service import Service, bundle
from tiprouter.policy.gate.check import GateReport, examine
from tiprouter.storage import bundles
from tiprouter.workflow import governing
from tiprouter.workflow.governing import Wish
from tiprouter.workflow.happening import Actor

COUNSEL = Actor("cal_counsel", "counsel")
SECOND_COUNSEL = Actor("cal_second_counsel", "counsel")

_reports: dict[str, GateReport] = {}


def gate_report(name: str) -> GateReport:
    """What the gate says of a shipped bundle; it takes a moment, and it never changes."""
    if name not in _reports:
        _reports[name] = examine(bundle(name))
    return _reports[name]


async def approved(service: Service, name: str) -> None:
    """Propose, check and approve a shipped bundle against the one that is active."""
    digest, report = bundle(name).digest, gate_report(name)
    active = await service.database.read(bundles.active)
    await service.database.write(lambda tx: governing.propose(tx, service.desk, COUNSEL, bundle(name)))
    await service.database.write(lambda tx: governing.record_check(tx, service.desk, COUNSEL, digest, report))
    wish = Wish(against=active or "", newly_discloses=True, accepted=True)
    for actor in (COUNSEL, SECOND_COUNSEL):
        await service.database.write(
            partial(governing.approve, desk=service.desk, actor=actor, digest=digest, wish=wish)
        )
