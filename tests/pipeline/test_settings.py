from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.protocols import Progress
from fiqa.pipeline import study
from fiqa.pipeline.distil import Distil
from fiqa.pipeline.settings import Stage, setting


@dataclass(frozen=True, kw_only=True)
class Shout(Stage):
    """Write the text of a file in capitals."""

    name: ClassVar[str] = "shout"
    text: Path = setting(help="in")
    more: tuple[Path, ...] = setting((), help="more")
    mark: str = setting("!", help="end")
    times: int = setting(1, help="how often")
    volume: float = setting(0.5, help="how loud")
    case: Literal["upper", "lower"] = setting("upper", help="case")
    three: tuple[int, int, int] | None = setting(None, help="three")
    named: tuple[str, ...] = setting((), help="NAME=PATH")

    def run(self, progress: Progress) -> None:
        progress(0, 1)
        self.output.write_text((self.text.read_text() + self.mark).upper() * self.times)


def test_values_take_the_annotated_types() -> None:
    stage = Shout.from_mapping(
        {"output": "o", "text": "t", "volume": 1, "more": ["a", "b"], "three": [1, 2, 3], "case": "lower"}
    )
    assert stage.text == Path("t")
    assert stage.more == (Path("a"), Path("b"))
    assert isinstance(stage.volume, float)
    assert stage.three == (1, 2, 3)
    assert stage.settings()["more"] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tims": 2}, "no setting 'tims'; it has times"),
        ({"times": "2"}, r"shout.times must be int, got '2'"),
        ({"times": True}, "must be int"),
        ({"case": "loud"}, "one of upper, lower"),
        ({"three": [1, 2]}, "takes 3 values, got 2"),
        ({"text": 5}, "must be Path"),
    ],
)
def test_wrong_values_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Shout.from_mapping({"output": "o", "text": "t", **change})


def test_missing_values_are_named() -> None:
    with pytest.raises(SettingsError, match="needs output, text"):
        Shout.from_mapping({"times": 2})


def test_inputs_are_all_paths_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    stage = Shout.from_mapping(
        {"output": "o", "text": "t", "more": ["a"], "named": [f"lfw:{tmp_path / 'x'}", "n=gone"]}
    )
    assert stage.inputs() == {"text": Path("t"), "more[0]": Path("a"), "named[0]": tmp_path / "x"}


class Log:
    def __init__(self) -> None:
        self.ran: list[str] = []

    def announce(self, stage: Stage, done: bool) -> Progress:
        if not done:
            self.ran.append(stage.output.name)
        return lambda done, total: None


def chain(folder: Path, mark: str = "!") -> list[Stage]:
    first = Shout(output=folder / "b", text=folder / "a", mark=mark)
    return [first, Shout(output=folder / "c", text=folder / "b")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: None, []),
        (lambda folder: (folder / "a").write_text("other"), ["b", "c"]),
        (lambda folder: (folder / "c").write_text("tampered"), ["c"]),
        (lambda folder: (folder / "b").unlink(), ["b"]),
    ],
)
def test_only_what_changed_runs_again(tmp_path: Path, change: object, expected: list[str]) -> None:
    (tmp_path / "a").write_text("hallo")
    study.run_study(chain(tmp_path), tmp_path / "records", Log().announce)
    assert (tmp_path / "c").read_text() == "HALLO!!"
    change(tmp_path)  # type: ignore[operator]
    log = Log()
    study.run_study(chain(tmp_path), tmp_path / "records", log.announce)
    assert log.ran == expected


def test_a_changed_setting_runs_the_stage_and_what_follows(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hallo")
    study.run_study(chain(tmp_path), tmp_path / "records", Log().announce)
    log = Log()
    study.run_study(chain(tmp_path, mark="?"), tmp_path / "records", log.announce)
    assert log.ran == ["b", "c"]


def test_a_stage_without_its_input_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"shout reads what does not exist: .* \(text\)"):
        study.run_study(chain(tmp_path), tmp_path / "records", Log().announce)


STUDY = """
[values]
out = "study"

[[stage]]
stage = "label"
each = { method = ["a", "b"], seed_text = ["x"] }
embeddings = "{data}/emb"
method = "{method}"
output = "{out}/{method}-{seed_text}.parquet"
"""


def test_study_file_fills_placeholders_and_combinations(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    stages = study.read_study(tmp_path / "study.toml", {"data": "here"})
    assert [str(stage.output) for stage in stages] == ["study/a-x.parquet", "study/b-x.parquet"]
    assert stages[0].inputs() == {"embeddings": Path("here/emb")}


def test_settings_of_a_stage_may_stand_in_a_file_beside_the_study(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("variants = 4\nepochs = 3")
    text = """
        [[stage]]
        stage = "distil"
        config = "own.toml"
        crops = ["c"]
        teacher = ["sface"]
        epochs = 2
        output = "o"
    """
    (tmp_path / "study.toml").write_text(text)
    (stage,) = study.read_study(tmp_path / "study.toml", {})
    assert isinstance(stage, Distil)
    assert (stage.variants, stage.epochs) == (4, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "cannot be read as TOML"),
        ("[[stage]]\nstage = 'label'\nconfig = 'none.toml'", "none.toml"),
        ("", r"must hold \[values\] and \[\[stage\]\]"),
        ("[[stage]]\noutput = 'x'", "does not say which `stage`"),
        ("[[stage]]\nstage = 'trian'", "did you mean train"),
        (STUDY, r"no value for 'data' in '\{data\}/emb'; give --set"),
    ],
)
def test_bad_study_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        study.read_study(tmp_path / "study.toml", {})
