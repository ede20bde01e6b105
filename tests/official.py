"""Names and shapes of the tensors in published checkpoints, written down without the project's modules.

Sources: the released programs of insightface (arcface_torch), CurricularFace, AdaFace, TFace (quality),
CR-FIQA, MagFace, DifFIQA and eDifFIQA.
"""

from __future__ import annotations

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 200: (6, 26, 60, 6)}
CHANNELS = (64, 64, 128, 256, 512)


def batch_norm(name: str, width: int, *, affine: bool = True) -> Shapes:
    learned = {f"{name}.weight": (width,), f"{name}.bias": (width,)} if affine else {}
    statistics = {f"{name}.running_mean": (width,), f"{name}.running_var": (width,)}
    return {**learned, **statistics, f"{name}.num_batches_tracked": ()}


def linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def prefixed(prefix: str, shapes: Shapes) -> Shapes:
    return {f"{prefix}{name}": shape for name, shape in shapes.items()}


def iresnet(depth: int) -> Shapes:
    shapes = {"conv1.weight": (64, 3, 3, 3), **batch_norm("bn1", 64), "prelu.weight": (64,)}
    for stage, count in enumerate(BLOCKS[depth], start=1):
        for block in range(count):
            width = CHANNELS[stage]
            inputs, at = (CHANNELS[stage - 1] if block == 0 else width), f"layer{stage}.{block}"
            shapes |= batch_norm(f"{at}.bn1", inputs)
            shapes[f"{at}.conv1.weight"] = (width, inputs, 3, 3)
            shapes |= batch_norm(f"{at}.bn2", width)
            shapes[f"{at}.prelu.weight"] = (width,)
            shapes[f"{at}.conv2.weight"] = (width, width, 3, 3)
            shapes |= batch_norm(f"{at}.bn3", width)
            if block == 0:
                shapes[f"{at}.downsample.0.weight"] = (width, inputs, 1, 1)
                shapes |= batch_norm(f"{at}.downsample.1", width)
    return {
        **shapes,
        **batch_norm("bn2", 512),
        **linear("fc", 25088, 512),
        **batch_norm("features", 512),
    }


def ir_trunk(depth: int, *, extra_norm: bool) -> Shapes:
    shapes = {
        "input_layer.0.weight": (64, 3, 3, 3),
        **batch_norm("input_layer.1", 64),
        "input_layer.2.weight": (64,),
    }
    number = 0
    for stage, count in enumerate(BLOCKS[depth], start=1):
        for block in range(count):
            width, at = CHANNELS[stage], f"body.{number}"
            inputs = CHANNELS[stage - 1] if block == 0 else width
            if inputs != width:
                shapes[f"{at}.shortcut_layer.0.weight"] = (width, inputs, 1, 1)
                shapes |= batch_norm(f"{at}.shortcut_layer.1", width)
            shapes |= batch_norm(f"{at}.res_layer.0", inputs)
            shapes[f"{at}.res_layer.1.weight"] = (width, inputs, 3, 3)
            if extra_norm:
                shapes |= batch_norm(f"{at}.res_layer.2", width)
            shift = 1 if extra_norm else 0
            shapes[f"{at}.res_layer.{2 + shift}.weight"] = (width,)
            shapes[f"{at}.res_layer.{3 + shift}.weight"] = (width, width, 3, 3)
            shapes |= batch_norm(f"{at}.res_layer.{4 + shift}", width)
            number += 1
    return shapes


def ir(depth: int, *, extra_norm: bool) -> Shapes:
    return {
        **ir_trunk(depth, extra_norm=extra_norm),
        **batch_norm("output_layer.0", 512),
        **linear("output_layer.3", 25088, 512),
        **batch_norm("output_layer.4", 512, affine=False),
    }


def sdd_fiqa() -> Shapes:
    head = {"quality.1.weight": (25088,), **linear("quality.3", 25088, 1)}
    return {**ir_trunk(50, extra_norm=False), **head}


def mobilefacenet(*, classic: bool) -> Shapes:
    shapes: Shapes = {}

    def unit(at: str, inputs: int, outputs: int, kernel: int, *, slope: bool = True) -> None:
        conv, norm, prelu = ("conv", "bn", "prelu") if classic else ("layers.0", "layers.1", "layers.2")
        shapes[f"{at}.{conv}.weight"] = (outputs, inputs, kernel, kernel)
        shapes.update(batch_norm(f"{at}.{norm}", outputs))
        if slope:
            shapes[f"{at}.{prelu}.weight"] = (outputs,)

    def bottleneck(at: str, inputs: int, inner: int, outputs: int) -> None:
        names = ("conv", "conv_dw", "project") if classic else ("layers.0", "layers.1", "layers.2")
        unit(f"{at}.{names[0]}", inputs, inner, 1)
        unit(f"{at}.{names[1]}", 1, inner, 3)
        unit(f"{at}.{names[2]}", inner, outputs, 1, slope=False)

    narrow, wide = (64, 128) if classic else (128, 256)
    names = ("conv1", "conv2_dw", "conv_23", "conv_3", "conv_34", "conv_4", "conv_45", "conv_5")
    at = names if classic else tuple(f"layers.{number}" for number in range(8))
    stack = "model" if classic else "layers"
    unit(at[0], 3, narrow, 3)
    unit(at[1], narrow // 64, narrow, 3)
    bottleneck(at[2], narrow, 128, narrow)
    for block in range(4):
        bottleneck(f"{at[3]}.{stack}.{block}", narrow, 128, narrow)
    bottleneck(at[4], narrow, 256, wide)
    for block in range(6):
        bottleneck(f"{at[5]}.{stack}.{block}", wide, 256, wide)
    bottleneck(at[6], wide, 512, wide)
    for block in range(2):
        bottleneck(f"{at[7]}.{stack}.{block}", wide, 256, wide)
    unit("conv_6_sep" if classic else "conv_sep", wide, 512, 1)
    unit("conv_6_dw" if classic else "features.layers.0", 1, 512, 7, slope=False)
    shapes["linear.weight" if classic else "features.layers.2.weight"] = (512, 512)
    shapes |= batch_norm("bn" if classic else "features.layers.3", 512)
    return shapes


def ediffiqa(base: Shapes) -> Shapes:
    return {**prefixed("base_model.", base), **linear("mlp.l1", 512, 1024), **linear("mlp.l2", 1024, 1)}


OFFICIAL: dict[str, Shapes] = {
    **{f"arcface-iresnet{depth}": iresnet(depth) for depth in BLOCKS},
    **{f"magface-iresnet{depth}": prefixed("features.module.", iresnet(depth)) for depth in (18, 50, 100)},
    "insightface-mxnet-iresnet100": prefixed("mxnet.", iresnet(100)),
    "curricularface-ir101": ir(100, extra_norm=False),
    "adaface-ir18": prefixed("model.", ir(18, extra_norm=True)),
    "adaface-ir50": prefixed("model.", ir(50, extra_norm=True)),
    "adaface-ir101": prefixed("model.", ir(100, extra_norm=True)),
    "arcface-mobilefacenet": mobilefacenet(classic=False),
    "cr-fiqa-iresnet50": {**iresnet(50), **linear("qs", 512, 1)},
    "cr-fiqa-iresnet100": {**iresnet(100), **linear("qs", 512, 1)},
    "sdd-fiqa-ir50": prefixed("module.", sdd_fiqa()),
    "diffiqa-r-iresnet100": {**prefixed("base.", iresnet(100)), **linear("linear", 512, 1)},
    **{f"ediffiqa-iresnet{depth}": ediffiqa(iresnet(depth)) for depth in (18, 50, 100)},
    "ediffiqa-mobilefacenet": ediffiqa(mobilefacenet(classic=True)),
}
"""Raw names, as the published file holds them, and shapes, by the name of the layout."""


def random_state(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Random tensors under the official names, of which a network keeps its signal alive."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in OFFICIAL[name].items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
            continue
        tensor = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            tensor /= tensor[0].numel() ** 0.5
        elif key.endswith("running_var"):
            tensor = tensor.abs() + 0.5
        else:
            tensor = 0.1 * tensor + key.endswith("weight")
        state[key] = tensor
    return state
