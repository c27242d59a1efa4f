"""What does a policy bundle say, and may it be used at all?

1. A bundle is files: `schema.cedarschema`, the layers `guards.cedar`, `core.cedar` and `tenant.cedar` (any further
   `*.cedar` is the tenant's too), counsel's promises `ceiling.cedar` and `floor.cedar`, `bundle.toml`, the duty table
   `duties.csv` with `jurisdictions.csv`, and `golden.csv`. The state layer is generated from the duty table.
2. Policies are known by their `@id`, which is unique. Cedar's own ids are positions and move when text is inserted.
3. Every policy must pass Cedar's strict validation, the annotation rules and the lint; the schema must state exactly
   the facts. Templates are refused: nothing links them, so they would be silent. A guard only forbids.
4. The digest covers all that can change a decision or what is said about it: names and numbers, policies and promises
   with annotations and layer, schema, duty rows, jurisdictions, golden rows. Comments, spaces, the order of policies
   and where a common file stands do not change it. It names what counsel approved, so it does not cover the engine's
   version: `engine_versions` says that, and every decision can be replayed.
5. The first fault is refused with file, line and reason. What would end the parser's process is refused before it.

Not promised: that the policy is right. The golden table and the gate speak to that.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import cedarpy

from tiprouter.domain.duty import DutyRow, Protocol, Territory
from tiprouter.domain.vocabulary import Category
from tiprouter.policy import zones
from tiprouter.policy.annotations import WRITTEN_BY_HAND, Layer, PolicyNote
from tiprouter.policy.duties import duty_rows
from tiprouter.policy.files import (
    DUTIES_FILE,
    GOLDEN_FILE,
    SCHEMA_FILE,
    SETTINGS_FILE,
    TERRITORIES_FILE,
    files_of,
    text_in,
)
from tiprouter.policy.golden import GoldenRow, golden_rows
from tiprouter.policy.layers import Policy, Source, read_layers
from tiprouter.policy.nesting import longest, refuse_deep
from tiprouter.policy.questions import earlier, misfit
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.settings import BundleSettings, settings_of
from tiprouter.policy.slices import slices
from tiprouter.policy.territories import territories

LAYER_FILES: Final = {f"{layer.value}.cedar": layer for layer in WRITTEN_BY_HAND}
PROMISES: Final = (Layer.CEILING, Layer.FLOOR)
PROMISE_FILES: Final = frozenset(f"{layer.value}.cedar" for layer in PROMISES)


class Parsed(NamedTuple):
    """Cedar's own handles, parsed once. For this room only."""

    policies: cedarpy.PolicySet
    schema: cedarpy.Schema

    @property
    def earlier(self) -> bool:
        """Whether the schema is of before `any_granted`; such a bundle is asked without it."""
        return earlier(str(self.schema))


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that may be used. `digest` is SHA-256 in hex; `notes` are by policy id, in the order of ids.

    `policies` decide; `slices` do beside them, each where its duty row applies, and are by row id; `ceiling` and
    `floor` are what all are held to. `files` are the texts it was read from, by name, complete.
    """

    name: str
    version: str
    summary: str
    third_party: str
    digest: str
    protocol: Protocol
    notes: Mapping[str, PolicyNote]
    golden: tuple[GoldenRow, ...]
    files: Mapping[str, str] = field(repr=False, compare=False)
    parsed: Parsed = field(repr=False, compare=False)
    policies: tuple[Policy, ...] = field(repr=False, compare=False)
    slices: Mapping[str, Policy] = field(repr=False, compare=False)
    ceiling: tuple[Policy, ...] = field(repr=False, compare=False)
    floor: tuple[Policy, ...] = field(repr=False, compare=False)

    def note(self, policy_id: str) -> PolicyNote | None:
        """What the policy with this id says about itself, a slice's too."""
        found = self.notes.get(policy_id)
        return found or next((one.note for one in self.slices.values() if one.note.id == policy_id), None)

    def second_person(self, policy_ids: Iterable[str]) -> frozenset[Category]:
        """What these policies let a release tell only on a second reviewer's word, beside what the house asks for."""
        notes = (self.note(policy_id) for policy_id in policy_ids)
        return frozenset(category for note in notes if note is not None for category in note.second_person)


def engine_versions() -> str:
    """What decides beside the bundle: Cedar's and the time-zone data's versions."""
    return f"cedarpy {importlib.metadata.version('cedarpy')}; tzdata {zones.version()}"


def read(files: Mapping[str, str]) -> Bundle:
    """The bundle that complete files state (rules 1-5). Raises `BundleError`."""
    refuse_deep(files)
    try:
        return _read(files)
    except RecursionError:
        file, line = longest(files)
        raise BundleError(file, line, "an expression nests too deeply to be read") from None


def _read(files: Mapping[str, str]) -> Bundle:
    settings = settings_of(SETTINGS_FILE, text_in(files, SETTINGS_FILE))
    rows = duty_rows(DUTIES_FILE, text_in(files, DUTIES_FILE))
    places = territories(TERRITORIES_FILE, text_in(files, TERRITORIES_FILE))
    golden = golden_rows(GOLDEN_FILE, text_in(files, GOLDEN_FILE))
    schema = _schema(text_in(files, SCHEMA_FILE))
    policies = read_layers(list(_sources(files)), schema)
    by_row = slices([row for some in rows.values() for row in some], places, schema)
    ceiling, floor = (read_layers([_source(files, layer)], schema) for layer in PROMISES)
    return Bundle(
        name=settings.name,
        version=settings.version,
        summary=settings.summary,
        third_party=settings.third_party,
        digest=_digest(settings, str(schema), (*policies, *ceiling, *floor), (rows, places), golden),
        protocol=_protocol(settings, rows, places),
        notes=MappingProxyType({policy.note.id: policy.note for policy in policies}),
        golden=golden,
        files=MappingProxyType(dict(files)),
        parsed=Parsed(policy_set(policies), schema),
        policies=policies,
        slices=MappingProxyType(by_row),
        ceiling=ceiling,
        floor=floor,
    )


def policy_set(policies: Sequence[Policy]) -> cedarpy.PolicySet:
    """Cedar's handle of these policies, each under its own id (rule 2)."""
    trees = {policy.note.id: policy.tree for policy in policies}
    document = {"templates": {}, "staticPolicies": trees, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(json.dumps(document))


def _sources(files: Mapping[str, str]) -> Iterator[Source]:
    for layer in LAYER_FILES.values():
        yield _source(files, layer)
    for extra in sorted(files):
        if extra.endswith(".cedar") and extra not in LAYER_FILES and extra not in PROMISE_FILES:
            yield Source(extra, text_in(files, extra), Layer.TENANT)


def _source(files: Mapping[str, str], layer: Layer) -> Source:
    name = f"{layer.value}.cedar"
    return Source(name, text_in(files, name), layer)


@lru_cache(maxsize=8)
def _schema(text: str) -> cedarpy.Schema:
    try:
        schema = cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise BundleError(SCHEMA_FILE, 1, str(error)) from error
    problem = misfit(str(schema))
    if problem is not None:
        raise BundleError(SCHEMA_FILE, 1, f"the schema does not fit: {problem}")
    return schema


def _protocol(
    settings: BundleSettings, rows: Mapping[str, tuple[DutyRow, ...]], places: Mapping[str, Territory]
) -> Protocol:
    return Protocol(
        rows=MappingProxyType(dict(rows)),
        territories=MappingProxyType(dict(places)),
        bound_as=frozenset(settings.bound_as),
        immediately=settings.immediately,
        violence_fresh=settings.violence_fresh,
        stale_after=settings.stale_after,
        default_threshold=settings.default_threshold_years,
        default_zone=zones.zone(settings.default_zone),
    )


def _digest(
    settings: BundleSettings,
    schema: str,
    policies: Sequence[Policy],
    tables: tuple[Mapping[str, tuple[DutyRow, ...]], Mapping[str, Territory]],
    golden: tuple[GoldenRow, ...],
) -> str:
    """Rule 4: SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8)."""
    rows, places = tables
    content = {
        "settings": {name: value for name, value in asdict(settings).items() if name != "extends"},
        "schema": schema,
        "policies": [{"layer": policy.note.layer, "policy": policy.tree} for policy in policies],
        "duties": [asdict(row) for _, some in sorted(rows.items()) for row in sorted(some, key=lambda row: row.id)],
        "jurisdictions": [
            [place.code, place.name, str(place.zone), place.minor_alone, place.source]
            for _, place in sorted(places.items())
        ],
        "golden": [
            [row.name, row.facts.plain(), row.outcome, sorted(row.categories), row.policies, row.obligations]
            for row in sorted(golden, key=lambda row: row.name)
        ],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON does not know
    if isinstance(value, frozenset):
        return sorted(value)
    return value.isoformat()


def load(folder: Path) -> Bundle:
    """Read a bundle's folder. Raises `BundleError`."""
    return read(files_of(folder))
