"""Every scoring method at hand, each on the first recogniser that it works with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fiqa.core.errors import FiqaError
from fiqa.core.protocols import QualityMethod
from fiqa.methods import METHODS, load_method
from fiqa.methods.learned import Learned
from fiqa.models.recognisers import load_recogniser, load_torch_recogniser
from fiqa.models.torch_recogniser import TorchRecogniser
from fiqa.pipeline.models import REGRESSOR

torch_recogniser = cache(load_torch_recogniser)
plain_recogniser = cache(load_recogniser)

Settings = Callable[[TorchRecogniser], Mapping[str, Any]]


def scorers(
    recognisers: Sequence[str], settings: Mapping[str, Settings], *, models: Mapping[str, Path] | None = None
) -> Iterator[tuple[str, str, QualityMethod]]:
    """(method, recogniser, what scores); a method that cannot be built is told on the standard output.

    `settings` gives those of a method on a recogniser; all others keep their published values. `models` are
    folders written by `fiqa train`, by the name of the method that they were trained for; they come first.
    """
    for name, folder in (models or {}).items():
        learned = Learned(folder / REGRESSOR)
        yield name, learned.record.recogniser, learned
    for row in METHODS:
        reasons = []
        wanted = row.target and row.name not in (models or {})
        for name in recognisers if wanted else ():
            try:
                backbone = (plain_recogniser if row.needs == "recogniser" else torch_recogniser)(name)
                chosen = settings[row.name](torch_recogniser(name)) if row.name in settings else {}
                method = load_method(row.name, backbone, settings=chosen)
            except FiqaError as error:
                reasons.append(f"on {name}: {error}")
                continue
            yield row.name, name if "recogniser" in row.needs else "", method
            break
        else:
            if wanted:
                print(f"{row.name} is left out; {'; '.join(reasons)}")
