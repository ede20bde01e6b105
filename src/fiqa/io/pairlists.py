"""Published verification protocols as pair sets, under the sample ids that their image folders give."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.errors import DataError, SettingsError
from ..core.registry import Entry, Registry
from ..core.types import PairSet
from .store import pair_set
from .tables import naming

_HERE = "fiqa.io.pairlists:"

PAIR_LISTS: Registry[Entry] = Registry(
    "pair list",
    (
        Entry(
            "lfw",
            _HERE + "read_lfw",
            "lfw:PATH/pairs.txt, also View 1 lists and XQLFW; ids as in Name/Name_0001.jpg",
            "Huang et al. 2007, UMass Amherst 07-49",
        ),
        Entry(
            "cfp-ff",
            _HERE + "read_cfp_ff",
            "cfp-ff:ROOT, the folder that holds Protocol; ids as in 001/frontal/01.jpg",
            "Sengupta et al. 2016, doi:10.1109/WACV.2016.7477558",
        ),
        Entry(
            "cfp-fp",
            _HERE + "read_cfp_fp",
            "cfp-fp:ROOT, as cfp-ff; first frontal, second profile",
            "Sengupta et al. 2016, doi:10.1109/WACV.2016.7477558",
        ),
        Entry(
            "cplfw",
            _HERE + "read_cplfw",
            "cplfw:PATH/pairs_CPLFW.txt; ids as in Name_1.jpg",
            "Zheng and Deng 2018, BUPT 18-01",
        ),
        Entry("csv", "fiqa.io.store:read_pairs", "csv:PATH with columns first,second,mated[,fold]"),
        Entry("parquet", "fiqa.io.store:read_pairs", "parquet:PATH with the same columns"),
    ),
)


def read_pairlist(spec: str) -> PairSet:
    """Read the pair list behind ``KIND:PATH``, kinds as in `PAIR_LISTS`.

    Raises:
        SettingsError: If the kind is unknown or there is no path.
        DataError: If the list is missing or malformed, naming file and line.
    """
    kind, _, path = spec.partition(":")
    reader = PAIR_LISTS.load(kind)
    if not path:
        raise SettingsError(f"a pair list is KIND:PATH, got {spec!r}; {PAIR_LISTS.get(kind).summary}")
    pairs: PairSet = reader(Path(path))
    return pairs


class _Line(NamedTuple):
    """A line that is not blank, and where it stands."""

    path: Path
    number: int
    text: str

    def malformed(self, wanted: str) -> DataError:
        return DataError(f"{self.path}: line {self.number} must be {wanted}, got {self.text!r}")

    def integers(self, tokens: Iterable[str], wanted: str) -> list[int]:
        tokens = list(tokens)
        if not all(token.isdecimal() for token in tokens):
            raise self.malformed(wanted)
        return [int(token) for token in tokens]


class _Pair(NamedTuple):
    first: str
    second: str
    mated: bool
    fold: int


def read_lfw(path: Path) -> PairSet:
    """LFW ``pairs.txt`` (folds) and View 1 lists (no folds), with or without the counts in the first line.

    A line ``name i j`` is a mated pair, ``name i other j`` a non-mated one. Counts are ``folds size`` or
    ``size``: each fold has `size` mated and `size` non-mated pairs.
    """
    lines = _lines(path)
    n_folds, size = 1, len(lines)
    if len(lines[0].text.split()) <= 2:
        header = lines.pop(0)
        counts = header.integers(header.text.split(), "the counts 'folds size' or 'size'")
        n_folds, size = (1, *counts)[-2:]
        if len(lines) != 2 * size * n_folds:
            announced = 2 * size * n_folds
            raise DataError(f"{path}: line 1 announces {announced} pairs, the file holds {len(lines)}")
    pairs = [_lfw_pair(line, row // (2 * size)) for row, line in enumerate(lines)]
    return _pair_set(path, pairs, folded=n_folds > 1)


def _lfw_pair(line: _Line, fold: int) -> _Pair:
    wanted = "'name i j' or 'name i other j'"
    tokens = line.text.split()
    if len(tokens) not in (3, 4):
        raise line.malformed(wanted)
    name, other = tokens[0], tokens[-2] if len(tokens) == 4 else tokens[0]
    i, j = line.integers((tokens[1], tokens[-1]), wanted)
    return _Pair(f"{name}/{name}_{i:04}.jpg", f"{other}/{other}_{j:04}.jpg", len(tokens) == 3, fold)


def read_cfp_ff(root: Path) -> PairSet:
    """CFP frontal-frontal, 10 folds."""
    return _read_cfp(root, "FF", ("F", "F"))


def read_cfp_fp(root: Path) -> PairSet:
    """CFP frontal-profile, 10 folds; `first` is the frontal image, `second` the profile."""
    return _read_cfp(root, "FP", ("F", "P"))


def _read_cfp(root: Path, protocol: str, sides: tuple[str, str]) -> PairSet:
    protocol_folder = root / "Protocol"
    lists = [_cfp_images(protocol_folder / f"Pair_list_{side}.txt") for side in sides]
    folder = protocol_folder / "Split" / protocol
    folds = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not folds:
        raise DataError(f"{folder} holds no folds; expected 01/same.txt, 01/diff.txt and so on")
    pairs = [
        _Pair(*_cfp_pair(line, lists), name == "same", number)
        for number, fold in enumerate(folds)
        for name in ("same", "diff")
        for line in _lines(fold / f"{name}.txt")
    ]
    return _pair_set(folder, pairs, folded=True)


def _cfp_images(path: Path) -> dict[int, str]:
    """Sample id of each image number in a list of lines ``1 ../Data/Images/001/frontal/01.jpg``."""
    found = {}
    for line in _lines(path):
        number, _, place = line.text.partition(" ")
        _, marker, sample_id = place.strip().partition("Images/")
        if not marker:
            raise line.malformed("'number ../Data/Images/subject/side/image.jpg'")
        found[line.integers([number], "'number path'")[0]] = sample_id
    return found


def _cfp_pair(line: _Line, lists: list[dict[int, str]]) -> tuple[str, str]:
    wanted = "two image numbers 'i,j' of the lists beside Split"
    numbers = line.integers(line.text.split(","), wanted)
    if len(numbers) != 2 or any(number not in names for number, names in zip(numbers, lists, strict=True)):
        raise line.malformed(wanted)
    return lists[0][numbers[0]], lists[1][numbers[1]]


def read_cplfw(path: Path) -> PairSet:
    """CPLFW list: a heading, then two lines ``image 1`` (mated) or ``image 0`` for each pair; no folds."""
    lines = _lines(path)[1:]
    if len(lines) % 2:
        raise DataError(f"{path}: pairs are two lines each, got {len(lines)} lines below the heading")
    pairs = []
    for line, other in zip(lines[::2], lines[1::2], strict=True):
        (first, flag), (second, other_flag) = _cplfw_image(line), _cplfw_image(other)
        if flag != other_flag:
            raise other.malformed(f"of the same kind as the line before ({flag})")
        pairs.append(_Pair(first, second, flag == "1", 0))
    return _pair_set(path, pairs, folded=False)


def _cplfw_image(line: _Line) -> tuple[str, str]:
    image, _, flag = line.text.replace("\t", " ").rpartition(" ")
    if not image or flag not in ("0", "1"):
        raise line.malformed("'image.jpg 0' or 'image.jpg 1'")
    return image.strip(), flag


def _lines(path: Path) -> list[_Line]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error
    rows = enumerate(text.splitlines(), start=1)
    lines = [_Line(path, number, line.strip()) for number, line in rows if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty")
    return lines


def _pair_set(path: Path, pairs: list[_Pair], *, folded: bool) -> PairSet:
    if not pairs:
        raise DataError(f"{path} holds no pairs")
    first, second, mated, folds = (np.array(column) for column in zip(*pairs, strict=True))
    with naming(path):
        return pair_set(first, second, mated=mated, folds=folds.astype(np.int32) if folded else None)
