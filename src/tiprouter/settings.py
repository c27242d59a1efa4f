"""How is this service set up?

Every setting is an environment variable `TIPROUTER_...`; the command line may override some. `docs/operations.md` lists
them all, and a test holds that list and this page equal. Nothing here is secret: keys live in files.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65_535)]
Days = Annotated[int, Field(le=36_500)]
AS_RECORDS = -1
PagedBy = Annotated[str, Field(pattern="^(webhook|email|both|none)$")]


class Settings(BaseSettings):
    """The service's settings, each with what it means."""

    model_config = SettingsConfigDict(env_prefix="TIPROUTER_", extra="forbid", frozen=True)

    data: Path = Field(default=Path("var"), description="folder for the embedded database, keys and the log's files")
    database_url: str = Field(
        default="",
        pattern=r"^(sqlite:///.+|postgresql\+asyncpg://.+)?$",
        description="`postgresql+asyncpg://USER@HOST:PORT/NAME`, a PostgreSQL; empty means SQLite in the data folder",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=8080, description="port to listen on; 0 takes a free one")
    bundle: str = Field(
        default="survivor-led",
        description="the policy bundle of an empty service: a shipped one's name, or a folder; later ones are approved",
    )
    sandbox: bool = Field(
        default=False, description="fictional data only: disclosures may go to http on loopback, and nowhere else"
    )
    log_origin: str = Field(
        default="tiprouter.example/audit", description="origin of the audit log, a URL without scheme that you own"
    )
    log_witnesses: str = Field(
        default="",
        description="witnesses asked to cosign the log: each its URL, a space and its verifier key, commas between",
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="least level of what is logged"
    )
    body_bytes_max: int = Field(default=262_144, ge=1_024, description="largest request body, in bytes")
    metrics_host: str = Field(default="127.0.0.1", description="address on which metrics are answered")
    metrics_port: Port = Field(default=0, description="port for metrics in Prometheus' format; 0 answers nowhere")
    head_seconds: float = Field(
        default=10.0, gt=0, le=600, description="seconds in which a caller must have sent a request's head"
    )
    body_seconds: float = Field(
        default=30.0, gt=0, le=3_600, description="seconds in which a caller must have sent a body, or taken an answer"
    )
    production: bool = Field(
        default=False,
        description="refuse to start where `tiprouter doctor --production` fails: what is unsafe for real data",
    )
    public_url: str = Field(
        default="",
        description="the URL under which callers reach this service, https for real data; empty means that nobody says",
    )
    allowed_hosts: str = Field(
        default="",
        description="host names answered for, with commas between; empty means the public URL's, or any without one",
    )
    hsts_subdomains: bool = Field(
        default=False,
        description="ask browsers to keep to https below the public URL's host too; set it where all of them are yours",
    )
    trusted_proxies: str = Field(
        default="",
        description="proxies whose X-Forwarded-* and Client-Cert are believed: addresses, CIDR blocks; commas between",
    )
    tls_certificate_file: str = Field(
        default="",
        description="file (PEM, with its chain) of the certificate to speak TLS with; empty leaves TLS to a proxy",
    )
    tls_key_file: str = Field(default="", description="file (PEM, mode 0600) of that certificate's private key")
    tls_client_authorities_file: str = Field(
        default="",
        description="file of the authorities (PEM) whose client certificates callers may show; empty asks for none",
    )
    reads_per_minute: int = Field(
        default=6_000, ge=0, le=6_000_000, description="reads a minute by one credential in one process; 0 is no limit"
    )
    writes_per_minute: int = Field(
        default=3_000,
        ge=0,
        le=6_000_000,
        description="writes a minute by one credential in one process, withdrawals exempt; 0 is no limit",
    )
    strangers_per_minute: int = Field(
        default=6_000,
        ge=0,
        le=6_000_000,
        description="requests a minute without a credential from one address (IPv6: /64) in one process; 0 is no limit",
    )
    attempts_per_minute: int = Field(
        default=300,
        ge=0,
        le=6_000_000,
        description="invalid credentials and sign-ins a minute from one address (IPv6: /64), by process; 0 is no limit",
    )
    in_flight_max: int = Field(
        default=256,
        ge=0,
        le=65_536,
        description="requests worked on at once in one process; withdrawals and immediate danger exempt; 0 is no limit",
    )
    in_flight_intake_percent: int = Field(
        default=25, ge=0, le=90, description="percent of them that only writes of the intake may be"
    )
    places: int = Field(default=64, ge=1, le=4_096, description="attempts in flight at once in one process")
    places_each: int = Field(
        default=8,
        ge=1,
        le=1_024,
        description="attempts in flight at once to one recipient, and as many again of what is imminent",
    )
    places_imminent_percent: int = Field(
        default=10, ge=0, le=20, description="percent of the places kept for first attempts of imminent danger"
    )
    places_again_percent: int = Field(
        default=10, ge=0, le=20, description="percent of the places kept for retries of imminent danger"
    )
    places_first_percent: int = Field(
        default=25, ge=0, le=40, description="percent of the places kept for first attempts of everything else"
    )
    places_retry_percent: int = Field(
        default=10, ge=0, le=20, description="percent of the places kept for retries of everything else"
    )
    rate_each: int = Field(
        default=6_000,
        ge=0,
        le=6_000_000,
        description="attempts a minute to one recipient by all processes, imminent danger exempt; 0 is no limit",
    )
    page_webhook_url: str = Field(
        default="", description="the operator's own webhook, to which notices are paged; empty means none"
    )
    page_webhook_secret_file: str = Field(
        default="",
        description="file (mode 0600) of the webhook's signing secrets, one `whsec_...` or `whsk_...` a line",
    )
    page_webhook_networks: str = Field(
        default="", description="private networks that the webhook may be in, as CIDR blocks with commas between"
    )
    page_smtp_host: str = Field(default="", description="mail server for pages by e-mail; empty means none")
    page_smtp_port: Port = Field(default=587, description="port of the mail server")
    page_smtp_security: str = Field(
        default="starttls",
        pattern="^(starttls|tls|none)$",
        description="`starttls`, `tls` (from the first byte, often port 465), or `none` (mail server on loopback only)",
    )
    page_smtp_user: str = Field(default="", description="user at the mail server; empty means no login")
    page_smtp_password_file: str = Field(default="", description="file (mode 0600) of that user's password")
    page_mail_from: str = Field(default="", description="address that pages by e-mail come from")
    page_mail_to: str = Field(default="", description="addresses that they go to, with commas between")
    page_mails_max: int = Field(
        default=10, ge=1, le=1_000, description="routine pages by e-mail in one minute; more are folded into one digest"
    )
    page_imminent: PagedBy = Field(
        default="both", description="what pages imminent notices: `webhook`, `email`, `both` or `none`"
    )
    page_urgent: PagedBy = Field(
        default="both", description="what pages urgent notices: `webhook`, `email`, `both` or `none`"
    )
    page_routine: PagedBy = Field(
        default="both", description="what pages routine notices: `webhook`, `email`, `both` or `none`"
    )
    verify_endpoints: str = Field(
        default="live",
        pattern="^(always|live|never)$",
        description="endpoints prove themselves before they get disclosures: `always`, `live` (in no sandbox), `never`",
    )
    confirm_after_minutes: int = Field(
        default=10, ge=1, le=10_080, description="minutes before a person may confirm a grant that widens"
    )
    retention_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="days after which the content of what is closed and not held is erased; 0 keeps it",
    )
    retention_tip_days: Days = Field(
        default=AS_RECORDS, ge=-1, description="the same for tips; -1 is as TIPROUTER_RETENTION_DAYS says"
    )
    retention_case_days: Days = Field(
        default=AS_RECORDS, ge=-1, description="the same for cases; -1 is as TIPROUTER_RETENTION_DAYS says"
    )
    retention_consent_days: Days = Field(
        default=365, ge=0, description="days after their end for consents of persons whom no record names; 0 keeps them"
    )
    retention_answer_days: Days = Field(
        default=30, ge=0, description="days for answers kept under an Idempotency-Key; 0 keeps them"
    )
    retention_snippet_days: Days = Field(
        default=90, ge=0, description="days for the first bytes of what endpoints answered; 0 keeps them"
    )
    retention_notice_days: Days = Field(
        default=365, ge=0, description="days for pages, and for what was said of notices to persons; 0 keeps them"
    )
    retention_accounting_days: Days = Field(
        default=2_192,
        ge=0,
        description="days for the accounting of disclosures of erased records, 2192 (six years) at least; 0 keeps it",
    )
    retention_account_days: Days = Field(
        default=2_192, ge=0, description="days for whose an account was that nobody can use; 0 keeps it"
    )
    transparency_threshold: int = Field(
        default=11, ge=2, le=1_000, description="least count that the public tables tell; zeros are told"
    )

    key_provider: str = Field(
        default="file",
        pattern="^(file|environment|vault|aws-kms|pkcs11)$",
        description="where the key-encryption key is: `file`, `environment`, `vault`, `aws-kms` or `pkcs11`",
    )
    key_providers_former: str = Field(
        default="", description="key providers that still open what they wrapped before, with commas between"
    )
    key_seconds: float = Field(
        default=3.0, gt=0, le=30, description="seconds in which a key service must have answered, retries included"
    )
    vault_url: str = Field(default="", description="URL of HashiCorp Vault, for the key provider `vault`")
    vault_mount: str = Field(default="transit", description="path at which Vault's Transit engine is mounted")
    vault_key: str = Field(default="tiprouter", description="name of the Transit key (type aes256-gcm96)")
    vault_namespace: str = Field(default="", description="namespace in Vault; empty means none")
    vault_token_file: str = Field(default="", description="file (mode 0600) of a token for Vault; or else an AppRole")
    vault_role_id: str = Field(default="", description="role id of an AppRole of Vault; empty means a token")
    vault_secret_id_file: str = Field(default="", description="file (mode 0600) of that AppRole's secret id")
    vault_ca_file: str = Field(
        default="", description="file of the authorities that Vault's certificate is from; empty means the system's"
    )
    kms_keys: str = Field(
        default="", description="ARNs of AWS KMS keys, with commas between; the first wraps, the others open"
    )
    kms_endpoint: str = Field(default="", description="URL of the KMS endpoint; empty means AWS's own in that region")
    pkcs11_module: str = Field(default="", description="file of the PKCS#11 library, for the key provider `pkcs11`")
    pkcs11_token: str = Field(default="", description="label of the token that the keys are in")
    pkcs11_pin_file: str = Field(default="", description="file (mode 0600) of the token's user PIN")
    pkcs11_key: str = Field(default="tiprouter-kek", description="label of the keys in the token; `-1`, `-2` follow it")

    oidc_issuer: str = Field(default="", description="issuer URL of the identity provider; empty means none")
    oidc_client_id: str = Field(default="", description="what this service is called at the identity provider")
    oidc_client_secret_file: str = Field(
        default="", description="file (mode 0600) of the client secret at the identity provider"
    )
    oidc_client_key_file: str = Field(
        default="",
        description="file (mode 0600) of a private key in PEM, to sign in its place (private_key_jwt); EC P-256 or RSA",
    )
    oidc_acr: str = Field(
        default="", description="how people must have signed in there: one of these `acr` values, with commas between"
    )

    @property
    def bundle_path(self) -> Path | None:
        """The bundle's folder, when the setting is a path rather than a shipped name."""
        return Path(self.bundle) if "/" in self.bundle else None

    @property
    def hosts(self) -> frozenset[str]:
        """The host names that are answered for; none means any."""
        named = {one.strip().lower() for one in self.allowed_hosts.split(",")} - {""}
        own = urlsplit(self.public_url).hostname
        return frozenset(named or ({own} if own else ()))

    @property
    def https(self) -> bool:
        """Whether callers reach the service by https."""
        return self.public_url.startswith("https://") or bool(self.tls_certificate_file)

    @property
    def verifies(self) -> bool:
        """Whether endpoints prove themselves before they are sent disclosures."""
        return self.verify_endpoints == "always" or (self.verify_endpoints == "live" and not self.sandbox)

    @property
    def places_kept(self) -> dict[str, int]:
        """Percent of the places that each lane keeps, by its name."""
        return {
            "imminent": self.places_imminent_percent,
            "again": self.places_again_percent,
            "first": self.places_first_percent,
            "retry": self.places_retry_percent,
        }

    @property
    def retained_days(self) -> dict[str, int]:
        """Days for which each class of record is kept, by its name; 0 is for ever."""
        records = {"tip": self.retention_tip_days, "case": self.retention_case_days}
        return {name: self.retention_days if days == AS_RECORDS else days for name, days in records.items()} | {
            "consent": self.retention_consent_days,
            "answer": self.retention_answer_days,
            "snippet": self.retention_snippet_days,
            "notice": self.retention_notice_days,
            "accounting": self.retention_accounting_days,
            "account": self.retention_account_days,
        }

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data.resolve() / 'tiprouter.db'}"

    @property
    def key_file(self) -> Path:
        """The key-encryption key."""
        return self.data / "keys" / "kek"

    @property
    def log_folder(self) -> Path:
        """The log's copy outside the database."""
        return self.data / "log"
