"""Every route by which somebody's words come in, asked as its callers ask it, with a marker in every field for words.

What is asked must be let in: a story that refuses where it is meant to accept fails the run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from joserfc.jwk import OKPKey

from tests.support.markers.bodies import Body, agency, ago, filed, granted, in_danger, somebody, told
from tests.support.markers.client import Client
from tests.support.markers.house import House, wait
from tests.support.markers.outside import WAYS, Outside
from tests.support.markers.sowing import Fate, Sowing
from tests.support.papers import Authority
from tiprouter.workflow.credentials import CallerRole

HOLDS: Final = ("answers", "revisions")
"""Where the words of a record are: in it, and its references in the answer that is kept for its key."""
IDS_ONLY, WRAPPED, PULLS = "ids-only", "wrapped", "pulls"


class Flows:
    """All of them, for one house."""

    def __init__(self, house: House, out: Outside, client: Client, sowing: Sowing) -> None:
        self.house, self.out, self.client, self.sowing = house, out, client, sowing
        self.agencies: dict[str, str] = {}
        self.records: list[str] = []
        self.people: list[str] = []
        self.untold: list[Body] = []
        self.grant = ""

    def everything(self) -> None:
        """One of each."""
        self.agencies_come()
        self.people_are_invited()
        self.records_come()
        self.agencies_answer()
        self.duties_are_seen_to()
        self.reviewers_decide()
        self.subjects_are_told()
        self.auditors_look()

    def agencies_come(self) -> None:
        """One for each way in which an endpoint answers; one that pulls, one told by ids, one that is wrapped for."""
        for way in WAYS:
            self._enrol(way, url=f"{self.out.url}/{way}")
        self._enrol(IDS_ONLY, url=f"{self.out.url}/{IDS_ONLY}", delivery_mode="thin")
        self._enrol(PULLS, url=None, delivery_mode="pull")
        key = OKPKey.generate_key("X25519", private=False)
        self._enrol(WRAPPED, url=f"{self.out.url}/{WRAPPED}", encryption_keys=[key.as_dict(private=False)])
        self._with_certificate()

    def _enrol(self, name: str, **changes: Any) -> None:  # noqa: ANN401 - JSON
        made = self.client.told("operator", "POST /v1/recipients", body=agency(name, **changes))
        self.agencies[name] = made["id"]

    def _with_certificate(self) -> None:
        """A private key may have words before it, and is kept as it came."""
        papers = Authority(self.house.folder / "work").papers("agency.example")
        mark = self.sowing.kept("POST /v1/recipients", "client_keys")
        key = f"{mark('before_the_key')}\n{Path(papers.key).read_text()}"
        trust = {"certificate": papers.certificate.read_text(), "private_key": key}
        self._enrol("certified", url="https://127.0.0.1:9/hook", status="suspended", **trust)

    def people_are_invited(self) -> None:
        """Reviewers, one of whom redeems it and signs in wrongly."""
        mark = self.sowing.kept("POST /v1/people", "accounts")
        invited = []
        for _ in range(3):
            email = f"{mark('local_part')}@hotline.example"
            wanted = {"role": "reviewer", "way": "local", "name": mark("name"), "email": email}
            invited.append((email, self.client.told("operator", "POST /v1/people", body=wanted)))
        wrong = self.sowing.refused("POST /v1/sign-in/local")
        email, made = invited[0]
        secret = {"invitation": made["invitation"], "password": self.sowing.refused("passwords")("password")}
        self.client.told("nobody", "POST /v1/invitations/redeem", body=secret)
        for name, password in ((email, wrong("password")), (f"{wrong('name')}@hotline.example", wrong("password"))):
            body = {"name": name, "password": password, "code": "123456"}
            self.client.refused("nobody", "POST /v1/sign-in/local", body=body)
        self.client.told("operator", "GET /v1/people")

    def records_come(self) -> None:
        """A child, an adult in danger, a witness who is a child, a case that is revised, and consents of its person."""
        tips = self.sowing.kept("POST /v1/tips", *HOLDS)
        for body in (told(tips), in_danger(tips), told(tips, person=somebody(tips, 15, role="witness"))):
            self._keep(self.client.told("intake", "POST /v1/tips", body=body))
        for years in (30, 40):
            self.untold.append(self.client.told("intake", "POST /v1/tips", body=told(tips, years)))
        self.case_comes()

    def case_comes(self) -> None:
        """A case, revised, with consents of which one is withdrawn."""
        mark = self.sowing.kept("PUT /v1/cases/{}", *HOLDS)
        case_id, body = f"C-{len(self.records)}", filed(mark)
        made = self.client.told("intake", "PUT /v1/cases/{}", case_id, body=body, headers={"If-None-Match": "*"})
        self._keep(made)
        changed = body | {"statements": [{"text": mark("changed"), "persons": [body["persons"][0]["ref"]]}]}
        self.client.told("intake", "PUT /v1/cases/{}", case_id, body=changed, headers={"If-Match": '"1"'})
        words = self.sowing.kept("POST /v1/consents", "consents")
        whose = {"source": body["source"], "ref": body["persons"][0]["ref"]}
        given = [self.client.told("intake", "POST /v1/consents", body=granted(words, whose)) for _ in range(2)]
        self.client.told("intake", "POST /v1/consents/{}/withdraw", given[0]["id"])
        self.client.told("intake", "GET /v1/consents/{}", given[1]["id"])
        self.client.told("intake", "GET /v1/consents/{}/receipt", given[1]["id"])
        self.client.told("intake", "GET /v1/cases/{}", case_id)

    def _keep(self, made: Body) -> None:
        self.records.append(made["id"])
        self.people += [one["id"] for one in made["persons"]]
        if made["id"].startswith("tip_"):
            self.client.told("reviewer", "GET /v1/tips/{}", made["id"])

    def agencies_answer(self) -> None:
        """Those that were told answer with words of theirs; what failed is tried again, with a note."""
        for name in ("well", PULLS):
            self.house.give(name, CallerRole.AGENCY, self.agencies[name])
            self.client.tokens[name] = self.house.tokens[name]
        self.client.tokens["agency"] = self.client.tokens[PULLS]
        wait(lambda: sum(one.tells_of_people for one in self.out.came if one.way == "well") > 1, 30)
        said = self.sowing.kept("POST /v1/disclosures/{}/acknowledgements", "acknowledgements")
        for one in self._delivered("well"):
            words = {name: said(name) for name in ("case_number", "reason", "question")}
            body = {"status": "needs_information"} | words
            self.client.told("well", "POST /v1/disclosures/{}/acknowledgements", one["disclosure"], body=body)
        taken = self.sowing.kept("POST /v1/inbox/{}/ack", "acknowledgements")
        for one in self.client.told("agency", "GET /v1/inbox")["items"][:2]:
            self.client.told("agency", "GET /v1/inbox/{}", one["delivery"])
            body = {"status": "rejected", "case_number": taken("case_number"), "reason": taken("reason")}
            self.client.told("agency", "POST /v1/inbox/{}/ack", one["delivery"], body=body)
        note = self.sowing.kept("POST /v1/deliveries/{}/retry", "retries")
        # Of a case that was revised, something newer is sent instead.
        for one in [one for one in self._delivered("well") if one["record"].startswith("tip_")][:1]:
            body = {"reason": "other", "note": note("note")}
            self.client.told("reviewer", "POST /v1/deliveries/{}/retry", one["id"], body=body)
        self._questions()

    def _delivered(self, name: str) -> list[Body]:
        query = f"?recipient_id={self.agencies[name]}&state=delivered"
        wait(lambda: self.client.told("reviewer", "GET /v1/deliveries", query=query)["items"], 30)
        found: list[Body] = self.client.told("reviewer", "GET /v1/deliveries", query=query)["items"]
        for one in found:
            self.client.told("reviewer", "GET /v1/deliveries/{}", one["id"])
        assert found, f"nothing was delivered to {name}"
        return found

    def _questions(self) -> None:
        mark = self.sowing.kept("POST /v1/questions/{}/answer", "revisions", "questions")
        asked = self.client.told("intake", "GET /v1/questions")["items"]
        assert asked
        for one in asked[:2]:
            whole = self.client.told("intake", "GET /v1/questions/{}", one["id"])
            body = {"text": mark("answer"), "persons": whole["persons"][:1], "category": "incident"}
            self.client.told("intake", "POST /v1/questions/{}/answer", one["id"], body=body)

    def duties_are_seen_to(self) -> None:
        """Calls, letters, and requests for a letter; a record is held."""
        duties = self.client.told("intake", "GET /v1/duties", query="?state=open")["items"]
        assert duties
        call = self.sowing.kept("POST /v1/duties/{}/calls", "duty_calls")
        letter = self.sowing.kept("POST /v1/duties/{}/written-reports", "duty_letters")
        request = self.sowing.kept("POST /v1/duties/{}/written-requests", "duty_requests")
        for one in [one for one in duties if one["recipient"]][:2]:
            words = {name: call(name) for name in ("caller", "spoken_to", "reference", "note")}
            body = {"outcome": "no_answer", "called_at": ago(), "number": "+1-555-0101"} | words
            self.client.told("intake", "POST /v1/duties/{}/calls", one["id"], body=body)
            words = {name: request(name) for name in ("asked_by", "reference", "note")}
            body = {"requested_at": ago()} | words
            self.client.told("intake", "POST /v1/duties/{}/written-requests", one["id"], body=body)
            words = {name: letter(name) for name in ("sent_by", "reference", "note")}
            body = {"sent_at": ago()} | words
            self.client.told("intake", "POST /v1/duties/{}/written-reports", one["id"], body=body)
            self.client.told("reviewer", "GET /v1/duties/{}", one["id"])
        hold = self.sowing.kept("POST /v1/records/{}/hold", "holds")
        self.client.told("reviewer", "POST /v1/records/{}/hold", self.records[0], body={"reason": hold("reason")})

    def reviewers_decide(self) -> None:
        """They read what waits, and say why."""
        mark = self.sowing.kept("POST /v1/reviews/{}/decide", "reviews")
        waiting = self.client.told("reviewer", "GET /v1/reviews", query="?state=open")["items"]
        assert waiting
        for one in waiting[:2]:
            self.client.told("reviewer", "POST /v1/reviews/{}/claim", one["id"])
            self.client.told("reviewer", "GET /v1/reviews/{}", one["id"])
            body = {"answer": "withhold", "rationale": mark("rationale")}
            self.client.told("reviewer", "POST /v1/reviews/{}/decide", one["id"], body=body)

    def subjects_are_told(self) -> None:
        """One notice is given, another put off; an agency asks that an accounting wait."""

        def due() -> list[Body]:
            return list(self.client.told("intake", "GET /v1/subject-notices", query="?state=due")["items"])

        assert wait(lambda: len(due()) > 1, 60), "nobody was owed a notice"
        first, second = due()[:2]
        safe = (first.get("safe_contact") or {}).get("channel")
        note = self.sowing.kept("POST /v1/subject-notices/{}/give", "subject_notices")
        body: Body = {"at": ago(), "channel": safe or note("channel"), "time_was_safe": True, "note": note("note")}
        self.client.told("intake", "POST /v1/subject-notices/{}/give", first["id"], body=body)
        why = self.sowing.kept("POST /v1/subject-notices/{}/defer", "subject_notices")
        body = {"reason": why("reason"), "until": ago(days=-2)}
        self.client.told("intake", "POST /v1/subject-notices/{}/defer", second["id"], body=body)
        asks = self.sowing.kept("POST /v1/subjects/{}/accounting/suspend", "suspensions")
        wanted = {"recipient": self.agencies["well"], "asked_by": asks("asked_by"), "form": "oral"}
        body = wanted | {"until": ago(days=-20)}
        self.client.told("reviewer", "POST /v1/subjects/{}/accounting/suspend", self.people[0], body=body)
        self.client.told("intake", "GET /v1/subjects/{}/accounting", self.people[0])

    def auditors_look(self) -> None:
        """A matter is opened to one by two others; who has no grant reads what all auditors may."""
        why = self.sowing.kept("POST /v1/grants", "grants")
        body = {"record": self.records[0], "until": ago(days=-7), "reason": why("reason")}
        self.grant = self.client.told("auditor", "POST /v1/grants", body=body)["id"]
        for role in ("reviewer", "counsel"):
            self.client.told(role, "POST /v1/grants/{}/approve", self.grant)
        self.client.told("auditor", "GET /v1/grants/{}", self.grant)
        self.client.told("auditor", "GET /v1/grants/{}/matter", self.grant)

    def more(self, markers: int) -> None:
        """Tips and cases until so many markers are kept; what is refused comes on top."""
        for number in self._until(markers):
            if number % 2:
                self.case_comes()
            else:
                body = told(self.sowing.kept("POST /v1/tips", *HOLDS), 9 + number % 9)
                self._keep(self.client.told("intake", "POST /v1/tips", body=body))

    def _until(self, markers: int) -> Iterator[int]:
        number = 0
        while sum(one.fate is Fate.KEPT for one in list(self.sowing.sown)) < markers:
            yield number
            number += 1

    def erase(self) -> None:
        """Two people erase a record of which nobody was told, and the person of another."""
        record, other = self.untold
        for role in ("reviewer", "second_reviewer"):
            self.client.told(role, "POST /v1/records/{}/erase", record["id"])
            self.client.told(role, "POST /v1/subjects/{}/erase", other["persons"][0]["id"])
