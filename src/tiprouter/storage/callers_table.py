"""Which tables hold machine callers: their keys, their public keys, their access tokens?

No column holds a token or a secret: of an API key its Argon2id verifier is kept, of everything with 256 random bits and
a short life its SHA-256.
"""

import sqlalchemy as sa

from tiprouter.storage.columns import Id, Moment, metadata

callers = sa.Table(
    "callers",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("recipient_id", Id, comment="the agency it belongs to; null for the hotline's own"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("revoked_at", Moment),
    sa.Column("label", sa.String(40), comment="what the operator calls it; a word of the operator's, about no person"),
    sa.Column("scopes", sa.JSON(none_as_null=True), comment="null for everything that its role may use"),
    sa.Column("jwks", sa.JSON(none_as_null=True), comment="a client's public keys; null for who holds API keys"),
    sa.Column("certificate_bound", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("holder_id", Id, comment="the account of the person in whose hands it is; null for nobody in particular"),
    sa.Column("made_by", Id, comment="the person who made it; null where nobody knows any more"),
    sa.Column("waits", sa.Boolean, nullable=False, server_default=sa.false(), comment="for another person's word"),
    sa.Column("next_jwks", sa.JSON(none_as_null=True), comment="public keys that wait for another person's word"),
    sa.Column("next_by", Id, comment="the person who gave those"),
    sa.Column("next_at", Moment, comment="when they did"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("prefix", sa.String(8), primary_key=True, comment="the part of the key that is shown"),
    sa.Column("caller_id", Id, sa.ForeignKey("callers.id"), nullable=False, index=True),
    sa.Column("verifier", sa.String(128), comment="Argon2id of the secret, as a PHC string"),
    sa.Column("digest", sa.String(64), unique=True, comment="SHA-256 of a token from before keys had a prefix"),
    sa.Column("certificate", sa.String(43), comment="x5t#S256 of the certificate that must be shown with it"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("last_used_on", Moment, comment="midnight of the UTC day"),
    sa.Column("made_by", Id, comment="the person who made it and saw its secret"),
    sa.Column("waits", sa.Boolean, nullable=False, server_default=sa.false(), comment="for another person's word"),
    sa.Column("overlap_days", sa.Integer, comment="how long the others stay good once that is said"),
    comment="The secrets of callers; a rotation adds one and lets the others end.",
)

access_tokens = sa.Table(
    "access_tokens",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("caller_id", Id, sa.ForeignKey("callers.id"), nullable=False, index=True),
    sa.Column("key", sa.String(43), nullable=False, comment="thumbprint of the key that signed for it"),
    sa.Column("scopes", sa.JSON(none_as_null=True), comment="null for everything that the client may use"),
    sa.Column("certificate", sa.String(43), comment="x5t#S256 of the certificate that it is bound to"),
    sa.Column("issued_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False, index=True),
    comment="Access tokens of OAuth clients (RFC 6749), each for some minutes.",
)

assertions = sa.Table(
    "assertions",
    metadata,
    sa.Column("caller_id", Id, sa.ForeignKey("callers.id"), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True, comment="SHA-256 of its jti"),
    sa.Column("expires_at", Moment, nullable=False, index=True),
    comment="Client assertions that were used, until they would be refused for their age (RFC 7523).",
)
