"""Degradation that the images behind a file carry: labels are true of the images that they are made from."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DataError
from ..io.atomic import HEADER
from ..io.provenance import Provenance
from ..io.store import read_json
from ..io.tables import read_table

UNTOUCHED = "none"
_RECORDED_IN = (".parquet", ".json")


def degradation_behind(path: Path | None, *, photographs: bool = False) -> str | None:
    """The degradation of the images that a stage reads, or that its input was made from.

    Args:
        path: Folder or file that a stage wrote, or images.
        photographs: Whether images of unknown origin are photographs, as their makers left them.

    Returns:
        ``"none"``, or share and seed of `fiqa crop --degrade`; None where nothing is known, as of CSV files.
    """
    made_by = None if path is None else _provenance(path)
    if made_by is None:
        return UNTOUCHED if photographs else None
    settings = made_by.settings
    if made_by.kind == "crops" and "degrade" in settings:
        return f"share {settings['degrade']}, seed {settings['seed']}" if settings["degrade"] else UNTOUCHED
    return settings.get("degradation")


def check_degradation(crops: Path, given: Path) -> None:
    """Refuse labels or embeddings of images that carry another degradation than the crops do.

    The same photographs in another alignment convention, or more of them, carry the same one.

    Raises:
        DataError: If both are known and differ.
    """
    known, meant = degradation_behind(given), degradation_behind(crops)
    if None not in (known, meant) and known != meant:
        raise DataError(
            f"{given} was made from images with degradation {known}, but {crops} has degradation {meant}; "
            f"what is true of the former is not of the latter: make it anew from these crops"
        )


def _provenance(path: Path) -> Provenance | None:
    if path.is_dir() and (path / HEADER).exists():
        header = read_json(path / HEADER)
        return Provenance.from_json(header["provenance"]) if "provenance" in header else None
    if path.is_file() and path.suffix.lower() in _RECORDED_IN:
        return read_table(path).provenance
    return None
