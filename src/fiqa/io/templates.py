"""Protocols that compare templates, several images of one subject, instead of single images.

Source: IJB-B and IJB-C, Whitelam et al. 2017, doi:10.1109/CVPRW.2017.87, and Maze et al. 2018,
doi:10.1109/ICB2018.2018.00033, in the two text files that recognition code reads.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.arrays import first_few
from ..core.errors import DataError
from ..core.types import PairSet, TemplateSet
from .lines import read_integers, read_lines
from .tables import naming

PREFIXES = {"ijb-b": "ijbb", "ijb-c": "ijbc"}
"""How the files of each kind of pair list begin."""


def read_templates(spec: str) -> TemplateSet | None:
    """The templates of a pair list ``KIND:FOLDER``, or None where its kind compares single images."""
    kind, _, folder = spec.partition(":")
    return _read_members(Path(folder), PREFIXES[kind]) if kind in PREFIXES else None


def read_ijb_b(folder: Path) -> PairSet:
    """IJB-B, pairs of template ids."""
    return _read_pairs(folder, "ijbb")


def read_ijb_c(folder: Path) -> PairSet:
    """IJB-C, pairs of template ids."""
    return _read_pairs(folder, "ijbc")


def _read_members(folder: Path, prefix: str) -> TemplateSet:
    """Lines ``1.jpg 1 69544``: image, template, media."""
    rows = []
    for line in read_lines(folder / f"{prefix}_face_tid_mid.txt"):
        tokens = line.tokens
        if len(tokens) != 3:
            raise line.malformed("'image template media'")
        template, media = line.integers(tokens[1:], "'image template media', the last two whole numbers")
        rows.append((tokens[0], str(template), str(media)))
    return TemplateSet(*(np.array(column) for column in zip(*rows, strict=True)))


def _read_pairs(folder: Path, prefix: str) -> PairSet:
    """Lines ``1 11065 1``: two templates, and whether they are mated."""
    path = folder / f"{prefix}_template_pair_label.txt"
    numbers = read_integers(path, "template template mated")
    odd = np.flatnonzero((numbers[:, 2] < 0) | (numbers[:, 2] > 1))
    if odd.size:
        raise DataError(f"{path}: mated must be 0 or 1, got {first_few(numbers[odd, 2])}")
    templates, index = np.unique(numbers[:, :2], return_inverse=True)
    first, second = index.reshape(-1, 2).T.astype(np.int32)
    names = templates.astype(np.str_)
    known = _read_members(folder, prefix).template_ids
    strange = names[~np.isin(names, known)]
    if strange.size:
        raise DataError(f"{path} names templates that {prefix}_face_tid_mid.txt lacks: {first_few(strange)}")
    with naming(path):
        return PairSet(names, first, second, numbers[:, 2] == 1)
