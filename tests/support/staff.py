"""People of the staff who sign in, as tests tell their stories: invited, redeemed, at the door. All are fictional."""

import base64
from dataclasses import dataclass, field

from tests.support.service import CONFIRMER, OPERATOR, Service
from tiprouter.domain.accounts import AccountRole, SignInWay
from tiprouter.storage.accounts import Account, Holder
from tiprouter.storage.database import Transaction
from tiprouter.workflow import local_sign_in, one_time, people, signing_in
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.local_sign_in import Said
from tiprouter.workflow.passwords import Cost, Hasher
from tiprouter.workflow.people import Wanted
from tiprouter.workflow.signing_in import Opened

PASSWORD = "copper windows under slow rain"
HOME, ABROAD = "source-home", "source-abroad"
CHEAP = Cost(1, 1, 8)
"""Argon2id at its cheapest: what is tried here is who gets in, not how long a guess takes."""


@dataclass
class Member:
    """One person with an account, what they know and what they hold."""

    service: Service
    account: Account
    email: str
    secret: bytes
    recovery: tuple[str, ...]
    hasher: Hasher = field(default_factory=lambda: Hasher(CHEAP))

    def code(self, ahead: int = 0) -> str:
        """The code of this moment, or of `ahead` steps later."""
        return code_of(self.service, self.secret, ahead)

    async def sign_in(
        self, *, password: str = PASSWORD, code: str | None = None, recovery: str = "", source: str = HOME
    ) -> Opened:
        """Sign in as this person would."""
        said = Said(self.email, password, self.code() if code is None and not recovery else code or "", recovery)
        service = self.service
        return await local_sign_in.sign_in(service.database, service.desk, self.hasher, said, source)

    async def actor(self, opened: Opened) -> Actor | None:
        """Who a session's token says that it is, at this moment."""
        return await identified(self.service, opened.token)


async def identified(service: Service, token: str) -> Actor | None:
    """Who is signed in with a token, at this moment."""
    return await service.database.read(lambda tx: signing_in.identify(tx, token, service.clock()))


def code_of(service: Service, secret: bytes, ahead: int = 0) -> str:
    """The code of a secret at this moment, or `ahead` steps later."""
    return one_time.code_at(secret, int(service.clock().timestamp()) // one_time.STEP_SECONDS + ahead).decode()


async def invite(
    service: Service,
    email: str = "reviewer@hotline.example",
    role: AccountRole = AccountRole.REVIEWER,
    way: SignInWay = SignInWay.LOCAL,
    subject: tuple[str, str] | None = None,
    *,
    by: Actor = OPERATOR,
) -> tuple[Account, str]:
    """Invite somebody, confirmed by another operator where that is asked."""
    wanted = Wanted(role, way, Holder("Example Person", email), subject)

    def story(tx: Transaction) -> tuple[Account, str]:
        account, code = people.invite(tx, service.desk, by, wanted)
        return people.confirm(tx, service.desk, CONFIRMER, account.id) if account.waits else account, code

    return await service.database.write(story)


async def redeem(service: Service, invitation: str, password: str = PASSWORD) -> bytes:
    """Choose a password; the one-time secret."""
    offered = await local_sign_in.redeem(service.database, service.desk, Hasher(CHEAP), invitation, password, HOME)
    return base64.b32decode(offered.secret + "=" * (-len(offered.secret) % 8))


async def member(
    service: Service, email: str = "reviewer@hotline.example", role: AccountRole = AccountRole.REVIEWER
) -> Member:
    """Somebody who was invited, has redeemed it, and may sign in; a step has passed since."""
    return await joined(service, email, *await invite(service, email, role))


async def joined(service: Service, email: str, account: Account, invitation: str) -> Member:
    """Somebody who was invited redeems it."""
    secret = await redeem(service, invitation)
    confirming = code_of(service, secret)
    _, recovery = await service.database.write(
        lambda tx: local_sign_in.confirm(tx, service.desk, invitation, confirming, HOME)
    )
    service.clock.forward(seconds=one_time.STEP_SECONDS)
    return Member(service, account, email, secret, recovery)
