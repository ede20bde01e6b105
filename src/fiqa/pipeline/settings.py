"""Settings of a stage: one frozen dataclass from which TOML keys and command-line options follow."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Any,
    ClassVar,
    Literal,
    Protocol,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from ..core.arrays import first_few
from ..core.errors import DataError, SettingsError
from ..core.protocols import Progress
from ..io.atomic import HEADER, atomic, check_output
from ..io.inputs import list_digest
from ..io.provenance import Provenance, digest
from ..io.store import FAILURES, failures_beside, read_failures, write_json
from ..io.tables import check_table_output


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Preset = TypeVar("Preset", bound=_Dataclass)
Built = TypeVar("Built", bound=_Dataclass)


def setting(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    argument: bool = False,
    written: bool = False,
    flags: tuple[str, ...] = (),
) -> Any:
    """A field of a stage with its help text.

    Args:
        default: Value when not given; without one the setting is required.
        help: One line for the command line.
        argument: Positional on the command line.
        written: A path that the stage writes rather than reads.
        flags: More names of the option on the command line, such as ``"-o"``.
    """
    metadata = {"help": help, "argument": argument, "written": written, "flags": flags}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """Base of all stages: `output` is written whole or not at all, every other path is read.

    Attributes:
        name: What users type.
        counts: What its progress counts, where a rate is worth showing.
        writes_table: Whether the output is a table, Parquet, CSV or JSON by suffix.
        photographs: The field, where there is one, that names photographs or a list of them.
        output: File or folder that the stage writes.
    """

    name: ClassVar[str]
    writes_table: ClassVar[bool] = False
    photographs: ClassVar[str] = "photos"
    counts: ClassVar[str] = ""
    output: Path = setting(help="File or folder to write.", written=True, flags=("-o",))

    @abstractmethod
    def run(self, progress: Progress) -> None:
        """Do the work and write `output`."""

    def execute(self, progress: Progress) -> None:
        """Refuse an output that could not be written, then run.

        Raises:
            DataError: If an input does not exist or holds no embeddings, or the output is a folder with other
                content, has an unknown suffix or lies in a place that cannot be written to.
        """
        absent = [
            f"{path} ({name.partition('[')[0]})" for name, path in self.inputs().items() if not path.exists()
        ]
        if absent:
            raise DataError(f"{self.name} reads what does not exist: {first_few(absent)}")
        for name, path in self.inputs().items():
            if name.partition("[")[0] == "embeddings" and not (path / HEADER).is_file():
                raise DataError(f"{path} holds no embeddings; make them: fiqa embed {path} -o embeddings/")
        self.check_output()
        self.run(progress)

    def check_output(self) -> None:
        """Refuse an output that could not be written."""
        (check_table_output if self.writes_table else check_output)(self.output)

    def beside(self) -> list[Path]:
        """What a finished stage has written for people besides its output."""
        return []

    def found(self) -> str:
        """What a finished stage has found, in a line for the terminal; empty where that is its output."""
        return ""

    def failures(self) -> tuple[list[Path], int]:
        """The files in which a finished stage lists the images without a result, and how many these are."""
        files = self.failure_files()
        return files, sum(len(read_failures(file)) for file in files)

    def failure_files(self) -> list[Path]:
        """These files, where there are some."""
        beside = self.output / FAILURES if self.output.is_dir() else failures_beside(self.output)
        return [beside] if beside.exists() else []

    def inputs(self) -> dict[str, Path]:
        """Every path that the stage reads, by field name."""
        found: dict[str, Path] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.metadata["written"]:
                continue
            for number, item in enumerate(value if isinstance(value, tuple) else (value,)):
                path = item if isinstance(item, Path) else _path_behind(item)
                if path is not None:
                    found[f"{field.name}[{number}]" if isinstance(value, tuple) else field.name] = path
        return found

    def settings(self) -> dict[str, Any]:
        """All fields as plain values, for records and provenance."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def provenance(self, kind: str) -> Provenance:
        """What made the output, to be written into it."""
        inputs = {name: self.digest_of(name, path) for name, path in self.inputs().items()}
        return self.made_from(kind, inputs, self.settings())

    def digest_of(self, name: str, path: Path) -> str:
        """Digest of an input, by its name in `inputs`; a list of photographs counts with what it names."""
        return list_digest(path) if name.partition("[")[0] == self.photographs else digest(path)

    def made_from(self, kind: str, inputs: Mapping[str, str], settings: dict[str, Any]) -> Provenance:
        """The provenance of an output of this stage, by digests of inputs and settings."""
        degradation = self.degradation()
        if degradation is not None:
            settings["degradation"] = degradation
        return Provenance(kind, settings=settings, inputs=inputs, seed=getattr(self, "seed", None))

    def publish(self, folder: Path, kind: str) -> None:
        """Give a finished folder its header and the name of the output."""
        write_json(folder / HEADER, {"provenance": self.provenance(kind).to_json()})
        with atomic(self.output) as temporary:
            folder.rename(temporary)

    def degradation(self) -> str | None:
        """The degradation of the images behind the output; None where it is not known or does not matter.

        Stages that say something of each image override it, so that training can tell whether labels are
        true of its crops.
        """
        return None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values such as a TOML table.

        Raises:
            SettingsError: On an unknown key (with near matches), a missing one, or a value of the wrong type.
        """
        return build(cls, values, f"stage {cls.name}")


class PresetStage(Stage):
    """A stage whose settings start from a preset; what is given on the stage itself takes its place."""

    @abstractmethod
    def resolved(self) -> Any:
        """The preset with every setting given here in its place."""

    def settings(self) -> dict[str, Any]:
        """All fields, and what the preset makes of them: a preset may change from version to version."""
        return {**super().settings(), "resolved": dataclasses.asdict(self.resolved())}

    def over(self, preset: Preset) -> Preset:
        """The preset, its fields replaced by those of the same name here that are not None."""
        given = {field.name: getattr(self, field.name, None) for field in dataclasses.fields(preset)}
        return dataclasses.replace(
            preset, **{name: value for name, value in given.items() if value is not None}
        )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SettingsError: If it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read as TOML: {error}") from error


def build(kind: type[Built], values: Mapping[str, Any], what: str) -> Built:
    """A dataclass from plain values such as a TOML table; fields may be dataclasses and dictionaries of them.

    Args:
        kind: The dataclass.
        values: Value of each field.
        what: How messages call it.

    Raises:
        SettingsError: On an unknown key (with near matches), a missing one, or a value of the wrong type.
    """
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=3) or list(fields)
            raise SettingsError(f"{what} has no setting {key!r}; it has {', '.join(near)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in values
        and (field.default, field.default_factory) == (dataclasses.MISSING, dataclasses.MISSING)
    ]
    if missing:
        raise SettingsError(f"{what} needs {', '.join(missing)}")
    where = what.removeprefix("stage ")
    return kind(**{key: convert(hints[key], value, f"{where}.{key}") for key, value in values.items()})


def convert(hint: Any, value: Any, where: str) -> Any:
    """Turn a plain value into the annotated type of a setting, refusing what does not fit."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return convert(next(item for item in arguments if item is not type(None)), value, where)
    if origin in (tuple, dict) or dataclasses.is_dataclass(hint):
        return _nested(hint, value, where)
    if origin is Literal:
        if value not in arguments:
            raise SettingsError(f"{where} must be one of {', '.join(map(str, arguments))}, got {value!r}")
        return value
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Any or (isinstance(value, hint) and not (hint is int and isinstance(value, bool))):
        return value
    raise SettingsError(f"{where} must be {typing.cast(type, hint).__name__}, got {value!r}")


def _nested(hint: Any, value: Any, where: str) -> Any:
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        if arguments[-1] is not Ellipsis and len(items) != len(arguments):
            raise SettingsError(f"{where} takes {len(arguments)} values, got {len(items)}")
        return tuple(convert(arguments[0], item, where) for item in items)
    if not isinstance(value, dict):
        raise SettingsError(f"{where} must be a table, got {value!r}")
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type[_Dataclass], hint), value, where)
    return {key: convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}


def _path_behind(value: Any) -> Path | None:
    """The path inside a text such as ``lfw:PATH`` or ``NAME=PATH``, if it exists."""
    if not isinstance(value, str):
        return None
    tail = Path(value.rpartition("=")[2].partition(":")[2] or value.rpartition("=")[2])
    return tail if str(tail) not in ("", ".") and tail.exists() else None


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
