"""Asks over HTTP, and looks at once whether an answer, a head of one, or a refusal holds a marker.

1. What is refused (4xx, 5xx) repeats nothing, whoever asked.
2. What is answered (2xx, 3xx) holds markers for those alone for whom they are meant (`SHOWN`), with the reason.
"""

import itertools
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from tests.support.markers import form_in

_STAFF: Final = ("intake", "reviewer")
_OWN: Final = "the hotline reads its own record back"
_NAMES: Final = "the hotline's own references to persons, told to whoever wrote them"
_SAID: Final = "what was kept of their words, to whoever said them"
SHOWN: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "GET /v1/tips/{}": (_STAFF, _OWN),
    "GET /v1/cases/{}": (_STAFF, _OWN),
    "POST /v1/tips": (("intake",), _NAMES),
    "PUT /v1/cases/{}": (("intake",), _NAMES),
    "GET /v1/reviews/{}": (("reviewer",), "who decides reads what is decided about"),
    "GET /v1/duties/{}": (_STAFF, "notes of the hotline's own people"),
    "GET /v1/deliveries/{}": (("reviewer",), "what an endpoint answered"),
    "GET /v1/questions/{}": (_STAFF, "what an agency asked, to whoever answers it"),
    "GET /v1/questions": (_STAFF, "the same, listed"),
    "GET /v1/subject-notices": (_STAFF, "how a person can be reached safely, to whoever tells them"),
    "POST /v1/subject-notices/{}/give": (_STAFF, "the same, when it was done"),
    "POST /v1/subject-notices/{}/defer": (_STAFF, "the same, when it was put off"),
    "GET /v1/consents/{}": (_STAFF, "the consent's own words"),
    "GET /v1/subjects/{}/accounting": (_STAFF, "what a person is owed, given to them by the staff"),
    "GET /v1/inbox/{}": (("agency",), "a disclosure, to its recipient"),
    "GET /v1/grants/{}": (("auditor", "reviewer", "counsel"), "why a matter was asked for, to whoever decides"),
    "GET /v1/grants": (("auditor", "reviewer", "counsel"), "the same, listed"),
    "GET /v1/grants/{}/matter": (("auditor",), "a matter that two people opened to this auditor"),
    "GET /v1/matters/{}/audit-bundle under a grant": (("auditor",), "the same, with what opens the log's commitments"),
    "POST /v1/invitations/redeem": (
        ("nobody",),
        "whose invitation it is gets the address that signs in, for their app",
    ),
    "POST /v1/consents": (("intake",), _SAID),
    "POST /v1/consents/{}/withdraw": (("intake",), _SAID),
    "POST /v1/disclosures/{}/acknowledgements": (("well",), _SAID),
    "POST /v1/inbox/{}/ack": (("agency",), _SAID),
    "POST /v1/duties/{}/calls": (("intake",), _SAID),
    "POST /v1/duties/{}/written-requests": (("intake",), _SAID),
    "POST /v1/duties/{}/written-reports": (("intake",), _SAID),
    "POST /v1/reviews/{}/decide": (("reviewer",), _SAID),
    "GET /v1/people": (("operator",), "who works here, to whoever looks after the accounts"),
}
"""Rule 2: method and route, who, and why."""

_TRUSTING_NOBODY: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""All of it is plain HTTP on loopback."""
Answer = httpx2.Response


@dataclass
class Client:
    """Callers by role, of one service."""

    url: str
    tokens: dict[str, str]
    asked: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    bytes_read: Counter[str] = field(default_factory=Counter)
    leaks: list[tuple[str, str]] = field(default_factory=list)
    keys: "itertools.count[int]" = field(default_factory=itertools.count)
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(trust_env=False, verify=_TRUSTING_NOBODY))

    def send(
        self,
        role: str,
        route: str,
        *ids: str,
        body: Any = None,  # noqa: ANN401 - JSON
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        query: str = "",
        under: str = "",
        timeout: float = 60,
    ) -> Answer:
        """One request to `METHOD /path/{}`; `under` is added to how the route is called where it makes a difference."""
        method, path = route.split(" ", 1)
        sent = {"Authorization": f"Bearer {self.tokens[role]}"} if role in self.tokens else {}
        if method in {"POST", "PUT"}:
            sent["Idempotency-Key"] = f"m-{next(self.keys)}"
        sent |= headers or {}
        whole = self.url + path.format(*ids) + query
        given: dict[str, Any] = {"json": body} if content is None else {"content": content}
        answer = self.http.request(method, whole, headers=sent, timeout=timeout, **given)
        self.look(role, route + under, answer)
        return answer

    def told(self, role: str, route: str, *ids: str, **given: Any) -> Any:  # noqa: ANN401 - JSON
        """What a request is answered that must be let in."""
        answer = self.send(role, route, *ids, **given)
        if answer.status_code >= 300:
            raise AssertionError((role, route, answer.status_code, answer.text))
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.content

    def refused(self, role: str, route: str, *ids: str, **given: Any) -> int:  # noqa: ANN401 - JSON
        """The status of a request that must not be let in; 0 where the connection was cut off before all was sent."""
        try:
            answer = self.send(role, route, *ids, **given)
        except httpx2.TransportError:
            self.asked["cut off"] += 1
            return 0
        if answer.status_code < 400:
            raise AssertionError((role, route, answer.status_code, "was let in"))
        return answer.status_code

    def look(self, role: str, route: str, answer: Answer) -> None:
        """Rules 1 and 2."""
        said = f"{answer.status_code} {answer.headers}".encode() + answer.content
        kind = "refusals" if answer.status_code >= 400 else "answers"
        self.asked[kind] += 1
        self.bytes_read[kind] += len(said)
        form = form_in(said)
        if form is None:
            return
        if kind == "answers" and role in SHOWN.get(route, ((), ""))[0]:
            self.shown[f"{route} to {role}"] += 1
        else:
            self.leaks.append((f"{kind}: {answer.status_code} to {role} of {route}", form))
