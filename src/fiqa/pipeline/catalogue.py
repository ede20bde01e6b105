"""What there is to choose from, as rows of a table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..core.optional import require
from ..deploy.model import load_deployed, shipped_models
from ..methods import METHODS
from ..models.recognisers import RECOGNISERS
from ..models.weights import record_of


def method_rows() -> list[dict[str, Any]]:
    """One row a quality method or label source."""
    columns = (
        "name",
        "gives",
        "trains",
        "needs",
        "weights",
        "deterministic",
        "deterministic_labels",
        "gradients",
        "range",
        "licence",
        "summary",
    )
    return [
        {column: getattr(row, column) for column in columns}
        | {"direction": "higher = more useful", "paper": row.source}
        for row in METHODS.everything()
    ]


def recogniser_rows() -> list[dict[str, Any]]:
    """One row a recogniser."""
    columns = ("name", "summary", "licence", "filename", "sha256", "layout", "source")
    return [{column: getattr(row, column) for column in columns} for row in RECOGNISERS]


def model_rows() -> list[dict[str, Any]]:
    """One row a shipped model, in order of name: the first is what `fiqa score` takes.

    Raises:
        WeightsError: If a card is absent, malformed or that of another file.
    """
    rows = []
    for path in shipped_models().values():
        card = load_deployed(path, threads=1).card
        facts = card.to_dict()
        rows.append(
            {
                "name": card.name,
                "licence": card.licence,
                "size": f"{card.n_bytes / 1e6:.1f} MB {card.precision}",
                "crops": f"{card.spec.crop} {card.spec.size}",
                **{
                    key: facts[key] for key in ("sha256", "terms", "input", "metrics", "robustness", "limits")
                },
            }
        )
    return rows


def area_rows(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a normalised area in `model_rows`: what of, on what, and how large; lower = better."""
    return [
        {
            "name": model["name"],
            "pAUC": f"{one['estimate']:.3f}",
            "benchmark": one["benchmark"],
            "recogniser": one["recogniser"],
            "variant": one["variant"],
        }
        for model in models
        for one in model["metrics"]
        if one.get("kind") == "normalised"
    ]


def inspect_weights(path: Path) -> dict[str, Any]:
    """What a weights file is.

    Returns:
        Of a checkpoint its layout, method, input contract, licence and number of tensors. Of an ONNX file its
        inputs and outputs with their shapes, and the record whose digest it has, or an empty name.

    Raises:
        MissingDependencyError: If reading needs a package that is not installed.
        WeightsError: If the file cannot be read or has no known layout; what is missing is named.
    """
    if path.suffix == ".onnx":
        require("onnx", extra="lab", purpose="look into an ONNX file")
        from ..models.onnx_graph import describe

        shapes = describe(path)
        record = record_of(path)
        return {"name": record.name if record else "", "licence": record.licence if record else "", **shapes}
    from ..models.published import identify

    checkpoint = identify(path)
    layout = checkpoint.layout
    return {
        "name": layout.name,
        "summary": layout.summary,
        "kind": layout.kind,
        "method": layout.method,
        **asdict(layout.spec),
        "licence": layout.licence,
        "tensors": len(checkpoint.state),
        "source": layout.source,
    }
