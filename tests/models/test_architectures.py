"""Names, shapes and arithmetic of the published architectures, against tables and slow twins."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiqa.models import ir, mobilefacenet, quality_heads
from fiqa.models.iresnet import CrFiqaNet, insightface_mxnet, iresnet, magface
from official import BLOCKS, OFFICIAL

BUILDERS = {
    **{f"arcface-iresnet{depth}": (iresnet, depth) for depth in BLOCKS},
    **{f"magface-iresnet{depth}": (magface, depth) for depth in (18, 50, 100)},
    "insightface-mxnet-iresnet100": (insightface_mxnet, 100),
    "curricularface-ir101": (ir.curricularface, 100),
    "adaface-ir18": (ir.adaface, 18),
    "adaface-ir50": (ir.adaface, 50),
    "adaface-ir101": (ir.adaface, 100),
    "arcface-mobilefacenet": (mobilefacenet.mobilefacenet,),
    "cr-fiqa-iresnet50": (CrFiqaNet, 50),
    "cr-fiqa-iresnet100": (CrFiqaNet, 100),
    "sdd-fiqa-ir50": (ir.SddFiqaNet, 50),
    "diffiqa-r-iresnet100": (quality_heads.diffiqa_r, 100),
    **{f"ediffiqa-iresnet{depth}": (quality_heads.ediffiqa, depth) for depth in (18, 50, 100)},
    "ediffiqa-mobilefacenet": (quality_heads.ediffiqa_tiny,),
}
PREFIXES = {"magface": "features.module.", "adaface": "model.", "sdd": "module.", "insightface": "mxnet."}


@pytest.mark.parametrize("name", OFFICIAL)
def test_names_and_shapes_are_the_published_ones(name):
    builder, *depth = BUILDERS[name]
    with torch.device("meta"):
        state = builder(*depth).state_dict()
    prefix = PREFIXES.get(name.split("-")[0], "")
    assert {f"{prefix}{key}": tuple(value.shape) for key, value in state.items()} == OFFICIAL[name]


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("arcface-iresnet100", 925),
        ("arcface-iresnet50", 475),
        ("cr-fiqa-iresnet100", 927),
        ("cr-fiqa-iresnet50", 477),
        ("curricularface-ir101", 672),
        ("adaface-ir101", 917),
        ("sdd-fiqa-ir50", 340),
    ],
)
def test_numbers_of_entries(name, entries):
    assert len(OFFICIAL[name]) == entries


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("ediffiqa-mobilefacenet", 1.7),
        ("ediffiqa-iresnet18", 24.6),
        ("ediffiqa-iresnet50", 44.1),
        ("ediffiqa-iresnet100", 65.7),
    ],
)
def test_parameters_are_as_many_as_published(name, millions):
    builder, *depth = BUILDERS[name]
    with torch.device("meta"):
        total = sum(parameter.numel() for parameter in builder(*depth).parameters())
    assert round(total / 1e6, 1) == millions


def randomised(module: nn.Module) -> tuple[nn.Module, dict[str, Tensor]]:
    """In evaluation mode, with random statistics and slopes: a part left out or exchanged shows."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            scale = 1 if tensor.ndim < 2 else tensor[0].numel() ** 0.5
            tensor.normal_(generator=generator).div_(scale)
            if name.endswith("running_var"):
                # so small that another eps shows
                tensor.abs_().mul_(1e-3).add_(1e-4)
            elif name.split(".")[-1] == "weight" and tensor.ndim == 1:
                tensor.abs_().mul_(0.05)
    return module.eval(), module.state_dict()


class Twin:
    """Layers by their names in a state dict, one call each."""

    def __init__(self, state: dict[str, Tensor], eps: float) -> None:
        self.state, self.eps = state, eps

    def conv(self, name: str, data: Tensor, *, stride: int = 1) -> Tensor:
        weight = self.state[f"{name}.weight"]
        padding = 1 if weight.shape[-1] == 3 else 0
        groups = data.shape[1] // weight.shape[1]
        return F.conv2d(data, weight, stride=stride, padding=padding, groups=groups)

    def norm(self, name: str, data: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (data.ndim - 2))
        mean, variance = (self.state[f"{name}.running_{kind}"].view(shape) for kind in ("mean", "var"))
        data = (data - mean) / (variance + self.eps).sqrt()
        if f"{name}.weight" not in self.state:
            return data
        return data * self.state[f"{name}.weight"].view(shape) + self.state[f"{name}.bias"].view(shape)

    def slope(self, name: str, data: Tensor) -> Tensor:
        slopes = self.state[f"{name}.weight"].view(1, -1, *[1] * (data.ndim - 2))
        return torch.where(data > 0, data, data * slopes)

    def linear(self, name: str, data: Tensor) -> Tensor:
        result = data.flatten(1) @ self.state[f"{name}.weight"].T
        return result + self.state[f"{name}.bias"] if f"{name}.bias" in self.state else result


def iresnet18_twin(state: dict[str, Tensor], data: Tensor, eps: float) -> Tensor:
    twin = Twin(state, eps)
    data = twin.slope("prelu", twin.norm("bn1", twin.conv("conv1", data)))
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            at, stride = f"layer{stage}.{block}", 2 if block == 0 else 1
            inner = twin.conv(f"{at}.conv1", twin.norm(f"{at}.bn1", data))
            inner = twin.slope(f"{at}.prelu", twin.norm(f"{at}.bn2", inner))
            inner = twin.norm(f"{at}.bn3", twin.conv(f"{at}.conv2", inner, stride=stride))
            if block == 0:
                data = twin.norm(f"{at}.downsample.1", twin.conv(f"{at}.downsample.0", data, stride=2))
            data = inner + data
    return twin.norm("features", twin.linear("fc", twin.norm("bn2", data)))


def ir18_trunk_twin(twin: Twin, data: Tensor, *, extra_norm: bool) -> Tensor:
    data = twin.slope("input_layer.2", twin.norm("input_layer.1", twin.conv("input_layer.0", data)))
    for number in range(8):
        at, stride, shift = f"body.{number}", 2 if number % 2 == 0 else 1, int(extra_norm)
        inner = twin.conv(f"{at}.res_layer.1", twin.norm(f"{at}.res_layer.0", data))
        if extra_norm:
            inner = twin.norm(f"{at}.res_layer.2", inner)
        inner = twin.slope(f"{at}.res_layer.{2 + shift}", inner)
        inner = twin.conv(f"{at}.res_layer.{3 + shift}", inner, stride=stride)
        inner = twin.norm(f"{at}.res_layer.{4 + shift}", inner)
        if number in (2, 4, 6):
            shortcut = twin.conv(f"{at}.shortcut_layer.0", data, stride=2)
            data = twin.norm(f"{at}.shortcut_layer.1", shortcut)
        else:
            data = data[:, :, ::stride, ::stride]
        data = inner + data
    return data


def mobilefacenet_twin(state: dict[str, Tensor], data: Tensor) -> Tensor:
    twin = Twin(state, 1e-5)

    def unit(at: str, data: Tensor, stride: int = 1) -> Tensor:
        data = twin.norm(f"{at}.bn", twin.conv(f"{at}.conv", data, stride=stride))
        return twin.slope(f"{at}.prelu", data) if f"{at}.prelu.weight" in state else data

    def bottleneck(at: str, data: Tensor, stride: int = 1) -> Tensor:
        data = unit(f"{at}.conv_dw", unit(f"{at}.conv", data), stride)
        return unit(f"{at}.project", data)

    data = unit("conv2_dw", unit("conv1", data, 2))
    for down, stack, count in (("conv_23", "conv_3", 4), ("conv_34", "conv_4", 6), ("conv_45", "conv_5", 2)):
        data = bottleneck(down, data, 2)
        for block in range(count):
            data = data + bottleneck(f"{stack}.model.{block}", data)
    data = unit("conv_6_dw", unit("conv_6_sep", data))
    data = twin.norm("bn", twin.linear("linear", data))
    return data / data.square().sum(dim=1, keepdim=True).sqrt()


@pytest.fixture
def crops():
    return torch.rand(1, 3, 112, 112, generator=torch.Generator().manual_seed(1)) * 2 - 1


def close(found: Tensor, expected: Tensor) -> None:
    assert expected.std() > 0
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().mean()))


@pytest.mark.parametrize(("build", "eps"), [(iresnet, 1e-5), (magface, 2e-5), (insightface_mxnet, 2e-5)])
@torch.inference_mode()
def test_iresnet_against_a_twin(build, eps, crops):
    module, state = randomised(build(18))
    close(module(crops), iresnet18_twin(state, crops, eps))
    other = iresnet18_twin(state, crops, 3e-5 - eps)
    assert (module(crops) - other).abs().mean() > 1e-2 * other.abs().mean()


@torch.inference_mode()
def test_cr_fiqa_scores_the_raw_embedding(crops):
    module, state = randomised(CrFiqaNet(18))
    embedding = iresnet18_twin(state, crops, 1e-5)
    score = Twin(state, 1e-5).linear("qs", embedding)
    assert module(crops).shape == (1, 1)
    assert module(crops).item() == pytest.approx(score.item(), rel=1e-2)


@pytest.mark.parametrize("extra_norm", [False, True])
@torch.inference_mode()
def test_ir_against_a_twin(extra_norm, crops):
    module, state = randomised((ir.adaface if extra_norm else ir.curricularface)(18))
    twin = Twin(state, 1e-5)
    maps = twin.norm("output_layer.0", ir18_trunk_twin(twin, crops, extra_norm=extra_norm))
    close(module(crops), twin.norm("output_layer.4", twin.linear("output_layer.3", maps)))


@torch.inference_mode()
def test_sdd_fiqa_scores_the_sloped_maps(crops):
    module, state = randomised(ir.SddFiqaNet(18))
    twin = Twin(state, 1e-5)
    maps = twin.slope("quality.1", ir18_trunk_twin(twin, crops, extra_norm=False).flatten(1))
    score = twin.linear("quality.3", maps).item()
    assert module(crops).item() == pytest.approx(score, rel=1e-2)


@torch.inference_mode()
def test_mobilefacenet_against_a_twin(crops):
    module, state = randomised(mobilefacenet.unit_mobilefacenet())
    close(module(crops), mobilefacenet_twin(state, crops))


@torch.inference_mode()
def test_both_mobilefacenets_are_the_same_but_for_names_and_width(crops):
    """The wide form against the narrow twin, its names translated and its embedding brought to length 1."""
    module, state = randomised(mobilefacenet.mobilefacenet())
    assert module[0][1].layers[0].groups == 64
    stages = ("conv1", "conv2_dw", "conv_23", "conv_3", "conv_34", "conv_4", "conv_45", "conv_5")
    units, parts = ("conv", "bn", "prelu"), ("conv", "conv_dw", "project")

    def translated(key: str) -> str:
        words = [word for word in key.split(".") if word != "layers"]
        if words[0] == "conv_sep":
            return ".".join(("conv_6_sep", units[int(words[1])], *words[2:]))
        if words[0] == "features":
            if words[1] == "0":
                return ".".join(("conv_6_dw", units[int(words[2])], *words[3:]))
            return ".".join(({"2": "linear", "3": "bn"}[words[1]], *words[2:]))
        stage, numbers, tensor = stages[int(words[0])], words[1:-1], words[-1]
        if stage in ("conv1", "conv2_dw"):
            return f"{stage}.{units[int(numbers[0])]}.{tensor}"
        block = f"model.{numbers.pop(0)}." if len(numbers) == 3 else ""
        return f"{stage}.{block}{parts[int(numbers[0])]}.{units[int(numbers[1])]}.{tensor}"

    found = F.normalize(module(crops))
    close(found, mobilefacenet_twin({translated(key): tensor for key, tensor in state.items()}, crops))


@torch.inference_mode()
def test_heads_of_ediffiqa_and_diffiqa_r(crops):
    for module, names in (
        (quality_heads.ediffiqa(18), ("base_model", "mlp")),
        (quality_heads.diffiqa_r(18), ("base", "linear")),
    ):
        module, state = randomised(module)
        base = {key.removeprefix(f"{names[0]}."): tensor for key, tensor in state.items()}
        data, twin = iresnet18_twin(base, crops, 1e-5), Twin(state, 1e-5)
        if names[1] == "mlp":
            data = twin.linear("mlp.l1", data)
            data = twin.linear("mlp.l2", data * 0.5 * (1 + torch.erf(data / 2**0.5)))
        else:
            data = twin.linear("linear", data)
        assert module(crops).item() == pytest.approx(data.item(), rel=1e-2)
