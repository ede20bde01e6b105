"""A study is a list of stages; one whose inputs and settings did not change is not run again.

In TOML::

    [values]                       # placeholders, replaced by `--set NAME=VALUE`
    out = "study"

    [[stage]]
    stage = "crop"
    photos = "{data}/lfw/images"
    output = "{out}/crops"

    [[stage]]                      # one stage for each combination
    stage = "train"
    each = { base = ["embedding_norm", "ser_fiq"], labels = ["base", "optimised"] }
    crops = "{out}/crops"
    labels = "{out}/{base}-{labels}.parquet"
    config = "published-2023.toml" # its settings, as of `--config`, from beside the study; those here win
    output = "{out}/{base}-{labels}"
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fiqa import __version__

from ..core.errors import SettingsError
from ..core.protocols import Progress
from ..io.provenance import digest
from ..io.store import read_json, write_json
from . import STAGES
from .settings import Stage, read_toml

logger = logging.getLogger(__name__)

Announce = Callable[[Stage, bool], Progress]
"""Called before each stage with (stage, is up to date); returns where its progress goes."""


def read_study(path: Path, values: Mapping[str, str]) -> list[Stage]:
    """The stages of a study file, placeholders filled in.

    Args:
        path: TOML file as described in this module.
        values: Replacements of the file's ``[values]``.

    Raises:
        SettingsError: If the file is no TOML, names an unknown stage or setting, or leaves a
            placeholder without a value.
    """
    document = read_toml(path)
    unknown = set(document) - {"values", "stage"}
    if unknown or not document.get("stage"):
        raise SettingsError(
            f"{path} must hold [values] and [[stage]] tables, got {', '.join(document) or 'nothing'}"
        )
    known = {**document.get("values", {}), **values}
    return [stage for table in document["stage"] for stage in _expand(dict(table), known, path)]


def run_study(stages: Sequence[Stage], records: Path, announce: Announce) -> None:
    """Run the stages in order, skipping those that are up to date.

    A stage is up to date when its record shows the same settings, the same digests of all inputs, and an
    output that still has the digest it was written with. Records are written after a stage ends, so a
    killed study resumes with the stage that was cut off.

    Args:
        stages: What to run.
        records: Folder of one JSON record a stage.
        announce: Called before each stage.
    """
    for stage in stages:
        record = records / f"{_slug(stage)}.json"
        key = _key(stage)
        done = _up_to_date(stage, record, key)
        progress = announce(stage, done)
        if not done:
            start = time.monotonic()
            stage.execute(progress)
            seconds = round(time.monotonic() - start, 2)
            logger.info("%s: %.1f s, %s", stage.name, seconds, stage.output)
            body = {"key": key, "output": digest(stage.output), "seconds": seconds}
            write_json(record, {"stage": stage.name, "settings": stage.settings(), **body})


def _key(stage: Stage) -> str:
    inputs = {name: stage.digest_of(name, path) for name, path in stage.inputs().items() if path.exists()}
    text = json.dumps([stage.name, __version__, stage.settings(), inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _up_to_date(stage: Stage, record: Path, key: str) -> bool:
    if not (record.exists() and stage.output.exists()):
        return False
    written: dict[str, Any] = read_json(record)
    return written.get("key") == key and written.get("output") == digest(stage.output)


def _slug(stage: Stage) -> str:
    return f"{stage.name}-{hashlib.sha256(str(stage.output).encode()).hexdigest()[:12]}"


def _expand(table: dict[str, Any], values: Mapping[str, str], path: Path) -> list[Stage]:
    try:
        kind = STAGES.load(table.pop("stage"))
    except KeyError:
        raise SettingsError(f"{path}: a [[stage]] table does not say which `stage` it is") from None
    each = table.pop("each", {})
    if "config" in table:
        table = {**read_toml(path.parent / table.pop("config")), **table}
    combinations = itertools.product(*each.values())
    return [
        kind.from_mapping(_fill(table, {**values, **dict(zip(each, choice, strict=True))}, path))
        for choice in combinations
    ]


def _fill(item: Any, values: Mapping[str, str], path: Path) -> Any:
    if isinstance(item, dict):
        return {key: _fill(value, values, path) for key, value in item.items()}
    if isinstance(item, list):
        return [_fill(value, values, path) for value in item]
    if not isinstance(item, str):
        return item
    try:
        return item.format_map(values)
    except (KeyError, ValueError, IndexError) as error:
        raise SettingsError(f"{path}: no value for {error} in {item!r}; give --set NAME=VALUE") from error
