"""An empty service makes one operator's credential: its token is kept before it is worth anything."""

import base64
import os
import stat
from pathlib import Path

import pytest

from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.storage import callers
from tiprouter.wiring.force import bring_into_force, keep_first_credential
from tiprouter.wiring.house import open_house
from tiprouter.workflow.credentials import CallerRole


@pytest.fixture
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A service whose key-encryption key is no file: nothing else makes the folder of keys."""
    monkeypatch.setenv("TIPROUTER_KEK", base64.urlsafe_b64encode(os.urandom(32)).decode())
    return Settings(data=tmp_path / "data", database_url=database_url, key_provider="environment")


async def test_without_a_key_file_the_first_token_is_kept_all_the_same(settings: Settings) -> None:
    """Its folder and its file are their owner's alone, and one operator has a credential."""
    async with open_house(settings, migrate=True) as house:
        await bring_into_force(house)
        await keep_first_credential(house)
        assert [one.role for one in await house.database.read(callers.everyone)] == [CallerRole.OPERATOR]
    file = settings.data / "keys" / "first-operator-token"
    assert file.read_text().strip()
    assert [stat.S_IMODE(one.stat().st_mode) for one in (file.parent, file)] == [0o700, 0o600]


async def test_a_token_that_cannot_be_kept_leaves_no_credential(settings: Settings) -> None:
    """The start is refused in one line; the next one, when that is mended, makes the first credential."""
    async with open_house(settings, migrate=True) as house:
        await bring_into_force(house)
        keys = settings.data / "keys"
        keys.touch()
        with pytest.raises(ConfigurationError, match="DATA/keys"):
            await keep_first_credential(house)
        assert await house.database.read(callers.everyone) == []
        keys.unlink()
        await keep_first_credential(house)
        assert len(await house.database.read(callers.everyone)) == 1
