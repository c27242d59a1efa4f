"""How were docs/vectors/webhooks.json made? `python -m tests.receiver.making_vectors` writes it again.

Only what a vector's name says is wrong with it. All keys are published here and good for nothing else.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from joserfc.jwk import ECKey, OKPKey, RSAKey

from tiprouter.delivery.encryption import PublicKey, encrypt, parse_key
from tiprouter.delivery.signing import SigningSecret, generate_ed25519, generate_hmac, headers
from tiprouter.domain.redaction import reopen

FILE = Path(__file__).parents[2] / "docs" / "vectors" / "webhooks.json"
ID, RECIPIENT, SENT_AT = "dlv_01EXAMPLE0000000000000000A", "rcp_01EXAMPLE0000000000000000A", 1_893_553_445
BODY = b'{"type":"disclosure.made","timestamp":"2030-01-02T03:04:05Z","data":{"note":"fictional \xc3\xa9"}}'
HMAC = generate_hmac(bytes(range(24)))
NEXT_HMAC = generate_hmac(bytes(range(24, 56)))
ED25519 = generate_ed25519(bytes(range(32)))
V1, NEXT_V1, V1A = HMAC.reveal(), NEXT_HMAC.reveal(), ED25519.public()
SIGNATURE = headers(ID, SENT_AT, BODY, [HMAC])["webhook-signature"]


@dataclass(frozen=True)
class Vector:
    """A request and what to make of it; `changed` and `headers` replace what was signed."""

    name: str
    secrets: Sequence[SigningSecret] = (HMAC,)
    keys: Sequence[str] = (V1,)
    accepted: bool = False
    signed: bytes = BODY
    changed: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    now: int = SENT_AT
    private_keys: Sequence[Mapping[str, object]] = ()
    recipient_id: str = ""

    def as_json(self) -> dict[str, object]:
        """Return it as the file has it."""
        body = self.signed if self.changed is None else self.changed
        told: dict[str, object] = {
            "name": self.name,
            "expect": "accepted" if self.accepted else "refused",
            "now": self.now,
            "headers": headers(ID, SENT_AT, self.signed, self.secrets) | dict(self.headers),
            "body_base64": base64.b64encode(body).decode(),
            "body": body.decode(),
            "keys": list(self.keys),
        }
        if self.private_keys:
            told |= {"private_keys": list(self.private_keys), "recipient_id": self.recipient_id}
        if self.private_keys and self.accepted:
            told["content"] = BODY.decode()
        return told


def signed() -> list[Vector]:
    """Return the vectors without encryption."""
    right, wrong = Vector("v1", accepted=True), Vector("")
    lower = BODY.replace(b"fictional", b"fictionaL")
    return [
        right,
        replace(right, name="v1a", secrets=[ED25519], keys=[V1A]),
        replace(right, name="v1 and v1a, verified by the first", secrets=[HMAC, ED25519]),
        replace(right, name="v1 and v1a, verified by the second", secrets=[HMAC, ED25519], keys=[V1A]),
        replace(right, name="rotated, the receiver has the old key", secrets=[NEXT_HMAC, HMAC]),
        replace(right, name="rotated, the receiver has the new key", secrets=[NEXT_HMAC, HMAC], keys=[NEXT_V1]),
        replace(right, name="rotated, the receiver has both", secrets=[NEXT_HMAC], keys=[V1, NEXT_V1]),
        replace(right, name="an unknown version before it", headers={"webhook-signature": f"v9,AAAA {SIGNATURE}"}),
        replace(right, name="five minutes late", now=SENT_AT + 300),
        replace(right, name="five minutes early", now=SENT_AT - 300),
        replace(right, name="an empty body", signed=b""),
        replace(wrong, name="expired: five minutes and a second late", now=SENT_AT + 301),
        replace(wrong, name="from the future: five minutes and a second early", now=SENT_AT - 301),
        replace(wrong, name="tampered body", changed=lower),
        replace(wrong, name="tampered body, v1a", changed=lower, secrets=[ED25519], keys=[V1A]),
        replace(wrong, name="a byte more", changed=BODY + b"\n"),
        replace(wrong, name="wrong id", headers={"webhook-id": ID[:-1] + "B"}),
        replace(wrong, name="wrong timestamp", headers={"webhook-timestamp": str(SENT_AT + 1)}),
        replace(wrong, name="wrong key", keys=[NEXT_V1]),
        replace(wrong, name="v1 relabelled v1a", keys=[V1A], headers={"webhook-signature": "v1a" + SIGNATURE[2:]}),
        replace(wrong, name="a public key is no shared one", secrets=[_public_as_shared()], keys=[V1A]),
        replace(wrong, name="another spelling of the number", headers={"webhook-timestamp": f"0{SENT_AT}"}),
        replace(wrong, name="too much padding", headers={"webhook-signature": SIGNATURE + "="}),
        replace(wrong, name="no signature", headers={"webhook-signature": ""}),
        replace(wrong, name="a full stop in the id", headers={"webhook-id": f"{ID}.1"}),
    ]


def encrypted() -> list[Vector]:
    """Return the vectors with encryption; each making differs, as JWE wants randomness."""
    now = datetime.fromtimestamp(SENT_AT, UTC)
    redacted = reopen(BODY, hashlib.sha256(BODY).hexdigest())
    keys: dict[str, PublicKey] = {
        "X25519": OKPKey.generate_key("X25519"),
        "P-256": ECKey.generate_key("P-256"),
        "RSA-2048": RSAKey.generate_key(2048),
    }
    base = Vector("", secrets=[ED25519], keys=[V1A], recipient_id=RECIPIENT)
    made: list[Vector] = []
    for kind, key in keys.items():
        public = json.dumps({**key.as_dict(private=False), "kid": f"example-{kind}"})
        body = encrypt(redacted, parse_key(public, now), recipient_id=RECIPIENT, webhook_id=ID).body
        opens = [{**key.as_dict(private=True), "kid": f"example-{kind}"}]
        right = replace(base, name=f"JWE to {kind}", accepted=True, signed=body, private_keys=opens)
        made += [
            right,
            replace(right, name=f"JWE to {kind}, by another recipient", accepted=False, recipient_id="rcp_b"),
        ]
    first = replace(made[0], accepted=False)
    wrong = [{**OKPKey.generate_key("X25519").as_dict(private=True), "kid": "example-X25519"}]
    tampered = first.signed[:-4] + (b"AAAA" if first.signed[-4:] != b"AAAA" else b"BBBB")
    return [
        *made,
        replace(first, name="JWE, with another private key", private_keys=wrong),
        replace(first, name="JWE, with another tag, rightly signed", signed=tampered),
        replace(first, name="plain where a JWE is expected", signed=BODY),
    ]


def _public_as_shared() -> SigningSecret:
    return generate_hmac(base64.b64decode(V1A.removeprefix("whpk_")))


def main() -> None:
    """Write the file."""
    about = (
        "Standard Webhooks 1.0 as tiprouter sends it; README.md beside this file says how to use it. Use no key of it."
    )
    vectors = [vector.as_json() for vector in (*signed(), *encrypted())]
    whole = {"about": about, "tolerance_seconds": 300, "vectors": vectors}
    FILE.write_text(json.dumps(whole, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
