"""Archives of aligned images as a source of faces."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fiqa.core.errors import DataError
from fiqa.core.protocols import InputSpec
from fiqa.io.crops import CropFolder
from fiqa.io.store import read_embeddings, read_failures
from fiqa.pipeline.crop import Crop
from fiqa.pipeline.embed import Embed
from fiqa.pipeline.source import ArchivedImages, chunks, open_source
from packed import training_set, write_bin, write_records

SPEC = InputSpec(size=112, crop="arcface")


def encoded(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (4, 112, 112, 3), dtype=np.uint8)


def test_bin_as_a_source(tmp_path: Path, images: np.ndarray) -> None:
    small = encoded(images[0, :56, :56])
    path = write_bin(tmp_path / "a.bin", [*map(encoded, images), small, b"no image"], [1, 0, 0])
    source = open_source(path, SPEC)
    assert [len(rows) for rows in chunks(source)] == [6]
    batch = source.load(np.arange(6))
    np.testing.assert_array_equal(batch.crops.images, images)
    assert batch.samples.sample_ids.tolist() == ["000000", "000001", "000002", "000003"]
    assert batch.samples.subject_ids.tolist() == ["000000", "000000", "000002", "000003"]
    assert batch.paths[1] == f"{path}#000001"
    assert [(item.sample_id, item.reason) for item in batch.failures] == [
        ("000004", "wrong_size"),
        ("000005", "not_an_image"),
    ]


def test_rec_as_a_source(tmp_path: Path, images: np.ndarray) -> None:
    path = write_records(tmp_path / "train.rec", training_set([*map(encoded, images)], [8, 8, 8, 9]))
    broken = bytearray(path.read_bytes())
    second = int(path.with_suffix(".idx").read_text().splitlines()[2].partition("\t")[2])
    broken[second + 4 : second + 8] = (1 << 29 | 40).to_bytes(4, "little")
    path.write_bytes(broken)
    batch = open_source(path, SPEC).load(np.array([3, 0, 1]))
    np.testing.assert_array_equal(batch.crops.images, images[[3, 0]])
    assert batch.samples.sample_ids.tolist() == ["000009/00000004", "000008/00000001"]
    assert batch.samples.subject_ids.tolist() == ["000009", "000008"]
    assert [(item.sample_id, item.reason) for item in batch.failures] == [("000008/00000002", "damaged")]


def test_other_crops_are_refused(tmp_path: Path, images: np.ndarray) -> None:
    path = write_bin(tmp_path / "a.bin", [encoded(images[0])] * 2, [1])
    with pytest.raises(DataError, match=r"a\.bin holds arcface crops and dlib crops are needed"):
        open_source(path, InputSpec(size=150, crop="dlib"))
    assert isinstance(open_source(path, SPEC), ArchivedImages)


def test_failures_of_an_earlier_stage_are_carried_on(tmp_path: Path, images: np.ndarray) -> None:
    path = write_bin(tmp_path / "a.bin", [*map(encoded, images[:3]), b"no image"], [1, 0])
    Crop(photos=path, output=tmp_path / "crops").execute(lambda *_: None)
    folder = CropFolder.open(tmp_path / "crops")
    np.testing.assert_array_equal(folder.load(slice(None)).images, images[:3])
    Embed(photos=tmp_path / "crops", output=tmp_path / "emb").execute(lambda *_: None)
    assert read_embeddings(tmp_path / "emb").sample_ids.tolist() == ["000000", "000001", "000002"]
    assert [item.sample_id for item in read_failures(tmp_path / "emb" / "failures.csv")] == ["000003"]
