"""`python -m tests.fuzz.api --cases N [--role R] [--seed S] [--only O]`: does the service keep its word?

The real edge on loopback, on SQLite, with a little of everything in it and a credential of each role; `calls.py` says
what is sent and judged. A line as each role ends, then a table of what was answered with the count of all; exit 1 when
anything was found.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from tests.api.calling import ROLES, Api, agency, case, grant, running, tip, with_agency
from tests.fuzz.calls import NOBODY, Caller, Told, call, operations
from tests.support.giving import give
from tests.support.service import OPERATOR, open_service
from tiprouter.api.limiter import Bounds
from tiprouter.workflow.credentials import CallerRole

WHO: Final = (*(role.value for role in ROLES), NOBODY)
_UNBOUNDED: Final = Bounds(reads=0, writes=0, strangers=0, attempts=0, in_flight=0)
_FOUND_MAX: Final = 50
_LOUD: Final = 50
_PATIENCE_SECONDS: Final = 120


async def fill(api: Api) -> str:
    """A little of everything: an agency that was told of a person, another that was not, a case, a withdrawal."""
    answers = [
        await api.send("operator", "POST", "/v1/recipients", agency()),
        await api.send("intake", "POST", "/v1/tips", tip()),
        await api.send("intake", "POST", "/v1/consents", grant()),
        await api.send("intake", "PUT", "/v1/cases/C-1", case(), {"If-None-Match": "*"}),
    ]
    await api.service.deliver()
    child = tip("T-2")
    child["persons"][0]["age"] = {"years": 14}
    answers.append(await api.send("intake", "POST", "/v1/tips", child))
    danger = {"immediate": "yes", "escalating": "yes", "perceived": "heard", "observed_at": child["received_at"]}
    answers.append(await api.send("intake", "POST", "/v1/tips", tip("T-3", violence=danger)))
    for answer in answers:
        answer.raise_for_status()
    await with_agency(api, CallerRole.AGENCY.value, answers[0].json()["id"])
    return "\n".join(answer.text for answer in answers)


async def learn(api: Api, told: Told) -> None:
    """Read what there is, so that requests name it."""
    for role, path in (
        ("reviewer", "/v1/decisions"),
        ("reviewer", "/v1/disclosures"),
        ("reviewer", "/v1/deliveries"),
        ("reviewer", "/v1/duties"),
        ("reviewer", "/v1/reviews"),
        ("reviewer", "/v1/notices"),
        ("reviewer", "/v1/subject-notices"),
        ("counsel", "/v1/bundles"),
    ):
        told.learn((await api.send(role, "GET", path)).text)


def renewal(api: Api, role: str, recipient_id: str) -> Callable[[], str]:
    """What gives this role, or this agency, another credential; asked from another thread than the service's."""
    loop = asyncio.get_running_loop()

    async def given() -> str:
        if role == CallerRole.AGENCY:
            await with_agency(api, role, recipient_id)
            return api.tokens[role]
        return (await give(api.service, CallerRole(role), by=OPERATOR))[1]

    return lambda: asyncio.run_coroutine_threadsafe(given(), loop).result(_PATIENCE_SECONDS)


def _unsaid(_told: Told, _role: str) -> None:
    """Who does not ask is not told as each role ends."""


async def fuzz(
    folder: Path,
    roles: list[str],
    cases: int,
    seed: int,
    only: str = "",
    ended: Callable[[Told, str], None] = _unsaid,
) -> Told:
    """Call as each role, about so many times, what its document names so (`POST /v1/tips`); everything, if not said."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_LOUD))
    told = Told()
    async with open_service(f"sqlite:///{folder / 'tiprouter.db'}", folder) as service, running(service) as api:
        api.office.limiter.bounds = _UNBOUNDED
        told.learn(await fill(api))
        await learn(api, told)
        document = (await api.client.get("/openapi.json", timeout=_PATIENCE_SECONDS)).json()
        known = operations(document)
        base_url = f"http://127.0.0.1:{api.port}"
        for role in roles:
            chance = random.Random(seed)  # noqa: S311 - repeatable
            renewed = renewal(api, role, told.ids["rcp"][0])
            caller = Caller(role, api.tokens.get(role), base_url, told, chance, renewed)
            caller.session.trust_env = False
            chosen = [one for one in known[role] if one.label.startswith(only)]
            with caller.session:
                await asyncio.to_thread(call, caller, chosen, cases, seed)
            ended(told, role)
        await service.check_house()
    return told


def table(told: Told) -> str:
    """A line for each role: how many were sent, how they were answered, what was found."""
    lines = [f"{'role':10} {'cases':>6} {'2xx':>6} {'3xx':>6} {'4xx':>6} {'5xx':>6} {'unheard':>8} {'findings':>9}"]
    for role, statuses in told.statuses.items():
        kinds = [sum(count for status, count in statuses.items() if status // 100 == kind) for kind in (2, 3, 4, 5)]
        found = sum(one.role == role for one in told.findings)
        lines.append(
            f"{role:10} {statuses.total():6} "
            + " ".join(f"{one:6}" for one in kinds)
            + f" {told.unheard[role]:8} {found:9}"
        )
    sent = sum(statuses.total() for statuses in told.statuses.values())
    lines.append(f"{'all':10} {sent:6} cases, {len(told.findings)} findings")
    each = dict.fromkeys(f"{one.role}: {one.operation}: {one.said}" for one in told.findings)
    return "\n".join([*lines, *list(each)[:_FOUND_MAX]])


def _say_ended(told: Told, role: str) -> None:
    found = sum(one.role == role for one in told.findings)
    print(f"{role}: {told.statuses[role].total():,} cases, {found} findings", file=sys.stderr, flush=True)  # noqa: T201


def main() -> int:
    """Call, print, and say by the exit code whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.api")
    parser.add_argument("--cases", type=int, default=1_000, help="requests of each role")
    parser.add_argument("--role", choices=WHO, action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="how the operation begins: 'POST /v1/tips'")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tiprouter-fuzz-") as folder:
        roles = asked.role or list(WHO)
        told = asyncio.run(fuzz(Path(folder), roles, asked.cases, asked.seed, asked.only, _say_ended))
    print(table(told))  # noqa: T201 - a command
    return int(bool(told.findings))


if __name__ == "__main__":
    sys.exit(main())
