"""The table of methods and the two functions that build from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fiqa.core.errors import SettingsError
from fiqa.methods import METHODS, load_label_source, load_method, load_objective
from fiqa.methods.cr_fiqa import CrFiqaLabels
from fiqa.methods.ser_fiq import SerFiq
from networks import tiny_recogniser


@pytest.mark.parametrize("row", list(METHODS), ids=lambda row: row.name)
def test_rows_say_what_they_stand_for(row):
    assert all([row.summary, row.range, row.licence])
    assert (
        row.gives
        == {
            (True, True): "both",
            (True, False): "scores",
            (False, True): "labels",
            (False, False): "training",
        }[bool(row.target), bool(row.labels_from)]
    )
    assert (row.needs == "embeddings") == (row.gives == "labels")
    assert (row.needs == "training") == (row.gives == "training")
    assert row.trains or row.gives != "training"
    for target in filter(None, (row.target, row.labels_from)):
        module, _, attribute = target.partition(":")
        assert module.startswith("fiqa.methods.")
        assert getattr(__import__(module, fromlist=[attribute]), attribute).name == row.name


def test_settings_and_seed_reach_the_method():
    method = load_method("ser_fiq", tiny_recogniser(), settings={"passes": 3, "scaling": "plain"})
    assert isinstance(method, SerFiq)
    assert method.scaling == "plain"
    source = load_label_source("cr_fiqa", settings={"denominator": "plain"})
    assert isinstance(source, CrFiqaLabels)
    assert source.denominator == "plain"


class Plain:
    """A recogniser that is not in torch."""

    name, spec, dimension = "plain", tiny_recogniser().spec, 8

    def embed(self, images):
        raise AssertionError


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: load_method("faceqam"), "no method is named 'faceqam'; did you mean faceqan"),
        (lambda: load_method("pcnet"), "pcnet labels samples of known subjects and cannot score crops"),
        (lambda: load_method("embedding_norm"), "method embedding_norm needs a recogniser"),
        (lambda: load_method("onnx"), "method onnx needs weights$"),
        (
            lambda: load_method("cr_fiqa"),
            r"method cr_fiqa needs weights: 32572backbone\.pth, 181952backbone\.pth",
        ),
        (
            lambda: load_method("ediffiqa", settings={"direction": "lower"}),
            "method ediffiqa has no setting 'direction'; it has none",
        ),
        (lambda: load_method("ser_fiq", Plain()), "method ser_fiq needs a torch recogniser"),
        (
            lambda: load_method("faceqan", tiny_recogniser(), settings={"epsilom": 0.1}),
            "method faceqan has no setting 'epsilom'; it has epsilon",
        ),
        (
            lambda: load_method("faceqan", tiny_recogniser(), settings={"seed": 1}),
            "method faceqan has no setting 'seed'",
        ),
        (
            lambda: load_method("embedding_norm", tiny_recogniser(), settings={"power": 2}),
            "method embedding_norm has no setting 'power'; it has second_look",
        ),
        (
            lambda: load_method("learned", checkpoint=Path("r.pt"), settings={"power": 2}),
            "method learned has no setting 'power'; it has none",
        ),
        (lambda: load_method("lightqnet"), "lightqnet scores crops by a trained model alone; train one"),
        (lambda: load_label_source("lightqnet"), "lightqnet derives no labels; it is trained"),
        (
            lambda: load_objective("faceqan"),
            "faceqan has no objective of its own; .*objectives: magface, ediffiqa, cr_fiqa, pcnet, lightqnet",
        ),
        (
            lambda: load_objective("magface", settings={"longst": 40}),
            "method magface has no setting 'longst'; it has longest",
        ),
        (lambda: load_label_source("classical"), "classical scores crops and needs no subjects"),
        (
            lambda: load_label_source("sdd_fiqa", settings={"repetition": 2}),
            "has no setting 'repetition'; it has repetitions",
        ),
    ],
)
def test_what_cannot_be_built_is_told(build, message):
    with pytest.raises(SettingsError, match=message):
        build()
