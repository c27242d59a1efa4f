"""What is sent to the service by whoever keeps to its document, or nearly, and what may come back?

1. A request is made from the document that the service itself serves (schemathesis): one that keeps to it or one that
   breaks it, with a marker in some text of it.
2. Where an id is meant, it is mostly one that an earlier answer told: requests reach what exists.
3. What comes back has a status, a content type and headers that the document names and a body of that schema. Nothing
   fails (5xx) but what is documented to be away (503). No refusal, and no head of an answer, repeats the marker.
4. Whose credential was ended by what was sent, their own requests among it, is given another; a request that was
   refused for that alone is no case.
5. The same seed makes the same requests, as far as the service mints the same ids: not promised across two runs.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

MARKER: Final = "Zyxwv-Fuzz-Marker"
"""What stands in inputs and may stand in no refusal."""

NOBODY: Final = "nobody"
"""Who has no credential."""

_CHECKS: Final = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
_ID: Final = re.compile(r"\b([a-z]{3,4})_[0-9A-HJKMNP-TV-Z]{26}\b")
_DIGEST: Final = re.compile(r"\b[0-9a-f]{64}\b")
_MEANT: Final[dict[str, tuple[str, ...]]] = {
    "tip_id": ("tip",),
    "record_id": ("tip", "case"),
    "person_id": ("per",),
    "consent_id": ("cns",),
    "recipient_id": ("rcp",),
    "recipients": ("rcp",),
    "change_id": ("chg",),
    "decision_id": ("dec",),
    "duty_id": ("dut",),
    "disclosure_id": ("dis",),
    "acknowledgement_id": ("ack",),
    "question_id": ("qst",),
    "review_id": ("rvw",),
    "delivery_id": ("msg",),
    "replay_id": ("rpl",),
    "notice_id": ("ntc", "sno"),
    "grant_id": ("grt",),
    "word_id": ("wrd",),
    "credential_id": ("cal",),
    "client_id": ("clt",),
    "account_id": ("acc",),
    "session_id": ("ses",),
    "digest": ("digest",),
    "against": ("digest",),
}
_TELLS_OF_FILES: Final = frozenset({"POST /v1/bundles"})
"""Where a refusal says what is wrong with the caller's own policy text, on purpose."""

_PATIENCE_SECONDS: Final = 120
_SHOWN_MAX: Final = 200
_SERVER_ERROR, _REFUSED, _UNHEARD, _AWAY = 500, 400, 401, 503


@dataclass(frozen=True, slots=True)
class Finding:
    """What an answer did that it may not do."""

    role: str
    operation: str
    said: str


@dataclass
class Told:
    """What answers told so far, and what was wrong with them."""

    ids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    findings: list[Finding] = field(default_factory=list)
    unheard: Counter[str] = field(default_factory=Counter)

    def learn(self, text: str) -> None:
        """Keep the ids and digests of an answer (rule 2)."""
        for found in _ID.finditer(text):
            self._keep(found[1], found[0])
        for found in _DIGEST.finditer(text):
            self._keep("digest", found[0])

    def _keep(self, prefix: str, value: str) -> None:
        if value not in self.ids[prefix]:
            self.ids[prefix].append(value)


@dataclass
class Caller:
    """One role and how it calls."""

    role: str
    token: str | None
    base_url: str
    told: Told
    chance: random.Random
    renewed: Callable[[], str]
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, case: Any) -> None:  # noqa: ANN401 - schemathesis' case, generic over its operation
        """Send one request and judge what comes back (rules 2 and 3)."""
        self._aim(case)
        self._mark(case)
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        response = case.call(base_url=self.base_url, session=self.session, headers=headers, timeout=_PATIENCE_SECONDS)
        if self.token is not None and response.status_code == _UNHEARD:
            self.told.unheard[self.role] += 1
            self.token = self.renewed()
        else:
            self.told.statuses[self.role][response.status_code] += 1
        where = f"{case.operation.label} at {(response.request.path_url or '')[:_SHOWN_MAX]}"
        self.told.findings += [Finding(self.role, where, said) for said in judged(case, response)]
        if response.status_code < _REFUSED:
            self.told.learn(response.text)

    def _known(self, name: str) -> str | None:
        ids = [one for prefix in _MEANT.get(name, ()) for one in self.told.ids[prefix]]
        return self.chance.choice(ids) if ids and self.chance.random() < 0.8 else None

    def _aim(self, case: Any) -> None:  # noqa: ANN401 - as above
        """Rule 2. A path that a client would make into another one is not this operation's."""
        for name, value in (case.path_parameters or {}).items():
            if {".", ".."} & set(str(value).split("/")):
                case.path_parameters[name] = MARKER
        for holder in (case.path_parameters, case.query, case.body):
            if isinstance(holder, dict):
                for name in list(holder):
                    known = self._known(name)
                    if known is not None:
                        holder[name] = [known] if isinstance(holder[name], list) else known

    def _mark(self, case: Any) -> None:  # noqa: ANN401 - as above
        """Rule 1."""
        texts = list(_texts(case.body))
        match self.chance.randint(0, 4):
            case 0 if texts:
                holder, at = self.chance.choice(texts)
                holder[at] = MARKER
            case 1 if isinstance(case.body, dict):
                case.body[MARKER] = MARKER
            case 2 if case.path_parameters:
                case.path_parameters[self.chance.choice(list(case.path_parameters))] = MARKER
            case 3 if isinstance(case.query, dict):
                case.query[self.chance.choice([*case.query, MARKER])] = MARKER
            case _:
                pass


def _texts(value: object) -> Iterator[tuple[Any, Any]]:
    """Where in a body a text stands."""
    if isinstance(value, dict | list):
        for at, one in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(one, str):
                yield value, at
            else:
                yield from _texts(one)


def judged(case: Any, response: Any) -> list[str]:  # noqa: ANN401 - schemathesis' own, generic
    """What is wrong with an answer (rule 3)."""
    found = []
    if response.status_code >= _SERVER_ERROR and response.status_code != _AWAY:
        found.append(f"answered {response.status_code}")
    head = "\n".join(value for values in response.headers.values() for value in values)
    refusal = response.text if response.status_code >= _REFUSED and case.operation.label not in _TELLS_OF_FILES else ""
    if MARKER.casefold() in (head + refusal).casefold():
        found.append(f"{response.status_code} repeats what was sent")
    try:
        case.validate_response(response, checks=_CHECKS)
    except FailureGroup as group:
        found += [
            f"{response.status_code}: {one.title}: {' '.join(one.message.split())[:200]}" for one in group.exceptions
        ]
    return found


def operations(document: dict[str, Any]) -> dict[str, list[Any]]:
    """What each role may do; who is nobody may do what asks for no credential."""
    found = defaultdict(list)
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        if isinstance(result, Err):
            raise result.err()
        operation = result.ok()
        described = document["paths"][operation.path][operation.method.lower()]
        for role in described.get("x-roles", [NOBODY]):
            found[role].append(operation)
    return found


def call(caller: Caller, chosen: list[Any], cases: int, seed: int) -> None:
    """Send about so many requests, as evenly over these operations as it goes; half of them break the document."""
    order = caller.chance.sample(chosen, len(chosen))
    for number, operation in enumerate(order[:cases]):
        share = cases // len(order) + (number < cases % len(order))
        wrong = share // 2 if share > 1 else caller.chance.randint(0, 1)
        if wrong and not _call(caller, operation, GenerationMode.NEGATIVE, wrong, seed + number):
            wrong = 0
        _call(caller, operation, GenerationMode.POSITIVE, share - wrong, seed + number)


def _call(caller: Caller, operation: Any, mode: GenerationMode, cases: int, seed: int) -> bool:  # noqa: ANN401
    """Whether there was a way to make such requests: what takes no input cannot be given a wrong one."""
    if not cases:
        return True

    @seeded(seed)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def each(case: Any) -> None:  # noqa: ANN401 - schemathesis' case
        caller.ask(case)

    try:
        each()
    except Unsatisfiable:
        return False
    return True
