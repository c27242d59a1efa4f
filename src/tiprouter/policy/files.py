"""Where do a bundle's files come from?

1. From a folder, or from whoever proposes them: texts by file name. Nothing else in a folder belongs to the bundle.
2. A bundle that `extends` a shipped one takes the files in common from there, and must not state them again. The copy
   is complete: what was approved does not change when the product's own bundle does.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tiprouter.policy.refusal import BundleError, text_of
from tiprouter.policy.settings import settings_of

SCHEMA_FILE: Final = "schema.cedarschema"
SETTINGS_FILE: Final = "bundle.toml"
DUTIES_FILE: Final = "duties.csv"
TERRITORIES_FILE: Final = "jurisdictions.csv"
GOLDEN_FILE: Final = "golden.csv"
COMMON_FILES: Final = (SCHEMA_FILE, "guards.cedar", "core.cedar", DUTIES_FILE, TERRITORIES_FILE)
OWN_FILES: Final = (SETTINGS_FILE, "tenant.cedar", "ceiling.cedar", "floor.cedar", GOLDEN_FILE)

_SHIPPED = Path(__file__).parent / "bundles"


def shipped(name: str) -> Path:
    """The folder of a bundle that comes with the product. Raises `BundleError` when there is none of that name."""
    names = shipped_names()
    if name not in names:
        raise BundleError(SETTINGS_FILE, 1, f"no such bundle is shipped; there are: {', '.join(names)}")
    return _SHIPPED / name


def shipped_names() -> list[str]:
    """The bundles that come with the product."""
    return sorted(path.name for path in _SHIPPED.iterdir() if path.is_dir())


def files_of(folder: Path) -> dict[str, str]:
    """The complete files of a bundle's folder (rules 1, 2). Raises `BundleError`."""
    known = {name for name in (*COMMON_FILES, *OWN_FILES) if (folder / name).exists()}
    names = known | {path.name for path in folder.glob("*.cedar")}
    return complete({name: text_of(folder, name) for name in sorted(names)})


def complete(files: Mapping[str, str]) -> dict[str, str]:
    """Files with those they have in common with a shipped bundle (rule 2). Raises `BundleError`."""
    extends = settings_of(SETTINGS_FILE, text_in(files, SETTINGS_FILE)).extends
    if extends is None:
        return dict(files)
    folder = shipped(extends)
    for file in COMMON_FILES:
        if file in files:
            raise BundleError(file, 1, f"the file comes from {extends}, which the bundle extends: it is stated twice")
    return dict(files) | {file: text_of(folder, file) for file in COMMON_FILES}


def text_in(files: Mapping[str, str], name: str) -> str:
    """One file's text. Raises `BundleError` when it is missing or empty."""
    if name not in files:
        raise BundleError(name, 1, "the file is missing or cannot be read")
    if not files[name].strip():
        raise BundleError(name, 1, "the file is empty")
    return files[name]
