from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import FaceCrops, Failure, SampleSet
from fiqa.io.crops import CropFolder, write_crops
from fiqa.io.images import ImageError, write_image
from fiqa.io.provenance import Provenance
from fiqa.io.samples import find_images

PROVENANCE = Provenance("crops", seed=1)
IDS = np.array(["ada/1.jpg", "ada/1.png", "bob.jpg", "bob.jpg#1", "zoe/x/2.tif"])


def batch(rng: np.random.Generator, rows: slice) -> tuple[SampleSet, FaceCrops]:
    ids = IDS[rows]
    n = len(ids)
    images = rng.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)
    landmarks = rng.random((n, 5, 2), dtype=np.float32)
    subjects = np.array([name.partition("/")[0] for name in ids.tolist()], dtype=np.str_)
    return SampleSet(ids, subjects, ids), FaceCrops(images, landmarks, rng.random(n, dtype=np.float32))


@pytest.fixture
def written(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, FaceCrops]:
    folder = tmp_path / "crops"
    batches = [batch(rng, slice(0, 3)), batch(rng, slice(0, 0)), batch(rng, slice(3, 5))]
    with write_crops(folder, crop="arcface", provenance=PROVENANCE) as writer:
        for samples, crops in batches:
            writer.add(samples, crops, columns={"confidence": np.full(len(samples), 0.5)})
        writer.fail([Failure("dark.jpg", "crop", "no_face", "none")])
    joined = [
        np.concatenate([getattr(crops, name) for _, crops in batches])
        for name in ("images", "landmarks", "source_scale")
    ]
    return folder, FaceCrops(*joined)


def test_all_comes_back(written: tuple[Path, FaceCrops]) -> None:
    folder, crops = written
    opened = CropFolder.open(folder)
    assert len(opened) == 5
    assert opened.crop == "arcface"
    assert opened.samples.sample_ids.tolist() == IDS.tolist()
    assert opened.samples.subject_ids.tolist() == ["ada", "ada", "bob.jpg", "bob.jpg#1", "zoe"]
    assert opened.failures == [Failure("dark.jpg", "crop", "no_face", "none")]
    assert opened.table.numbers("confidence").tolist() == [0.5] * 5
    assert opened.table.texts("photo").tolist() == IDS.tolist()
    for rows in (slice(None), np.array([4, 0]), slice(1, 3)):
        back, expected = opened.load(rows), crops.rows(rows)
        np.testing.assert_array_equal(back.images, expected.images)
        np.testing.assert_array_equal(back.landmarks, expected.landmarks)
        np.testing.assert_array_equal(back.source_scale, expected.source_scale)


def test_files_keep_the_names_of_the_photos(written: tuple[Path, FaceCrops]) -> None:
    folder, _ = written
    found = find_images(folder)
    assert found.sample_ids.tolist() == sorted(f"{name}.png" for name in IDS.tolist())
    assert CropFolder.open(folder).samples.paths is not None
    assert sorted(CropFolder.open(folder).samples.paths.tolist()) == found.paths.tolist()


def test_digest_follows_the_content(written: tuple[Path, FaceCrops], rng: np.random.Generator) -> None:
    folder, _ = written
    first = CropFolder.open(folder).digest
    assert CropFolder.open(folder).digest == first
    with write_crops(folder, crop="arcface", provenance=PROVENANCE) as writer:
        writer.add(*batch(rng, slice(0, 3)))
    assert CropFolder.open(folder).digest != first


def test_without_landmarks_or_any_crop(tmp_path: Path, rng: np.random.Generator) -> None:
    samples, crops = batch(rng, slice(0, 2))
    with write_crops(tmp_path / "plain", crop="dlib", provenance=PROVENANCE) as writer:
        writer.add(SampleSet(samples.sample_ids, samples.subject_ids), FaceCrops(crops.images))
    back = CropFolder.open(tmp_path / "plain").load(slice(None))
    assert back.landmarks is None
    assert back.source_scale is None
    with write_crops(tmp_path / "none", crop="dlib", provenance=PROVENANCE) as writer:
        writer.fail([Failure("a", "crop", "missing")])
    assert len(CropFolder.open(tmp_path / "none")) == 0
    assert [item.sample_id for item in CropFolder.open(tmp_path / "none").failures] == ["a"]


def break_off(folder: Path, rng: np.random.Generator, *batches: slice, **columns: np.ndarray) -> None:
    with write_crops(folder, crop="arcface", provenance=PROVENANCE) as writer:
        for rows in batches:
            writer.add(*batch(rng, rows), columns=columns)
            columns = {}


def test_bad_batches_leave_nothing(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match="sample_ids must be unique, repeated: bob"):
        break_off(tmp_path / "crops", rng, slice(0, 3), slice(2, 4))
    with pytest.raises(DataError, match=r"columns must have one length, got crops 2, .*x 3"):
        break_off(tmp_path / "crops", rng, slice(0, 2), x=np.zeros(3))
    with pytest.raises(DataError, match=r"batches must share columns: .* x.*; got"):
        break_off(tmp_path / "crops", rng, slice(0, 2), slice(2, 4), x=np.zeros(2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "a/../../b.jpg"])
def test_ids_stay_inside_the_folder(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    samples = SampleSet(np.array([name]), np.array(["a"]))
    crops = FaceCrops(np.zeros((1, 8, 8, 3), np.uint8))
    with (
        pytest.raises(DataError, match="leads out of the folder"),
        write_crops(tmp_path / "crops", crop="arcface", provenance=PROVENANCE) as writer,
    ):
        writer.add(samples, crops)


def test_other_folders_and_damage_are_named(written: tuple[Path, FaceCrops], tmp_path: Path) -> None:
    folder, _ = written
    with pytest.raises(DataError, match=r"has no header\.json, so it holds no crops; .*: fiqa crop"):
        CropFolder.open(tmp_path)
    opened = CropFolder.open(folder)
    with pytest.raises(DataError, match="no rows were asked for"):
        opened.load(slice(0, 0))
    write_image(folder / "ada" / "1.png.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"crops must share one size, .*1\.jpg\.png; .*1\.png\.png"):
        opened.load(slice(None))
    (folder / "bob.jpg.png").unlink()
    with pytest.raises(ImageError, match=r"bob\.jpg\.png does not exist"):
        opened.load(slice(2, 3))
    (folder / "header.json").write_text('{"recogniser": "sface"}')
    with pytest.raises(DataError, match=r"names no crop convention: .* holds no crops"):
        CropFolder.open(folder)


def test_crops_of_another_convention_are_refused(written: tuple[Path, FaceCrops]) -> None:
    folder, _ = written
    assert len(CropFolder.open(folder, crop="arcface")) == 5
    with pytest.raises(DataError, match=r"holds arcface crops and dlib crops are needed: .* --crop dlib"):
        CropFolder.open(folder, crop="dlib")
