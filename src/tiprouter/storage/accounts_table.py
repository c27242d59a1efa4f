"""Which tables hold who may sign in, their sessions, and what was tried?

Names and addresses of the staff, password hashes and one-time secrets are sealed under a data key of each account.
Names tried, network addresses and subjects of identity providers are kept as blind indexes alone; tokens, invitations
and recovery codes, each of 128 random bits or more, as SHA-256.
"""

import sqlalchemy as sa

from tiprouter.domain.accounts import AccountRole, AccountState, Carrier, SignInWay
from tiprouter.storage.columns import Id, Moment, metadata, one_of

_Hash = sa.String(64)
_LIVE = sa.text("ended_at IS NULL")
_LABELLED = sa.text("length(sealed) > 0 AND state IN ('invited', 'ended')")

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("way", sa.String(8), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("name_index", _Hash, unique=True, comment="blind index of what the person types; null once ended"),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="name and address"),
    sa.Column("subject_index", _Hash, unique=True, comment="blind index of issuer and subject, once bound"),
    sa.Column("wanted_subject", _Hash, comment="the one that the operator named, if any"),
    sa.Column("invitation", _Hash, unique=True, comment="SHA-256 of the invitation, until it is redeemed"),
    sa.Column("invited_until", Moment, nullable=False),
    sa.Column("invited_by", Id, nullable=False),
    sa.Column("password", sa.LargeBinary, comment="sealed Argon2id hash"),
    sa.Column("one_time", sa.LargeBinary, comment="sealed secret of one-time codes"),
    sa.Column("step", sa.BigInteger, nullable=False, comment="the last time step whose code was used"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("seen_on", Moment, comment="the day, at midnight UTC, of the last request"),
    sa.Column("waits", sa.Boolean, nullable=False, server_default=sa.false(), comment="for another person's word"),
    sa.Column("redeemed_at", Moment, comment="when its holder first had it; null before, and if nobody wrote it down"),
    sa.Index("ix_accounts_labelled", "invited_until", sqlite_where=_LABELLED, postgresql_where=_LABELLED),
    one_of("role", AccountRole),
    one_of("way", SignInWay),
    one_of("state", AccountState),
    comment="People who may sign in.",
)

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("digest", _Hash, primary_key=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id"), nullable=False, index=True),
    comment="Codes for who has no one-time codes any more; each goes when it is used.",
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id"), nullable=False),
    sa.Column("token_digest", _Hash, nullable=False, unique=True),
    sa.Column("started_at", Moment, nullable=False, index=True),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Column("verified_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
    sa.Column("carrier", sa.String(8), comment="browser or program; null for sessions from before it was kept"),
    one_of("carrier", Carrier),
    sa.Index("ix_sessions_live", "account_id", sqlite_where=_LIVE, postgresql_where=_LIVE),
    comment="Who is signed in.",
)

sign_in_lanes = sa.Table(
    "sign_in_lanes",
    metadata,
    sa.Column("key", sa.String(120), primary_key=True, comment="the lane and blind indexes"),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", Moment, nullable=False, index=True),
    sa.Column("next_at", Moment, nullable=False),
    comment="Tries to sign in, counted.",
)

sign_in_sources = sa.Table(
    "sign_in_sources",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("source", _Hash, primary_key=True, comment="blind index of a network address"),
    sa.Column("last_at", Moment, nullable=False, index=True),
    comment="From where accounts signed in before.",
)

oidc_rounds = sa.Table(
    "oidc_rounds",
    metadata,
    sa.Column("state", _Hash, primary_key=True, comment="SHA-256 of what goes to the provider and comes back"),
    sa.Column("holder", _Hash, nullable=False, unique=True, comment="SHA-256 of the secret of who began"),
    sa.Column("browser", sa.Boolean, nullable=False, comment="whether the browser that began must bring it back"),
    sa.Column("invitation", _Hash, comment="the invitation to redeem, as the account has it"),
    sa.Column("session_id", Id, comment="the session that is to be made fresh"),
    sa.Column("expires_at", Moment, nullable=False, index=True),
    sa.Column("returned_at", Moment, comment="when the provider sent the person back"),
    sa.Column("account_id", Id, comment="who came back, for who waits in a terminal"),
    sa.Column("verified_at", Moment, comment="when the provider says that they showed who they are"),
    sa.Column("handover", _Hash, comment="SHA-256 of the code that the person carries to the terminal"),
    comment="Sign-ins by way of an identity provider that are under way.",
)
