"""People who sign in, and their sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

LIVE = sa.text("ended_at IS NULL")
HASH = sa.String(length=64)
ID = sa.String(length=40)


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("way", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("name_index", HASH, comment="blind index of what the person types; null once ended"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="name and address"),
        sa.Column("subject_index", HASH, comment="blind index of issuer and subject, once bound"),
        sa.Column("wanted_subject", HASH, comment="the one that the operator named, if any"),
        sa.Column("invitation", HASH, comment="SHA-256 of the invitation, until it is redeemed"),
        sa.Column("invited_until", sa.BigInteger(), nullable=False),
        sa.Column("invited_by", ID, nullable=False),
        sa.Column("password", sa.LargeBinary(), comment="sealed Argon2id hash"),
        sa.Column("one_time", sa.LargeBinary(), comment="sealed secret of one-time codes"),
        sa.Column("step", sa.BigInteger(), nullable=False, comment="the last time step whose code was used"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_on", sa.BigInteger(), comment="the day, at midnight UTC, of the last request"),
        sa.CheckConstraint(
            "role IN ('reviewer', 'auditor', 'operator', 'counsel', 'custodian')",
            name=op.f("ck_accounts_role_known"),
        ),
        sa.CheckConstraint("way IN ('local', 'oidc')", name=op.f("ck_accounts_way_known")),
        sa.CheckConstraint(
            "state IN ('invited', 'active', 'suspended', 'ended')", name=op.f("ck_accounts_state_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name_index", name=op.f("uq_accounts_name_index")),
        sa.UniqueConstraint("subject_index", name=op.f("uq_accounts_subject_index")),
        sa.UniqueConstraint("invitation", name=op.f("uq_accounts_invitation")),
        comment="People who may sign in.",
    )
    op.create_table(
        "recovery_codes",
        sa.Column("digest", HASH, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_recovery_codes_account_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_recovery_codes")),
        comment="Codes for who has no one-time codes any more; each goes when it is used.",
    )
    op.create_index(op.f("ix_recovery_codes_account_id"), "recovery_codes", ["account_id"])
    op.create_table(
        "sessions",
        sa.Column("id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("token_digest", HASH, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_sessions_token_digest")),
        comment="Who is signed in.",
    )
    op.create_index(op.f("ix_sessions_started_at"), "sessions", ["started_at"])
    op.create_index("ix_sessions_live", "sessions", ["account_id"], sqlite_where=LIVE, postgresql_where=LIVE)
    op.create_table(
        "sign_in_lanes",
        sa.Column("key", sa.String(length=120), nullable=False, comment="the lane and blind indexes"),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_lanes")),
        comment="Tries to sign in, counted.",
    )
    op.create_index(op.f("ix_sign_in_lanes_last_at"), "sign_in_lanes", ["last_at"])
    op.create_table(
        "sign_in_sources",
        sa.Column("account_id", ID, nullable=False),
        sa.Column("source", HASH, nullable=False, comment="blind index of a network address"),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_sign_in_sources_account_id")),
        sa.PrimaryKeyConstraint("account_id", "source", name=op.f("pk_sign_in_sources")),
        comment="From where accounts signed in before.",
    )
    op.create_index(op.f("ix_sign_in_sources_last_at"), "sign_in_sources", ["last_at"])
    op.create_table(
        "oidc_rounds",
        sa.Column("state", HASH, nullable=False, comment="SHA-256 of what goes to the provider and comes back"),
        sa.Column("holder", HASH, nullable=False, comment="SHA-256 of the secret of who began"),
        sa.Column("browser", sa.Boolean(), nullable=False, comment="whether the browser that began must bring it back"),
        sa.Column("invitation", HASH, comment="the invitation to redeem, as the account has it"),
        sa.Column("session_id", ID, comment="the session that is to be made fresh"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("returned_at", sa.BigInteger(), comment="when the provider sent the person back"),
        sa.Column("account_id", ID, comment="who came back, for who waits in a terminal"),
        sa.Column("verified_at", sa.BigInteger(), comment="when the provider says that they showed who they are"),
        sa.Column("handover", HASH, comment="SHA-256 of the code that the person carries to the terminal"),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_oidc_rounds")),
        sa.UniqueConstraint("holder", name=op.f("uq_oidc_rounds_holder")),
        comment="Sign-ins by way of an identity provider that are under way.",
    )
    op.create_index(op.f("ix_oidc_rounds_expires_at"), "oidc_rounds", ["expires_at"])


def downgrade() -> None:
    """Go down."""
    for name in ("oidc_rounds", "sign_in_sources", "sign_in_lanes", "sessions", "recovery_codes", "accounts"):
        op.drop_table(name)
