"""Key providers, rules 1 to 4: each wraps, binds, opens, refuses and rotates on something real, all in the same way."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.keys import NAMES, encoded, key_provider, kms, new_kms_key, private, softhsm
from tests.support.transit import ROLE, SECRET, Engine, transit
from tiprouter.errors import ConfigurationError
from tiprouter.storage.key_providers import KeyProvider, KeysUnavailableError, UnwrapError, Wrapped
from tiprouter.storage.key_providers.aws import AwsKeyProvider
from tiprouter.storage.key_providers.environment import EnvironmentKeyProvider
from tiprouter.storage.key_providers.file import FileKeyProvider
from tiprouter.storage.key_providers.hsm import HsmKeyProvider, TokenAccess
from tiprouter.storage.key_providers.memory import KeyMemory
from tiprouter.storage.key_providers.resting import REST_SECONDS, Resting
from tiprouter.storage.key_providers.transit import TransitAccess, TransitKeyProvider
from tiprouter.storage.tables import data_keys

KEY = os.urandom(32)
BINDING = {"vault", "aws-kms"}
ROTATING = {"file", "vault", "pkcs11"}

Kept = tuple[str, KeyProvider, Callable[[], KeyProvider]]


@pytest.fixture(params=NAMES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """Each provider: its name, it, and what opens another one on the same keys."""
    with key_provider(request.param, tmp_path) as (provider, another):
        yield request.param, provider, another


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A Transit engine."""
    with transit() as running:
        yield running


def reached(engine: Engine, folder: Path, seconds: float = 2.0) -> TransitKeyProvider:
    """A provider with the engine's token."""
    token = private(folder / "token", "example-token\n")
    return TransitKeyProvider(TransitAccess(engine.url, "tiprouter", token_file=token, seconds=seconds))


def test_what_is_wrapped_opens_in_another_process_and_shows_nothing(kept: Kept) -> None:
    """Rule 1: the same bytes come back, the wrapped ones do not hold them, and the id fits its column."""
    _, provider, another = kept
    wrapped = provider.wrap(KEY, "tip_1")
    assert KEY not in wrapped.data
    assert len(wrapped.kek_id) <= (data_keys.c.kek_id.type.length or 0)  # type: ignore[attr-defined]  # it is a String
    assert provider.ids()[-1] == wrapped.kek_id
    assert another().unwrap(wrapped, "tip_1") == KEY


def test_a_wrapped_key_that_was_changed_does_not_open(kept: Kept) -> None:
    """Rule 3: every changed byte and every cut is `UnwrapError`, and not an outage; what is whole still opens then."""
    name, provider, _ = kept
    wrapped = provider.wrap(KEY, "tip_1")
    begins = 40 if name == "aws-kms" else 0  # moto writes the key's id before what is sealed, and reads it back
    places = range(begins, len(wrapped.data), 1 + len(wrapped.data) // 24)
    changed = [wrapped.data[:at] + bytes([wrapped.data[at] ^ 1]) + wrapped.data[at + 1 :] for at in places]
    for data in (*changed, wrapped.data[:-1]):
        with pytest.raises(UnwrapError):
            provider.unwrap(Wrapped(wrapped.kek_id, data), "tip_1")
    assert provider.unwrap(wrapped, "tip_1") == KEY


def test_a_wrapped_key_is_bound_to_its_owner_where_the_provider_can(kept: Kept) -> None:
    """Rule 2: additional data and encryption context; key wrap has none, and the seals are bound anyhow."""
    name, provider, _ = kept
    wrapped = provider.wrap(KEY, "tip_1")
    if name in BINDING:
        with pytest.raises(UnwrapError):
            provider.unwrap(wrapped, "tip_2")
    else:
        assert provider.unwrap(wrapped, "tip_2") == KEY


def test_another_providers_id_is_not_opened(kept: Kept) -> None:
    """Nobody claims what is not theirs, and a forged id of the right shape opens nothing."""
    _, provider, _ = kept
    wrapped = provider.wrap(KEY, "tip_1")
    assert provider.opens(wrapped.kek_id)
    assert not provider.opens("0123456789abcdef")
    with pytest.raises(UnwrapError):
        provider.unwrap(Wrapped(f"{wrapped.kek_id}9", wrapped.data), "tip_1")


def test_after_a_rotation_the_new_key_wraps_and_the_old_one_opens(kept: Kept) -> None:
    """Rule 1, for those that rotate themselves: a process that runs already sees it; the others say what to do."""
    name, provider, another = kept
    running = another()
    old = running.wrap(KEY, "tip_1")
    if name not in ROTATING:
        with pytest.raises(ConfigurationError, match="TIPROUTER_K"):
            provider.rotate()
        return
    made = provider.rotate()
    new = running.wrap(KEY, "tip_1")
    assert new.kek_id == made != old.kek_id
    assert running.ids() == (old.kek_id, made)
    assert [running.unwrap(one, "tip_1") for one in (old, new)] == [KEY, KEY]


def test_two_threads_may_use_one_provider(kept: Kept) -> None:
    """Stories run in several threads at once, on one provider."""
    _, provider, _ = kept
    wrong: list[object] = []

    def work(owner: str) -> None:
        for _ in range(10):
            key = os.urandom(32)
            if provider.unwrap(provider.wrap(key, owner), owner) != key:
                wrong.append(owner)

    threads = [threading.Thread(target=work, args=(f"tip_{number}",)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def test_the_environments_keys_are_taken_out_of_it() -> None:
    """The first wraps, the second opens, and no child process will see either."""
    old, new = os.urandom(32), os.urandom(32)
    before = EnvironmentKeyProvider({"TIPROUTER_KEK": encoded(old)}).wrap(KEY, "tip_1")
    environ = {"TIPROUTER_KEK": f"{encoded(new)},{encoded(old)}", "OTHER": "1"}
    provider = EnvironmentKeyProvider(environ)
    assert environ == {"OTHER": "1"}
    assert provider.unwrap(before, "tip_1") == KEY
    assert provider.wrap(KEY, "tip_1").kek_id != before.kek_id


@pytest.mark.parametrize("told", ["", "short", encoded(bytes(31)), encoded(bytes(32)) + ",", "*" * 43])
def test_an_environment_without_a_key_is_refused(told: str) -> None:
    """One line that names the variable and never quotes it."""
    with pytest.raises(ConfigurationError, match="TIPROUTER_KEK") as refused:
        EnvironmentKeyProvider({"TIPROUTER_KEK": told})
    assert not told or told not in str(refused.value)


def test_two_rotations_at_once_make_two_keys_or_one_and_a_refusal(tmp_path: Path) -> None:
    """No key file is ever written over: what the first one wrapped with stands."""
    path = tmp_path / "keys" / "kek"
    first = FileKeyProvider(path, os.urandom)
    first.rotate()
    wrapped = first.wrap(KEY, "tip_1")
    before = (path.parent / "kek-2").read_bytes()
    FileKeyProvider(path, os.urandom).rotate()
    assert (path.parent / "kek-2").read_bytes() == before
    assert sorted(one.name for one in path.parent.iterdir()) == ["kek", "kek-2", "kek-3"]
    assert FileKeyProvider(path, os.urandom).unwrap(wrapped, "tip_1") == KEY


def test_a_removed_key_file_is_a_destroyed_key(tmp_path: Path) -> None:
    """What it wrapped opens nowhere any more, and the later key goes on."""
    path = tmp_path / "keys" / "kek"
    provider = FileKeyProvider(path, os.urandom)
    old = provider.wrap(KEY, "tip_1")
    provider.rotate()
    path.unlink()
    assert not provider.opens(old.kek_id)
    with pytest.raises(UnwrapError):
        provider.unwrap(old, "tip_1")
    assert provider.unwrap(provider.wrap(KEY, "tip_1"), "tip_1") == KEY
    assert FileKeyProvider(path, os.urandom).ids() == provider.ids()


def test_a_rotation_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    """Files, rule 2: the folder's time of change says nothing, and what the new key wrapped opens all the same."""
    path = tmp_path / "keys" / "kek"
    running = FileKeyProvider(path, os.urandom)
    seen = path.parent.stat()
    other = FileKeyProvider(path, os.urandom)
    other.rotate()
    wrapped = other.wrap(KEY, "tip_1")
    os.utime(path.parent, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert running.unwrap(wrapped, "tip_1") == KEY
    other.rotate()
    os.utime(path.parent, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert running.opens(other.kek_id)
    assert running.ids() == other.ids()


def test_a_service_that_cannot_wrap_is_an_outage(engine: Engine, tmp_path: Path) -> None:
    """Transit, rule 3: a 400 (no such key to encrypt with) or nonsense means "ask again", but for a `decrypt`."""
    provider = reached(engine, tmp_path)
    wrapped = provider.wrap(KEY, "tip_1")
    for status in (400, 200):
        for work in (lambda: provider.wrap(KEY, "tip_1"), provider.ids, provider.rotate):
            engine.statuses[:] = [status, status]
            with pytest.raises(KeysUnavailableError):
                work()
    engine.statuses[:] = [400]
    with pytest.raises(UnwrapError):
        provider.unwrap(wrapped, "tip_1")
    assert provider.unwrap(wrapped, "tip_1") == KEY


@pytest.mark.parametrize("statuses", [[503], [500, 502], [429]])
def test_what_passes_is_tried_again(engine: Engine, tmp_path: Path, statuses: list[int]) -> None:
    """Transit, rule 3: a service that stumbles is asked again within the deadline."""
    provider = reached(engine, tmp_path)
    engine.statuses[:] = statuses
    assert provider.unwrap(provider.wrap(KEY, "tip_1"), "tip_1") == KEY
    assert len(engine.asked) == len(statuses) + 2


def test_a_service_that_is_away_is_an_outage_within_the_deadline(engine: Engine, tmp_path: Path) -> None:
    """Broken, slow or gone: `KeysUnavailableError`, whose words name no host."""
    provider = reached(engine, tmp_path, seconds=0.3)
    wrapped = provider.wrap(KEY, "tip_1")
    engine.statuses[:] = [500] * 50
    with pytest.raises(KeysUnavailableError) as broken:
        provider.wrap(KEY, "tip_1")
    engine.statuses.clear()
    engine.delay_seconds = 0.6
    with pytest.raises(KeysUnavailableError):
        provider.unwrap(wrapped, "tip_1")
    engine.delay_seconds = 0
    nowhere = TransitAccess("http://127.0.0.1:9", "tiprouter", token_file=str(tmp_path / "token"), seconds=0.2)
    with pytest.raises(KeysUnavailableError) as gone:
        TransitKeyProvider(nowhere).wrap(KEY, "tip_1")
    assert "127.0.0.1" not in str(broken.value) + str(gone.value)
    assert provider.unwrap(wrapped, "tip_1") == KEY


def test_a_refused_token_is_read_again(engine: Engine, tmp_path: Path) -> None:
    """Transit, rule 2: an agent that renewed the token's file is noticed; without a good one it is a refusal."""
    provider = reached(engine, tmp_path)
    wrapped = provider.wrap(KEY, "tip_1")
    engine.tokens = {"another-token"}
    with pytest.raises(KeysUnavailableError, match="refuses"):
        provider.unwrap(wrapped, "tip_1")
    private(tmp_path / "token", "another-token")
    assert provider.unwrap(wrapped, "tip_1") == KEY


def test_an_app_role_signs_in_again(engine: Engine, tmp_path: Path) -> None:
    """Transit, rule 2: a lease that ended is a new sign-in, once; a wrong secret id is a refusal. In a namespace."""
    engine.namespace = "example/team"
    access = TransitAccess(
        engine.url,
        "tiprouter",
        namespace="example/team",
        role_id=ROLE,
        secret_id_file=private(tmp_path / "secret-id", SECRET),
    )
    provider = TransitKeyProvider(access)
    wrapped = provider.wrap(KEY, "tip_1")
    engine.tokens.clear()
    assert provider.unwrap(wrapped, "tip_1") == KEY
    assert engine.asked.count("POST /v1/auth/approle/login") == 2
    engine.tokens.clear()
    private(tmp_path / "secret-id", "wrong")
    with pytest.raises(KeysUnavailableError, match="refuses"):
        provider.unwrap(wrapped, "tip_1")


def test_an_unknown_transit_key_is_named_as_such(engine: Engine, tmp_path: Path) -> None:
    """The operator learns that the key is missing, and not that the service is away."""
    token = private(tmp_path / "token", "example-token")
    with pytest.raises(KeysUnavailableError, match="does not know the key"):
        TransitKeyProvider(TransitAccess(engine.url, "no-such-key", token_file=token)).wrap(KEY, "tip_1")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "http://vault.example:8200"}, "https"),
        ({"url": "vault.example"}, "https"),
        ({"token_file": ""}, "TIPROUTER_VAULT_TOKEN_FILE"),
        ({"role_id": "r"}, "TIPROUTER_VAULT_TOKEN_FILE"),
        ({"token_file": "", "role_id": "r"}, "TIPROUTER_VAULT_TOKEN_FILE"),
        ({"token_file": "/nowhere"}, "missing"),
        ({"ca_file": "/nowhere"}, "TIPROUTER_VAULT_CA_FILE"),
    ],
)
def test_access_to_vault_that_cannot_be_meant_is_refused(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    """Transit, rules 2 and 4: in the clear, without a credential or with two, or with files that are not there."""
    meant = {"url": "https://vault.example", "key": "k", "token_file": private(tmp_path / "token", "t")} | changes
    with pytest.raises(ConfigurationError, match=says):
        TransitKeyProvider(TransitAccess(**meant))  # type: ignore[arg-type]  # texts all of them


def test_a_token_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """As every file of a secret."""
    token = private(tmp_path / "token", "t")
    Path(token).chmod(0o640)
    with pytest.raises(ConfigurationError, match="others may read"):
        TransitKeyProvider(TransitAccess("https://vault.example", "k", token_file=token))


def test_kms_keys_are_arns_and_the_first_one_wraps() -> None:
    """AWS, rules 2 and 3: a new key before the old one is a rotation; aliases and names are refused."""
    with kms() as arn:
        old = AwsKeyProvider([arn]).wrap(KEY, "tip_1")
        provider = AwsKeyProvider([new_kms_key(), arn])
        new = provider.wrap(KEY, "tip_1")
        assert provider.ids() == (old.kek_id, new.kek_id)
        assert [provider.unwrap(one, "tip_1") for one in (old, new)] == [KEY, KEY]
    for arns in ([], ["alias/tiprouter"], ["arn:aws:kms:us-east-1:111122223333:alias/tiprouter"]):
        with pytest.raises(ConfigurationError, match="TIPROUTER_KMS_KEYS"):
            AwsKeyProvider(arns)


def test_a_kms_that_is_away_or_knows_no_such_key_is_an_outage() -> None:
    """AWS: nobody at the endpoint, and a key that is not there, are `KeysUnavailableError` without a host."""
    with kms() as arn:
        missing = arn[:-4] + "0000"
        with pytest.raises(KeysUnavailableError, match="does not know"):
            AwsKeyProvider([missing]).wrap(KEY, "tip_1")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "fictional")
        with pytest.raises(KeysUnavailableError) as gone:
            AwsKeyProvider([arn], "http://127.0.0.1:9", seconds=0.4).wrap(KEY, "tip_1")
    assert "127.0.0.1" not in str(gone.value)


@pytest.mark.parametrize(("module", "provider"), [("boto3", "aws-kms"), ("pkcs11", "pkcs11")])
def test_a_missing_library_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, provider: str
) -> None:
    """It says which extra to install."""
    monkeypatch.setitem(__import__("sys").modules, module, None)
    arn = "arn:aws:kms:us-east-1:111122223333:key/0000"
    with pytest.raises(ConfigurationError, match="install tiprouter") as refused:
        _ = (
            AwsKeyProvider([arn])
            if provider == "aws-kms"
            else HsmKeyProvider(TokenAccess("/nowhere.so", "t", private(tmp_path / "pin", "1"), "k"))
        )
    assert "\n" not in str(refused.value)


def test_a_token_keeps_its_keys(tmp_path: Path) -> None:
    """PKCS#11, rules 1 and 2: the key cannot be read out, and nothing but keys that wrap is left in the token."""
    import pkcs11  # noqa: PLC0415 - only where there is a token to read

    with softhsm(tmp_path) as access:
        provider = HsmKeyProvider(access)
        provider.unwrap(provider.wrap(KEY, "tip_1"), "tip_1")
        (number, (key,)), *others = provider._keys().items()  # noqa: SLF001 - a look into the token itself
        assert (number, others) == (1, [])
        with pytest.raises(pkcs11.exceptions.PKCS11Error):
            _ = key[pkcs11.Attribute.VALUE]
        session = provider._open()  # noqa: SLF001 - as above
        passing = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, pkcs11.Attribute.TOKEN: False}
        assert list(session.get_objects(passing)) == []


def test_two_first_starts_at_once_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PKCS#11, rule 1: whichever of two keys of one number wrapped, everybody opens it; what was changed nobody."""
    with softhsm(tmp_path) as access:
        provider, wrapped = HsmKeyProvider(access), []
        provider._make(1)  # as the other process, which had looked before ours made it
        for kek in provider._keys()[1]:  # noqa: SLF001 - each process wraps with the one that it finds
            with monkeypatch.context() as patch:
                patch.setattr(HsmKeyProvider, "_keys", lambda _, kek=kek: {1: [kek]})
                wrapped.append(provider.wrap(KEY, "tip_1"))
        assert len({one.data for one in wrapped}) == 2
        another = HsmKeyProvider(access, make=False)
        assert [another.unwrap(one, "tip_1") for one in wrapped] == [KEY, KEY]
        assert len(another.ids()) == 1
        with pytest.raises(UnwrapError):
            another.unwrap(Wrapped(wrapped[0].kek_id, wrapped[0].data[:-1] + b"?"), "tip_1")
        another.rotate()
        assert [provider.unwrap(one, "tip_1") for one in wrapped] == [KEY, KEY]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library's, of the broken session
def test_a_token_that_is_not_there_is_an_outage_and_a_session_that_broke_is_opened_again(tmp_path: Path) -> None:
    """PKCS#11, rule 3."""
    with softhsm(tmp_path) as access:
        provider = HsmKeyProvider(access)
        wrapped = provider.wrap(KEY, "tip_1")
        provider._open().close()  # noqa: SLF001 - the session breaks
        assert provider.unwrap(wrapped, "tip_1") == KEY
        with pytest.raises(KeysUnavailableError):
            HsmKeyProvider(TokenAccess(access.module, "no-such-token", access.pin_file, access.key))
        with pytest.raises(KeysUnavailableError):
            HsmKeyProvider(TokenAccess("/nowhere.so", access.token, access.pin_file, access.key))


def test_a_service_that_was_away_is_left_alone_for_a_while(engine: Engine, tmp_path: Path) -> None:
    """Resting, rule 1: one deadline is waited out, then nothing is asked until the rest is over."""
    at = [0.0]
    provider = Resting(reached(engine, tmp_path, seconds=0.2), lambda: at[0])
    engine.statuses[:] = [500] * 50
    with pytest.raises(KeysUnavailableError):
        provider.wrap(KEY, "tip_1")
    engine.statuses.clear()
    asked = len(engine.asked)
    with pytest.raises(KeysUnavailableError):
        provider.wrap(KEY, "tip_1")
    assert len(engine.asked) == asked
    at[0] += REST_SECONDS
    assert provider.unwrap(provider.wrap(KEY, "tip_1"), "tip_1") == KEY


def test_a_remembered_key_counts_for_its_own_bytes_for_a_while_and_not_among_too_many() -> None:
    """Memory, rules 1 and 2."""
    at = [0.0]
    memory = KeyMemory(lambda: at[0], limit=2, seconds=10)
    wrapped, other = Wrapped("k", b"bytes"), Wrapped("k", b"other")
    memory.keep("tip_1", wrapped, KEY)
    assert memory.find("tip_1", wrapped) == KEY
    assert memory.find("tip_1", other) is None
    assert memory.find("tip_2", wrapped) is None
    assert memory.find("tip_1", Wrapped("l", b"bytes")) is None
    at[0] = 9.9
    assert memory.find("tip_1", wrapped) == KEY
    at[0] = 10.0
    assert (memory.find("tip_1", wrapped), len(memory)) == (None, 0)
    for number in range(3):
        memory.keep(f"tip_{number}", wrapped, KEY)
    assert [memory.find(f"tip_{number}", wrapped) for number in range(3)] == [None, KEY, KEY]
    memory.forget("tip_2")
    assert memory.find("tip_2", wrapped) is None
