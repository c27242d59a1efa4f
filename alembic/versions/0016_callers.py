"""Callers: keys, clients, tokens, certificates."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

YEAR_MICROSECONDS = 365 * 86_400 * 1_000_000
CALLERS = sa.table("callers", sa.column("id"), sa.column("token_digest"), sa.column("created_at"))
KEYS = sa.table(
    "api_keys",
    *map(sa.column, ("prefix", "caller_id", "digest", "created_at", "expires_at")),
)


def upgrade() -> None:
    """Go up: a token from before becomes a key of its caller, found by its digest, good for a year from now."""
    before = list(op.get_bind().execute(sa.select(CALLERS)))
    with op.batch_alter_table("callers") as callers:
        callers.drop_constraint("uq_callers_token_digest", type_="unique")
        callers.drop_column("token_digest")
        callers.add_column(
            sa.Column(
                "label",
                sa.String(length=40),
                nullable=True,
                comment="what the operator calls it; a word of the operator's, about no person",
            )
        )
        callers.add_column(
            sa.Column("scopes", sa.JSON(), nullable=True, comment="null for everything that its role may use")
        )
        callers.add_column(
            sa.Column("jwks", sa.JSON(), nullable=True, comment="a client's public keys; null for who holds API keys")
        )
        callers.add_column(sa.Column("certificate_bound", sa.Boolean(), nullable=False, server_default=sa.false()))
    _keys()
    _tokens()
    if before:
        ends = time.time_ns() // 1_000 + YEAR_MICROSECONDS
        op.get_bind().execute(
            KEYS.insert(),
            [
                {
                    "prefix": row.id[-8:].lower(),
                    "caller_id": row.id,
                    "digest": row.token_digest,
                    "created_at": row.created_at,
                    "expires_at": ends,
                }
                for row in before
            ],
        )


def _keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("prefix", sa.String(length=8), nullable=False, comment="the part of the key that is shown"),
        sa.Column("caller_id", sa.String(length=40), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=True, comment="Argon2id of the secret, as a PHC string"),
        sa.Column(
            "digest", sa.String(length=64), nullable=True, comment="SHA-256 of a token from before keys had a prefix"
        ),
        sa.Column(
            "certificate",
            sa.String(length=43),
            nullable=True,
            comment="x5t#S256 of the certificate that must be shown with it",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_on", sa.BigInteger(), nullable=True, comment="midnight of the UTC day"),
        sa.ForeignKeyConstraint(["caller_id"], ["callers.id"], name=op.f("fk_api_keys_caller_id")),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
        comment="The secrets of callers; a rotation adds one and lets the others end.",
    )
    op.create_index(op.f("ix_api_keys_caller_id"), "api_keys", ["caller_id"])


def _tokens() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("caller_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=43), nullable=False, comment="thumbprint of the key that signed for it"),
        sa.Column("scopes", sa.JSON(), nullable=True, comment="null for everything that the client may use"),
        sa.Column(
            "certificate",
            sa.String(length=43),
            nullable=True,
            comment="x5t#S256 of the certificate that it is bound to",
        ),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["caller_id"], ["callers.id"], name=op.f("fk_access_tokens_caller_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_access_tokens")),
        comment="Access tokens of OAuth clients (RFC 6749), each for some minutes.",
    )
    op.create_index(op.f("ix_access_tokens_caller_id"), "access_tokens", ["caller_id"])
    op.create_index(op.f("ix_access_tokens_expires_at"), "access_tokens", ["expires_at"])
    op.create_table(
        "assertions",
        sa.Column("caller_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of its jti"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["caller_id"], ["callers.id"], name=op.f("fk_assertions_caller_id")),
        sa.PrimaryKeyConstraint("caller_id", "digest", name=op.f("pk_assertions")),
        comment="Client assertions that were used, until they would be refused for their age (RFC 7523).",
    )
    op.create_index(op.f("ix_assertions_expires_at"), "assertions", ["expires_at"])


def downgrade() -> None:
    """Go down: who has a token from before that has not ended keeps it; what was made since has nowhere to go."""
    alive = (KEYS.c.digest.is_not(None), KEYS.c.expires_at > time.time_ns() // 1_000)
    kept = list(op.get_bind().execute(sa.select(KEYS).where(*alive)))
    op.drop_table("assertions")
    op.drop_table("access_tokens")
    op.drop_table("api_keys")
    with op.batch_alter_table("callers") as callers:
        callers.add_column(sa.Column("token_digest", sa.String(length=64), nullable=True))
        for name in ("label", "scopes", "jwks", "certificate_bound"):
            callers.drop_column(name)
    for row in kept:
        op.get_bind().execute(CALLERS.update().where(CALLERS.c.id == row.caller_id).values(token_digest=row.digest))
    op.get_bind().execute(CALLERS.delete().where(CALLERS.c.token_digest.is_(None)))
    with op.batch_alter_table("callers") as callers:
        callers.alter_column("token_digest", existing_type=sa.String(length=64), nullable=False)
        callers.create_unique_constraint("uq_callers_token_digest", ["token_digest"])
