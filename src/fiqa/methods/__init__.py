"""Face image quality assessment: one file a method, and the table of them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import SettingsError
from ..core.optional import require
from ..core.protocols import InputSpec, LabelSource, QualityMethod, Recogniser
from ..core.registry import Entry, Registry
from ..models.layouts import layouts_of

if TYPE_CHECKING:
    from ..models.objective import Objective

Needs = Literal[
    "nothing", "recogniser", "torch recogniser", "checkpoint", "weights", "embeddings", "training"
]
Gives = Literal["scores", "labels", "both", "training"]


@dataclass(frozen=True)
class MethodRow(Entry):
    """One method; higher = more useful for all of them.

    Attributes:
        target: The class that scores crops; empty for a method that only labels.
        labels_from: ``"module:attribute"`` of the class that derives labels of known subjects from their
            embeddings; empty for a method that only scores.
        objective: ``"module:attribute"`` of what a training of the method minimises; empty for a method that
            is not trained or learns labels alone.
        needs: What scoring needs; ``embeddings`` for a method that only labels, ``training`` for one that is
            only trained.
        weights: Record of the weights that a method takes unless others are given.
        recogniser: The one that a method takes unless another is given.
        deterministic: Whether no random draw is involved in scoring, or in labelling where a method only
            labels. All draws are seeded.
        deterministic_labels: The same of labelling alone.
        gradients: Whether gradients through the recogniser are needed.
        range: Values that scores or labels take.
        licence: Terms of what the method loads beside the recogniser; this package's own for its code.
        gives: ``scores``, ``labels`` or ``both``; ``training`` for a method that is only trained.
        trains: Whether `fiqa train` knows its objective.
    """

    labels_from: str = ""
    objective: str = ""
    needs: Needs = "recogniser"
    weights: str = ""
    recogniser: str = "sface"
    deterministic: bool = True
    deterministic_labels: bool = True
    gradients: bool = False
    range: str = ""
    licence: str = "Apache-2.0"
    gives: Gives = field(init=False)
    trains: bool = field(init=False)

    def __post_init__(self) -> None:
        gives: Gives = "scores" if self.target else "labels" if self.labels_from else "training"
        object.__setattr__(self, "gives", "both" if self.target and self.labels_from else gives)
        object.__setattr__(self, "trains", bool(self.objective))
        if not self.target:
            object.__setattr__(self, "deterministic_labels", self.deterministic)


METHODS: Registry[MethodRow] = Registry(
    "method",
    (
        MethodRow(
            "embedding_norm",
            "fiqa.methods.embedding_norm:EmbeddingNorm",
            "length of the raw embedding",
            "Meng et al. 2021, arXiv 2103.06627",
            labels_from="fiqa.methods.embedding_norm:NormLabels",
            range="above 0",
        ),
        MethodRow(
            "magface",
            "fiqa.methods.magface:MagFace",
            "length of the raw embedding of the official MagFace recogniser, or of another one",
            "Meng et al. 2021, arXiv 2103.06627",
            objective="fiqa.methods.magface_training:MagFaceObjective",
            recogniser="magface",
            range="above 0",
            licence="that of the recogniser",
        ),
        MethodRow(
            "ser_fiq",
            "fiqa.methods.ser_fiq:SerFiq",
            "stability of the embedding under random dropout",
            "Terhoerst et al. 2020, arXiv 2003.09373",
            needs="torch recogniser",
            deterministic=False,
            range="(0, 1)",
        ),
        MethodRow(
            "faceqan",
            "fiqa.methods.faceqan:FaceQan",
            "resistance of the embedding to adversarial noise, times mirror symmetry",
            "Babnik et al. 2022, arXiv 2212.02127",
            needs="torch recogniser",
            deterministic=False,
            gradients=True,
            range="[-1, 1]",
        ),
        MethodRow(
            "grafiqs",
            "fiqa.methods.grafiqs:Grafiqs",
            "how little the network would have to change for the crop, by its batch normalisations",
            "Kolf et al. 2024, arXiv 2404.12203",
            needs="torch recogniser",
            gradients=True,
            range="at most 0",
        ),
        MethodRow(
            "froq",
            "fiqa.methods.froq:Froq",
            "length of the outputs of layers that `fiqa froq` found to tell quality",
            "Babnik et al. 2025, IJCB",
            needs="torch recogniser",
            range="above 0",
        ),
        MethodRow(
            "classical",
            "fiqa.methods.classical:Classical",
            "geometric mean of sharpness, structure, brightness, contrast, resolution and pose",
            "Crete et al. 2007, doi:10.1117/12.702790; Zhu, Milanfar 2010, doi:10.1109/TIP.2010.2052820",
            needs="nothing",
            range="[0, 1]",
        ),
        MethodRow(
            "learned",
            "fiqa.methods.learned:Learned",
            "a regressor trained on labels, one pass a crop",
            "Babnik et al. 2023, arXiv 2305.14856",
            needs="checkpoint",
            range="that of its labels, or about [0, 1]",
            licence="that of the recogniser and the training data",
        ),
        MethodRow(
            "ediffiqa",
            "fiqa.methods.ediffiqa:EDifFiqa",
            "the published models; trained on labels corrected by the distance to the subject's best images",
            "Babnik et al. 2024, IEEE T-BIOM",
            objective="fiqa.methods.ediffiqa_training:EDifFiqaObjective",
            needs="weights",
            weights="ediffiqa_t",
            range="about [0, 1]",
            licence="that of the weights",
        ),
        MethodRow(
            "diffiqa_r",
            "fiqa.methods.diffiqa_r:DifFiqaR",
            "the published model, one pass a crop",
            "Babnik et al. 2023, arXiv 2305.05768",
            needs="weights",
            range="about [0, 1]",
            licence="MIT",
        ),
        MethodRow(
            "onnx",
            "fiqa.methods.onnx:OnnxQuality",
            "any quality model as ONNX, with a card that says how it wants its crops",
            needs="weights",
            range="that of the model",
            licence="that of the weights",
        ),
        MethodRow(
            "sdd_fiqa",
            "fiqa.methods.sdd_fiqa:SddFiqa",
            "Wasserstein distance between mated and non-mated similarities, or the official network for it",
            "Ou et al. 2021, arXiv 2103.05977",
            labels_from="fiqa.methods.sdd_fiqa:SddFiqaLabels",
            needs="weights",
            deterministic_labels=False,
            range="about [0, 100]",
            licence="TFace's, based on Apache-2.0",
        ),
        MethodRow(
            "cr_fiqa",
            "fiqa.methods.cr_fiqa:CrFiqa",
            "similarity to the own class centre over that to the nearest other one, or the official network",
            "Boutros et al. 2023, arXiv 2112.06592",
            labels_from="fiqa.methods.cr_fiqa:CrFiqaLabels",
            objective="fiqa.methods.cr_fiqa_training:CrFiqaObjective",
            needs="weights",
            range="unbounded",
            licence="CC BY-NC 4.0",
        ),
        MethodRow(
            "pcnet",
            "",
            "labels whose minimum over a mated pair is the similarity of the pair",
            "Xie et al. 2020, arXiv 2009.00603",
            labels_from="fiqa.methods.pcnet:PcNet",
            objective="fiqa.methods.pcnet_training:PcNetObjective",
            needs="embeddings",
            range="[-1, 1]",
        ),
        MethodRow(
            "lightqnet",
            "",
            "chance that a mated pair matches, as its worse image decides",
            "Chen et al. 2021, IEEE Signal Processing Letters",
            objective="fiqa.methods.lightqnet_training:LightQNetObjective",
            needs="training",
            range="(0, 1)",
        ),
        MethodRow(
            "mated_similarity",
            "",
            "mean similarity to the subject's other samples",
            labels_from="fiqa.methods.mated_similarity:MatedSimilarity",
            needs="embeddings",
            range="[-1, 1]",
        ),
        MethodRow(
            "class_centre",
            "",
            "similarity to the centre of the subject's other samples",
            labels_from="fiqa.methods.class_centre:ClassCentre",
            needs="embeddings",
            range="[-1, 1]",
        ),
        MethodRow(
            "random_labels",
            "",
            "uniform labels that know nothing: the control",
            labels_from="fiqa.methods.random_labels:RandomLabels",
            needs="embeddings",
            deterministic=False,
            range="[0, 1)",
        ),
    ),
    group="fiqa.methods",
)


def load_method(
    name: str,
    recogniser: Recogniser | None = None,
    *,
    checkpoint: Path | None = None,
    weights: Path | None = None,
    contract: InputSpec | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> QualityMethod:
    """Build a method that scores crops.

    Args:
        name: A name in `METHODS` that gives scores.
        recogniser: For methods that need one, a `TorchRecogniser` where the row says so. With a checkpoint
            it is the one trained from; without it that is looked up by its recorded name.
        checkpoint: For methods that need one.
        weights: For methods that need some: a file, or the name of a record.
        contract: How a file of weights wants its crops, where it does not say.
        seed: Of methods that draw at random.
        settings: Constructor arguments of the method by name; the rest keep their published values.

    Raises:
        SettingsError: If there is no such method or setting, a value is out of range, or what the method
            needs was not given.
    """
    row = METHODS.get(name)
    if not row.target and row.labels_from:
        raise SettingsError(f"{name} labels samples of known subjects and cannot score crops")
    if not row.target:
        raise SettingsError(f"{name} scores crops by a trained model alone; train one and name that")
    weights = Path(row.weights) if weights is None and row.weights else weights
    part = {"nothing": None, "checkpoint": checkpoint, "weights": weights}.get(row.needs, recogniser)
    lacks_torch = row.needs == "torch recogniser" and not hasattr(recogniser, "before_embedding")
    if row.needs != "nothing" and (part is None or lacks_torch):
        files = ", ".join(file for layout in layouts_of(name) for file in layout.files)
        hint = f": {files}" if files else ""
        raise SettingsError(f"method {name} needs {'' if row.needs == 'weights' else 'a '}{row.needs}{hint}")
    kind = row.load()
    chosen = _checked(kind, name, settings or {})
    if row.needs == "checkpoint":
        chosen["recogniser"] = recogniser
    if row.needs == "weights":
        chosen["contract"] = contract
    if not row.deterministic:
        chosen["seed"] = seed
    method: QualityMethod = kind(**chosen) if row.needs == "nothing" else kind(part, **chosen)
    return method


def load_label_source(name: str, *, settings: Mapping[str, Any] | None = None) -> LabelSource:
    """Build a source of labels of known subjects.

    Args:
        name: A name in `METHODS` that gives labels.
        settings: Constructor arguments by name; the rest keep their published values.

    Raises:
        SettingsError: If there is no such source or setting, or a value is out of range.
    """
    row = METHODS.get(name)
    if not row.labels_from and row.target:
        raise SettingsError(f"{name} scores crops and needs no subjects; score the crops instead")
    if not row.labels_from:
        raise SettingsError(f"{name} derives no labels; it is trained with an objective of its own")
    kind = Entry(name, row.labels_from, row.summary).load()
    source: LabelSource = kind(**_checked(kind, name, settings or {}))
    return source


def load_objective(name: str, *, settings: Mapping[str, Any] | None = None) -> type[Objective]:
    """The objective of a method; it is built when its training begins.

    Args:
        name: A name in `METHODS` that can be trained.
        settings: Keyword arguments to build it with, to be checked by name.

    Raises:
        MissingDependencyError: If torch is not installed.
        SettingsError: If there is no such objective or setting.
    """
    row = METHODS.get(name)
    if not row.objective:
        raise SettingsError(
            f"{name} has no objective of its own; train on its labels or scores with --labels "
            f"(objectives: {', '.join(row.name for row in METHODS if row.objective)})"
        )
    require("torch", extra="lab", purpose="train a regressor")
    kind: type[Objective] = Entry(name, row.objective, row.summary).load()
    _checked(kind, name, settings or {})
    return kind


def _checked(kind: type, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, once all of them are known to be constructor arguments that users set."""
    known = [
        parameter.name
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
        and parameter.name not in ("seed", "recogniser", "contract")
    ]
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3) or known
            hint = f"it has {', '.join(near)}" if near else "it has none"
            raise SettingsError(f"method {name} has no setting {key!r}; {hint}")
    return dict(settings)
