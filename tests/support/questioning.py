"""An agency that asks and signs, and a hotline that answers, told by their stories."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.fictional import agency, grant, person, statement, tip
from tests.support.service import INTAKE, Service
from tiprouter.domain.proof import PublicKey
from tiprouter.domain.question import QuestionState
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Record, Statement
from tiprouter.domain.vocabulary import AcknowledgementStatus, Category, RecipientKind
from tiprouter.receiver import Message
from tiprouter.receiver.acknowledgement import public_jwk, sign_acknowledgement
from tiprouter.storage.acknowledgements import Acknowledgement, Words
from tiprouter.workflow import questions as stories
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.awaiting import watch_acknowledgements
from tiprouter.workflow.consenting import Given, Whose
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.questions import Asked, Standing

LE, SP = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER
Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256 = ec.derive_private_key(0x5EC2E7, ec.SECP256R1())
ANSWER = statement("a blue van, twice a week")
ACCEPTED, REJECTED, ASKS, CLOSED = (
    AcknowledgementStatus.ACCEPTED,
    AcknowledgementStatus.REJECTED,
    AcknowledgementStatus.NEEDS_INFORMATION,
    AcknowledgementStatus.CLOSED,
)


def public(key: Private) -> PublicKey:
    """The public half, as the registry keeps it."""
    jwk = public_jwk(key.public_key())
    return PublicKey(jwk["crv"], jwk["x"], jwk.get("y"))


@dataclass
class Police:
    """An agency that was sent something."""

    service: Service
    recipient: Recipient
    key: Private | None = None

    @property
    def actor(self) -> Actor:
        """Whom the service sees."""
        return Actor(f"cal_{self.recipient.id[-6:]}", "agency", self.recipient.id)

    async def bodies(self) -> list[dict[str, Any]]:
        """What reached this agency, in order."""
        return [json.loads(message.body) for message in self.messages()]

    def messages(self) -> list[Message]:
        """The same as its receiver has it."""
        mine = [one for one in self.service.sent if self.recipient.id.encode() in one.body.body]
        return [Message(one.webhook_id, self.service.clock.at, one.body.body) for one in mine]

    async def say(
        self, status: AcknowledgementStatus, disclosure_id: str | None = None, **words: str | None
    ) -> Acknowledgement:
        """Acknowledge the last disclosure that came, or another."""
        about = disclosure_id or json.loads(self.messages()[-1].body)["data"]["disclosure_id"]
        made, _ = await self.service.database.write(
            lambda tx: acknowledge(tx, self.service.desk, self.actor, about, status, Words(**words))
        )
        return made

    async def ask(self, text: str = "Which van?") -> Acknowledgement:
        """Need information."""
        return await self.say(ASKS, question=text)

    def sign(self, status: AcknowledgementStatus = ACCEPTED, number: int = -1, key: Private | None = None) -> str:
        """The signature over one of the messages that came."""
        signer = key or self.key
        assert signer is not None
        return sign_acknowledgement(self.messages()[number], status.value, signer, self.service.clock.at)


@dataclass
class Hotline:
    """The hotline's own people."""

    service: Service

    async def questions(self, state: QuestionState | None = None) -> list[Standing]:
        """The questions there are, newest first."""
        page = await self.service.database.write(
            lambda tx: stories.list_questions(tx, self.service.desk, INTAKE, state, None, 200)
        )
        return list(page.items)

    async def only(self) -> Standing:
        """The one question there is."""
        (one,) = await self.questions()
        return one

    async def read(self, question_id: str) -> Asked:
        """One question with its words."""
        return await self.service.database.write(
            lambda tx: stories.read_question(tx, self.service.desk, INTAKE, question_id)
        )

    async def answer(self, said: Statement = ANSWER, question_id: str | None = None) -> stories.Given:
        """Answer the one question that is open, or another."""
        if question_id is None:
            (one,) = await self.questions(QuestionState.OPEN)
            question_id = one.question.id
        about = question_id
        return await self.service.database.write(lambda tx: stories.answer(tx, self.service.desk, INTAKE, about, said))

    async def watch(self) -> int:
        """The chore that tells of silence."""
        return await self.service.database.write(lambda tx: watch_acknowledgements(tx, self.service.desk))

    async def notices(self, prefix: str = "") -> list[str]:
        """The reasons of the notices, in order."""
        rows = await self.service.rows("select reason from notices order by raised_at, id")
        return [row.reason for row in rows if row.reason.startswith(prefix)]


async def police(service: Service, key: Private | None = None, **changes: Any) -> Police:  # noqa: ANN401
    """A police agency in Texas; with a key it may sign with, if one is given."""
    kind = changes.pop("kind", LE)
    given = {"acknowledgement_key": None if key is None else public(key)} | changes
    enrolled = await service.enrol(agency(kind, **given))
    return Police(service, enrolled.recipient, key)


async def told(
    service: Service,
    record: Record | None = None,
    categories: tuple[Category, ...] = tuple(Category),
    kind: RecipientKind = LE,
) -> Given:
    """A record by an adult, her consent to tell such an agency these categories, and the disclosure delivered."""
    accepted = await service.accept(record or tip())
    whose = Whose(person_id=accepted.stored.persons[0])
    given = await service.consent(whose, grant(kind, categories=categories))
    await service.deliver()
    return given


TWO = tip(person("p1"), person("p2"))
"""Two adults; only the first of them is asked."""


def digest(body: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(body).hexdigest()


async def entries(service: Service, kind: str) -> list[Mapping[str, Any]]:
    """The bodies of the log's entries of a kind."""
    await service.sequencer.drain()
    rows = await service.rows('select kind, entry from log_entries order by "index"')
    return [json.loads(bytes(row.entry))["body"] for row in rows if row.kind == kind]
