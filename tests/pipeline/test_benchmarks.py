from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import REPOSITORY
from fiqa.core.errors import DataError
from fiqa.core.types import EmbeddingSet, Failure, QualityScores, SampleSet
from fiqa.pipeline.benchmarks import Benchmark, open_benchmark
from fiqa.pipeline.crop import Crop
from fiqa.pipeline.study import read_study


def samples_of(*names: str) -> SampleSet:
    return SampleSet(np.array(names), np.array([name.partition("/")[0] for name in names]))


def opened(path: Path, text: str, samples: SampleSet, **settings: object) -> Benchmark:
    path.write_text(text)
    return open_benchmark(f"lfw:{path}", samples, non_mated=0, seed=0, **settings)


PAIRS = "Ada 1 2\nAda 1 3\nAda 1 Bob 1\nAda 2 Bob 7\n"
THERE = samples_of("Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", "Bob/Bob_0001.jpg")


def test_absent_samples_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 of the 5 samples that the lfw list names are neither") as caught:
        opened(tmp_path / "pairs.txt", PAIRS, THERE)
    assert "Ada/Ada_0003.jpg, Bob/Bob_0007.jpg" in str(caught.value)
    assert "count beyond the images of a subject" in str(caught.value)


def test_failures_explain_absent_samples(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    failed = [Failure("Ada/Ada_0003.jpg", "crop", "no_face"), Failure("Bob/Bob_0007.jpg", "crop", "no_face")]
    found = opened(tmp_path / "pairs.txt", PAIRS, THERE, failed=failed)
    assert (len(found.pairs), found.n_dropped) == (2, 2)
    assert found.absent == ("Ada/Ada_0003.jpg", "Bob/Bob_0007.jpg")
    assert "lfw: 2 pairs left out, without Ada/Ada_0003.jpg, Bob/Bob_0007.jpg" in caplog.text
    with pytest.raises(DataError, match=r"1 of the 5 samples .* among the failures: Bob/Bob_0007\.jpg;"):
        opened(tmp_path / "pairs.txt", PAIRS, THERE, failed=failed[:1])


def test_absent_samples_are_skipped_on_request(tmp_path: Path) -> None:
    assert opened(tmp_path / "pairs.txt", PAIRS, THERE, absent="skip").n_dropped == 2
    with pytest.raises(DataError, match=r"none of the 4 lfw pairs is among the 1 samples .* like 'x'"):
        opened(tmp_path / "pairs.txt", PAIRS, samples_of("x"), absent="skip")
    with pytest.raises(DataError, match="none of the 4 lfw pairs has both sides at hand"):
        opened(tmp_path / "pairs.txt", PAIRS, samples_of("Bob/Bob_0001.jpg"), absent="skip")


def test_templates_are_compared_by_the_images_at_hand(tmp_path: Path) -> None:
    (tmp_path / "ijbc_face_tid_mid.txt").write_text("1.jpg 1 5\n2.jpg 1 6\n3.jpg 2 7\n4.jpg 3 8\n")
    (tmp_path / "ijbc_template_pair_label.txt").write_text("1 2 1\n1 3 0\n2 3 0\n")
    samples = samples_of("1.jpg", "2.jpg", "3.jpg")
    failed = [Failure("4.jpg", "crop", "no_face")]
    found = open_benchmark(f"ijb-c:{tmp_path}", samples, non_mated=0, seed=0, failed=failed)
    assert (found.name, len(found.pairs), found.n_dropped, found.absent) == ("ijb-c", 1, 2, ("3",))
    vectors = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    pooled = found.embeddings(EmbeddingSet(samples.sample_ids, vectors, np.ones(3), "m"))
    assert pooled.sample_ids.tolist() == ["1", "2"]
    np.testing.assert_allclose(pooled.vectors, [[0.5**0.5, 0.5**0.5], [0, 1]], atol=1e-7)
    assert found.quality(QualityScores(samples.sample_ids, [0.3, 0.2, 0.9], "q")).values.tolist() == [
        0.2,
        0.9,
    ]
    assert found.subjects(samples).at(np.array(["1", "2"])).subject_ids.tolist() == ["1", "1"]


def test_single_images_stay_as_they_are(tmp_path: Path) -> None:
    found = opened(tmp_path / "pairs.txt", "Ada 1 2\nAda 1 Bob 1\n", THERE)
    scores = QualityScores(THERE.sample_ids, [1.0, 2.0, 3.0], "q")
    assert found.quality(scores) is scores
    assert found.subjects(THERE) is THERE


def test_the_config_of_degraded_lfw_degrades_every_crop_with_the_documented_seed(tmp_path: Path) -> None:
    stages = read_study(REPOSITORY / "configs" / "degraded-lfw.toml", {"data": "d", "out": str(tmp_path)})
    crops = [stage for stage in stages if isinstance(stage, Crop)]
    assert [stage.crop for stage in crops] == ["arcface", "dlib"]
    assert {(stage.degrade, stage.seed, stage.face) for stage in crops} == {(1.0, 1, "central")}
