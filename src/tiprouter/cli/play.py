"""How are the scenes played against the running service, as a hotline would?

1. Everything goes over HTTP with the credential of the role that may do it; nothing is reached behind the API's back.
2. Each answer is compared at once with what the scene promises; a difference is noted, and the play goes on.
3. What a step caused to leave is followed until the agency's receipt: time is counted from just before the request.
"""

import itertools
import json
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx2

from tiprouter.cli.scenes import Scene, differences, recipients, resolve
from tiprouter.cli.stage import Stage, StageError, wait_for

LOOK_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 20.0
_OK: Final = range(200, 300)
_PER_REQUEST: Final = re.compile(rb"urn:request:[^\"]+")
# What is left of the caller's own budget differs between two equal answers: it counts requests, and refills with time.
_PER_REQUEST_HEADERS: Final = {"date", "x-request-id", "ratelimit"}


@dataclass(frozen=True, slots=True)
class Told:
    """One message to one agency: `what` is its outcome or `recall`.

    `caused_at` is when the request that caused it was sent, in seconds since 1970.
    """

    delivery: str
    recipient: str
    what: str
    caused_at: float


@dataclass(slots=True)
class Played:
    """A scene after it was played; `outcomes` are the API's, of all its steps."""

    scene: Scene
    wrong: list[str] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)


class Company:
    """Whoever talks to the service: the four roles, and the agencies by nickname."""

    def __init__(self, url: str, operator_token: str) -> None:
        self.url = url
        self.tokens = {"operator": operator_token}
        self.names: dict[str, str] = {}
        self._http = httpx2.Client(base_url=url, trust_env=False, timeout=10)
        self._keys = itertools.count(1)
        self._bases: dict[str, str] = {}

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def send(
        self, role: str, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """One request under a role's credential; what changes something carries a fresh Idempotency-Key."""
        sent = {"Authorization": f"Bearer {self.tokens[role]}"} | dict(headers or {})
        if method != "GET":
            sent["Idempotency-Key"] = f"demo-{next(self._keys)}"
        return self._http.request(method, path, json=body, headers=sent)

    def get(self, role: str, path: str) -> dict[str, Any]:
        """An answer that must be there."""
        return _good(self.send(role, "GET", path))

    def hire(self) -> None:
        """Make the other three credentials."""
        for role in ("intake", "reviewer", "auditor"):
            self.tokens[role] = _good(self.send("operator", "POST", "/v1/credentials", {"role": role}))["token"]

    def register(self, agencies_url: str) -> dict[str, str]:
        """Register every agency of the scenario; the keys they verify with, by nickname."""

        def one(agency: dict[str, Any]) -> tuple[str, str, str]:
            name = agency.pop("nickname")
            body = resolve(agency, datetime.now(UTC), {}, ()) | {"url": f"{agencies_url}/{name}"}
            answer = _good(self.send("operator", "POST", "/v1/recipients", body))
            return name, answer["id"], answer["signing_key"]["verification_key"]

        with ThreadPoolExecutor() as pool:
            registered = list(pool.map(one, recipients()))
        self.names = {name: recipient_id for name, recipient_id, _ in registered}
        return {name: key for name, _, key in registered}

    def basis(self, outcome: Mapping[str, Any]) -> dict[str, str]:
        """The words of each policy that determined an outcome, by policy id, as an auditor is told them."""
        if any(policy not in self._bases for policy in outcome["policies"]):
            decision = self.get("auditor", f"/v1/decisions/{outcome['decision']}")
            self._bases |= {policy["id"]: policy["basis"] or policy["id"] for policy in decision["policies"]}
        return {policy: self._bases[policy] for policy in outcome["policies"]}

    def disclosures(self, record: str) -> list[dict[str, Any]]:
        """Every disclosure and recall about a record."""
        found: list[dict[str, Any]] = self.get("auditor", f"/v1/disclosures?record_id={record}&limit=200")["items"]
        return found


def play(scene: Scene, company: Company, stage: Stage) -> Played:
    """Play one scene and follow what leaves to its receipts (rules 2 and 3)."""
    played = Played(scene)
    for step in scene.steps:
        caused_at = time.time()
        made = ""
        for name, act in _ACTS.items():
            if name in step:
                made = act(step, played, company)
        played.made.append(made)
        _follow(played, company, caused_at)

    def arrived() -> bool:
        return {told.delivery for told in played.told} <= accepted(stage).keys()

    _wait_a_moment(arrived)
    return played


def accepted(stage: Stage) -> dict[str, list[dict[str, Any]]]:
    """The receipts that an agency accepted, by webhook-id."""
    found: dict[str, list[dict[str, Any]]] = {}
    for receipt in stage.receipts():
        if receipt["became"] == "accepted":
            found.setdefault(receipt["webhook_id"], []).append(receipt)
    return found


def _send_record(step: Mapping[str, Any], played: Played, company: Company) -> str:
    if "tip" in step:
        answer = company.send("intake", "POST", "/v1/tips", _body(step["tip"], played, company))
    else:
        name = step.get("case") or step["revise"]
        revision = sum("case" in one or "revise" in one for one in played.scene.steps[: len(played.made)])
        condition = {"If-None-Match": "*"} if "case" in step else {"If-Match": f'"{revision}"'}
        body = _body(step["body"], played, company)
        answer = company.send("intake", "PUT", f"/v1/cases/{name}", body, condition)
    record = _checked(step, played, company, answer)
    left_out = {one["recipient"]: one["statements"] for one in record.get("left_out", ())}
    for name, statements in step.get("left_out", {}).items():
        if left_out.get(company.names[name]) != statements:
            played.wrong.append(f"statements left out toward {name} are not {statements}")
    record_id: str = record.get("id", "")
    if record_id and record_id not in played.records:
        played.records.append(record_id)
    return record_id


def _consent(step: Mapping[str, Any], played: Played, company: Company) -> str:
    answer = company.send("intake", "POST", "/v1/consents", _body(step["consent"], played, company))
    made: str = _checked(step, played, company, answer).get("id", "")
    return made


def _withdraw(step: Mapping[str, Any], played: Played, company: Company) -> str:
    answer = company.send("intake", "POST", f"/v1/consents/{played.made[step['withdraw']]}/withdraw")
    done = _checked(step, played, company, answer)
    if done.get("stopped") != step["stopped"]:
        played.wrong.append(f"the withdrawal found {done.get('stopped')}, promised was {step['stopped']}")
    return ""


def _settle(_step: Mapping[str, Any], played: Played, company: Company) -> str:
    """Wait until everything of this scene was delivered, as the service itself knows it."""

    def delivered() -> bool:
        states = [one["delivery"]["state"] for record in played.records for one in company.disclosures(record)]
        return all(state == "delivered" for state in states)

    wait_for(delivered, "a disclosure was not delivered", SETTLE_SECONDS)
    return ""


def _ask(step: Mapping[str, Any], played: Played, company: Company) -> str:
    """Two questions whose answers nobody may tell apart."""
    answers = [
        company.send(role, "GET", _body(path, played, company))
        for role, path in ((step["as"], step["ask"]), (step["like_as"], step["like"]))
    ]
    one, other = (
        (
            answer.status_code,
            _PER_REQUEST.sub(b"", answer.content),
            sorted((key, value) for key, value in answer.headers.items() if key not in _PER_REQUEST_HEADERS),
        )
        for answer in answers
    )
    if one != other or one[0] != httpx2.codes.NOT_FOUND:
        played.wrong.append(f"{step['as']} asking for what they may not see can tell that it is there")
    return ""


def _explain(step: Mapping[str, Any], played: Played, company: Company) -> str:
    """Each decision tells an auditor the facts it rested on, and nothing of the record."""
    for outcome in played.outcomes:
        told = company.get("auditor", f"/v1/decisions/{outcome['decision']}")
        if not set(step["explain"]) <= set(told["facts"] or ()):
            played.wrong.append("a decision does not tell the facts it rested on")
        # Ids and digests are random letters: a short word may stand in one by chance.
        text = json.dumps([told["facts"], told["policies"]], ensure_ascii=False)
        played.wrong += [f"a decision tells {word!r} and must not" for word in step["lacks"] if word in text]
    return ""


_ACTS: Final[Mapping[str, Callable[[Mapping[str, Any], Played, Company], str]]] = {
    "tip": _send_record,
    "case": _send_record,
    "revise": _send_record,
    "consent": _consent,
    "withdraw": _withdraw,
    "settle": _settle,
    "ask": _ask,
    "explain": _explain,
}


def _body(value: Any, played: Played, company: Company) -> Any:  # noqa: ANN401 - JSON
    return resolve(value, datetime.now(UTC), company.names, played.made)


def _checked(step: Mapping[str, Any], played: Played, company: Company, answer: httpx2.Response) -> dict[str, Any]:
    """An answer's body, its outcomes compared with the step's promise."""
    if answer.status_code not in _OK:
        played.wrong.append(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
        return {}
    body: dict[str, Any] = answer.json()
    if "expect" in step:
        played.wrong += differences(step["expect"], body["outcomes"], company.names)
        played.outcomes += body["outcomes"]
    return body


def _follow(played: Played, company: Company, caused_at: float) -> None:
    """Note the messages that the last step caused."""
    leaving = {
        one["recipient"]["id"]: one["outcome"] for one in played.outcomes if one["outcome"] in ("REPORT", "DISCLOSE")
    }
    if not leaving:
        return
    known = {told.delivery for told in played.told}
    nicknames = {recipient_id: name for name, recipient_id in company.names.items()}
    for record in played.records:
        for one in reversed(company.disclosures(record)):
            if one["delivery"]["id"] not in known:
                what = leaving[one["recipient"]] if one["recalls"] is None else "recall"
                played.told.append(Told(one["delivery"]["id"], nicknames[one["recipient"]], what, caused_at))


def _wait_a_moment(look: Callable[[], bool]) -> None:
    """What takes longer (a busy agency) is shown as under way, and waited for at the end."""
    try:
        wait_for(look, "", LOOK_SECONDS)
    except StageError:
        return


def _good(answer: httpx2.Response) -> dict[str, Any]:
    if answer.status_code not in _OK:
        raise StageError(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}.")
    body: dict[str, Any] = answer.json()
    return body
