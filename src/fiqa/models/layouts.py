"""Layouts of published checkpoints: which network a file belongs to, told by the names of its tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..core.protocols import InputSpec
from ..core.registry import Entry, Registry

RGB = InputSpec(mean=127.5, std=127.5)
"""Red first, -1..1."""

WRAPPERS = ("", "module.", "model.")
"""What may stand before every name: nothing, or the name that the training program gave the network."""


@dataclass(frozen=True, kw_only=True)
class Layout(Entry):
    """The tensors of one published network.

    A file has a layout if all names and shapes agree; nothing is filled in and nothing passed over, with two
    exceptions. The counters ``num_batches_tracked``, which play no part in use, may be missing all together
    (they are 0 then), as in files that were converted. What stands in `training` may be there.

    Attributes:
        target: Builds the network, given `arguments`.
        arguments: Depths as in the network's name.
        kind: Whether it gives embeddings or one score a crop.
        method: Quality method that a score belongs to, or the training loss that embeddings come from.
        entries: Number of tensors, counters included.
        spec: How the network wants its crops.
        files: Names under which such files were published.
        licence: Terms of the published weights.
        wrappers: What may stand before every name.
        training: Beginnings of further names, of what only training used.
    """

    kind: Literal["recogniser", "quality"] = "recogniser"
    method: str
    entries: int
    spec: InputSpec = RGB
    arguments: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    licence: str
    wrappers: tuple[str, ...] = WRAPPERS
    training: tuple[str, ...] = ()

    def build(self) -> Any:
        """The network, a `torch.nn.Module`, with weights drawn at random."""
        return self.load()(*self.arguments)


def _arcface(depth: int, entries: int) -> Layout:
    files = {
        50: ("ms1mv3_arcface_r50_fp16/backbone.pth",),
        100: (
            "ms1mv3_arcface_r100_fp16/backbone.pth",
            "glint360k_cosface_r100_fp16_0.1/backbone.pth",
            "295672backbone.pth",
        ),
    }
    return Layout(
        name=f"arcface-iresnet{depth}",
        target="fiqa.models.iresnet:iresnet",
        summary=f"iresnet{depth} of ArcFace; files of CosFace and ElasticFace look the same",
        source="Deng et al. 2019, arXiv 1801.07698; Wang et al. 2018, arXiv 1801.09414; "
        "Boutros et al. 2022, arXiv 2109.09416",
        method="arcface",
        entries=entries,
        arguments=(depth,),
        files=files.get(depth, ()),
        licence="non-commercial research only (InsightFace), CC BY-NC-SA 4.0 (ElasticFace)",
    )


def _magface(depth: int, entries: int) -> Layout:
    return Layout(
        name=f"magface-iresnet{depth}",
        target="fiqa.models.iresnet:magface",
        summary=f"iresnet{depth} of MagFace; told from ArcFace's by the `features.` before its names",
        source="Meng et al. 2021, arXiv 2103.06627",
        method="magface",
        entries=entries,
        spec=InputSpec(colour="bgr", std=255.0),
        arguments=(depth,),
        files=("magface_epoch_00025.pth",) if depth == 100 else (),
        licence="Apache-2.0",
        wrappers=("features.module.", "module.features.", "features."),
        training=("fc.", "module.fc.", "parallel_fc."),
    )


def _adaface(name: str, depth: int, entries: int) -> Layout:
    return Layout(
        name=f"adaface-ir{name}",
        target="fiqa.models.ir:adaface",
        summary=f"IR-{name} of AdaFace, a normalisation more a block than CurricularFace's",
        source="Kim, Jain, Liu 2022, arXiv 2204.00964",
        method="adaface",
        entries=entries,
        spec=InputSpec(colour="bgr", mean=127.5, std=127.5),
        arguments=(depth,),
        files=tuple(
            f"adaface_ir{name}_{data}.ckpt"
            for data in {"18": ("casia", "vgg2", "webface4m"), "50": ("casia", "ms1mv2", "webface4m")}.get(
                name, ("ms1mv2", "ms1mv3", "webface4m", "webface12m")
            )
        ),
        licence="MIT",
        training=("head.",),
    )


def _cr_fiqa(depth: int, entries: int, file: str) -> Layout:
    return Layout(
        name=f"cr-fiqa-iresnet{depth}",
        target="fiqa.models.iresnet:CrFiqaNet",
        summary=f"CR-FIQA({'S' if depth == 50 else 'L'}): iresnet{depth} with a score on its embedding",
        source="Boutros et al. 2023, arXiv 2112.06592",
        kind="quality",
        method="cr_fiqa",
        entries=entries,
        arguments=(depth,),
        files=(file,),
        licence="CC BY-NC 4.0",
    )


def _ediffiqa(size: str, backbone: str, builder: str, entries: int, depth: tuple[int, ...]) -> Layout:
    return Layout(
        name=f"ediffiqa-{backbone}",
        target=f"fiqa.models.quality_heads:{builder}",
        summary=f"eDifFIQA({size}): {backbone} with two linear layers on its embedding",
        source="Babnik, Peer, Struc 2024, IEEE T-BIOM",
        kind="quality",
        method="ediffiqa",
        entries=entries,
        arguments=depth,
        files=(f"ediffiqa{size}.pth",),
        licence="none stated by the authors",
    )


LAYOUTS: Registry[Layout] = Registry(
    "layout",
    (
        _arcface(18, 187),
        _arcface(34, 331),
        _arcface(50, 475),
        _arcface(100, 925),
        _arcface(200, 1807),
        Layout(
            name="arcface-mobilefacenet",
            target="fiqa.models.mobilefacenet:mobilefacenet",
            summary="MobileFaceNet of InsightFace's torch programs, 128 channels wide",
            source="Chen et al. 2018, arXiv 1804.07573; Deng et al. 2019, arXiv 1801.07698",
            method="arcface",
            entries=333,
            licence="non-commercial research only",
        ),
        Layout(
            name="insightface-mxnet-iresnet100",
            target="fiqa.models.iresnet:insightface_mxnet",
            summary="LResNet100E-IR of InsightFace as MXNet parameters, the network of SER-FIQ",
            source="Deng et al. 2019, arXiv 1801.07698; Terhoerst et al. 2020, arXiv 2003.09373",
            method="arcface",
            entries=925,
            spec=InputSpec(mean=127.5, std=128.0),
            arguments=(100,),
            files=("insightface-0000.params", "model-0000.params"),
            licence="non-commercial research only",
            wrappers=("mxnet.",),
        ),
        _magface(18, 187),
        _magface(50, 475),
        _magface(100, 925),
        Layout(
            name="curricularface-ir101",
            target="fiqa.models.ir:curricularface",
            summary="IR-101 of CurricularFace",
            source="Huang et al. 2020, arXiv 2004.00288",
            method="curricularface",
            entries=672,
            arguments=(100,),
            files=("CurricularFace_Backbone.pth",),
            licence="MIT",
        ),
        _adaface("18", 18, 179),
        _adaface("50", 50, 467),
        _adaface("101", 100, 917),
        _cr_fiqa(50, 477, "32572backbone.pth"),
        _cr_fiqa(100, 927, "181952backbone.pth"),
        Layout(
            name="sdd-fiqa-ir50",
            target="fiqa.models.ir:SddFiqaNet",
            summary="IR-50 with a score on its maps",
            source="Ou et al. 2021, arXiv 2103.05977",
            kind="quality",
            method="sdd_fiqa",
            entries=340,
            arguments=(50,),
            files=("SDD_FIQA_checkpoints_r50.pth",),
            licence="TFace's, based on Apache-2.0",
        ),
        Layout(
            name="diffiqa-r-iresnet100",
            target="fiqa.models.quality_heads:diffiqa_r",
            summary="DifFIQA(R): iresnet100 with a linear score on its embedding",
            source="Babnik, Peer, Struc 2023, arXiv 2305.05768",
            kind="quality",
            method="diffiqa_r",
            entries=927,
            arguments=(100,),
            files=("diffiqa(r).pth",),
            licence="MIT",
        ),
        _ediffiqa("S", "iresnet18", "ediffiqa", 191, (18,)),
        _ediffiqa("M", "iresnet50", "ediffiqa", 479, (50,)),
        _ediffiqa("L", "iresnet100", "ediffiqa", 929, (100,)),
        _ediffiqa("T", "mobilefacenet", "ediffiqa_tiny", 337, ()),
    ),
)


def layouts_of(method: str) -> Iterator[Layout]:
    """The layouts that belong to a quality method or a training loss."""
    return (layout for layout in LAYOUTS if layout.method == method)
