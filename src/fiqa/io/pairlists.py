"""Published verification protocols as pair sets, under the sample ids that their image folders give."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import first_few
from ..core.errors import DataError, SettingsError
from ..core.registry import Entry, Registry
from ..core.types import PairSet
from .lines import Line, read_lines
from .store import pair_set
from .tables import naming

logger = logging.getLogger(__name__)

_HERE = "fiqa.io.pairlists:"
_LFW = "Huang et al. 2007, UMass Amherst 07-49"
_CFP = "Sengupta et al. 2016, doi:10.1109/WACV.2016.7477558"

PAIR_LISTS: Registry[Entry] = Registry(
    "pair list",
    (
        Entry(
            "lfw",
            _HERE + "read_lfw",
            "lfw:PATH/pairs.txt, also the lists of View 1; ids as in Name/Name_0001.jpg",
            _LFW,
        ),
        Entry(
            "xqlfw",
            _HERE + "read_lfw",
            "xqlfw:PATH/xqlfw_pairs.txt; ids as those of lfw",
            "Knoche et al. 2021, arXiv:2108.10290",
        ),
        Entry(
            "degraded-lfw",
            _HERE + "read_lfw",
            "degraded-lfw:PATH/pairs.txt, the list of lfw for crops made by configs/degraded-lfw.toml",
            _LFW,
        ),
        Entry(
            "cfp-ff",
            _HERE + "read_cfp_ff",
            "cfp-ff:ROOT, the folder that holds Protocol; ids as in 001/frontal/01.jpg",
            _CFP,
        ),
        Entry("cfp-fp", _HERE + "read_cfp_fp", "cfp-fp:ROOT, as cfp-ff; first frontal, second profile", _CFP),
        Entry(
            "cplfw",
            _HERE + "read_cplfw",
            "cplfw:PATH/pairs_CPLFW.txt; ids as in Name_1.jpg",
            "Zheng and Deng 2018, BUPT 18-01",
        ),
        Entry(
            "calfw",
            _HERE + "read_calfw",
            "calfw:PATH/pairs_CALFW.txt; ids as in Name_0001.jpg",
            "Zheng et al. 2017, arXiv:1708.08197",
        ),
        Entry(
            "agedb-30",
            _HERE + "read_agedb",
            "agedb-30:PATH, lines 'image image 1' or '1 image image'; ids as they stand there",
            "Moschoglou et al. 2017, doi:10.1109/CVPRW.2017.250",
        ),
        Entry(
            "ijb-b",
            "fiqa.io.templates:read_ijb_b",
            "ijb-b:FOLDER of ijbb_face_tid_mid.txt and ijbb_template_pair_label.txt; ids as in 1.jpg",
            "Whitelam et al. 2017, doi:10.1109/CVPRW.2017.87",
        ),
        Entry(
            "ijb-c",
            "fiqa.io.templates:read_ijb_c",
            "ijb-c:FOLDER, as ijb-b with ijbc_",
            "Maze et al. 2018, doi:10.1109/ICB2018.2018.00033",
        ),
        Entry("bin", "fiqa.io.archives:read_bin_pairs", "bin:PATH/lfw.bin of insightface; ids as in 000123"),
        Entry("csv", "fiqa.io.store:read_pairs", "csv:PATH with columns first,second,mated[,fold]"),
        Entry("parquet", "fiqa.io.store:read_pairs", "parquet:PATH with the same columns"),
    ),
)


def read_pairlist(spec: str) -> PairSet:
    """Read the pair list behind ``KIND:PATH``, kinds as in `PAIR_LISTS`.

    A pair that the list holds twice is kept twice, as the published results count it (130 of CFP-FF are), and
    said in a warning.

    Raises:
        SettingsError: If the kind is unknown or there is no path.
        DataError: If the list is missing, empty or malformed, naming file and line, or calls one pair both
            mated and non-mated.
    """
    kind, _, path = spec.partition(":")
    reader = PAIR_LISTS.load(kind)
    if not path:
        raise SettingsError(f"a pair list is KIND:PATH, got {spec!r}; {PAIR_LISTS.get(kind).summary}")
    pairs: PairSet = reader(Path(path))
    if not len(pairs):
        raise DataError(f"{path} holds no pairs")
    with naming(Path(path)):
        _look_for_repeats(pairs, spec)
    return pairs


def _look_for_repeats(pairs: PairSet, spec: str) -> None:
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    keys = low.astype(np.int64) * len(pairs.sample_ids) + high
    order = np.argsort(keys, kind="stable")
    again = keys[order][1:] == keys[order][:-1]
    rows = order[1:][again]
    names = np.char.add(np.char.add(pairs.sample_ids[low[rows]], " with "), pairs.sample_ids[high[rows]])
    differs = pairs.mated[rows] != pairs.mated[order[:-1][again]]
    if differs.any():
        raise DataError(f"pairs must be mated or non-mated, not both: {first_few(names[differs])}")
    if len(rows):
        logger.warning("%s: %d pairs occur twice and count twice, %s", spec, len(rows), first_few(names))


class _Pair(NamedTuple):
    first: str
    second: str
    mated: bool
    fold: int


def read_lfw(path: Path) -> PairSet:
    """LFW ``pairs.txt`` (folds) and View 1 lists (no folds), with or without the counts in the first line.

    A line ``name i j`` is a mated pair, ``name i other j`` a non-mated one; images count from 1. Counts are
    ``folds size`` or ``size``: each fold has `size` mated and `size` non-mated pairs.
    """
    lines = read_lines(path)
    n_folds, size = 1, len(lines)
    counted = len(lines[0].tokens) <= 2
    if counted:
        header = lines.pop(0)
        counts = header.integers(header.tokens, "the counts 'folds size' or 'size'")
        n_folds, size = (1, *counts)[-2:]
        if len(lines) != 2 * size * n_folds:
            announced = 2 * size * n_folds
            raise DataError(f"{path}: line 1 announces {announced} pairs, the file holds {len(lines)}")
    pairs = [_lfw_pair(line, row // (2 * size)) for row, line in enumerate(lines)]
    mated = np.bincount([pair.fold for pair in pairs if pair.mated], minlength=n_folds)
    if counted and np.any(mated != size):
        fold = int(np.flatnonzero(mated != size)[0])
        raise DataError(
            f"{path}: fold {fold + 1} must hold {size} mated pairs of {2 * size}, got {mated[fold]}"
        )
    return _pair_set(path, pairs, folded=n_folds > 1)


def _lfw_pair(line: Line, fold: int) -> _Pair:
    wanted = "'name i j' or 'name i other j', images counted from 1"
    tokens = line.tokens
    if len(tokens) not in (3, 4):
        raise line.malformed(wanted)
    name, other = tokens[0], tokens[-2] if len(tokens) == 4 else tokens[0]
    i, j = line.integers((tokens[1], tokens[-1]), wanted)
    if 0 in (i, j):
        raise line.malformed(wanted)
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
    wanted = [f"{number:02}" for number in range(1, len(folds) + 1)]
    if [fold.name for fold in folds] != wanted:
        raise DataError(f"{folder}: folds must be {wanted[0]} to {wanted[-1]}, got {[f.name for f in folds]}")
    pairs = [
        _Pair(*_cfp_pair(line, lists), name == "same", number)
        for number, fold in enumerate(folds)
        for name in ("same", "diff")
        for line in read_lines(fold / f"{name}.txt")
    ]
    return _pair_set(folder, pairs, folded=True)


def _cfp_images(path: Path) -> dict[int, str]:
    """Sample id of each image number in a list of lines ``1 ../Data/Images/001/frontal/01.jpg``."""
    found = {}
    for line in read_lines(path):
        number, _, place = line.text.partition(" ")
        _, marker, sample_id = place.strip().partition("Images/")
        if not marker:
            raise line.malformed("'number ../Data/Images/subject/side/image.jpg'")
        found[line.integers([number], "'number path'")[0]] = sample_id
    return found


def _cfp_pair(line: Line, lists: list[dict[int, str]]) -> tuple[str, str]:
    wanted = "two image numbers 'i,j' of the lists beside Split"
    numbers = line.integers(line.text.split(","), wanted)
    if len(numbers) != 2 or any(number not in names for number, names in zip(numbers, lists, strict=True)):
        raise line.malformed(wanted)
    return lists[0][numbers[0]], lists[1][numbers[1]]


def read_cplfw(path: Path) -> PairSet:
    """CPLFW: two lines for each pair, ``image 1`` (mated) or ``image 0``; no folds."""
    pairs = [_Pair(first, second, flag == 1, 0) for first, second, flag in _two_line_pairs(path, highest=1)]
    return _pair_set(path, pairs, folded=False)


def read_calfw(path: Path) -> PairSet:
    """CALFW: two lines for each pair, ``image k`` (mated, of fold k from 1) or ``image 0`` (non-mated).

    The list does not say the fold of a non-mated pair: here they are dealt in order, in equal blocks.
    """
    rows = _two_line_pairs(path, highest=10)
    flags = np.array([flag for _, _, flag in rows], np.int64)
    mated, n_folds = flags > 0, int(flags.max(initial=0))
    absent = np.setdiff1d(np.arange(1, n_folds + 1), flags)
    if absent.size:
        raise DataError(f"{path}: folds must be 1 to {n_folds}, without mated pairs: {first_few(absent)}")
    folds = flags - 1
    folds[~mated] = fold_blocks(int((~mated).sum()), n_folds)
    pairs = [_Pair(*row[:2], *rest) for row, rest in zip(rows, zip(mated, folds, strict=True), strict=True)]
    return _pair_set(path, pairs, folded=n_folds > 1)


def _two_line_pairs(path: Path, *, highest: int) -> list[tuple[str, str, int]]:
    """Both images and the flag, 0 to `highest`, of each pair; a heading is skipped."""
    lines = read_lines(path)
    if not lines[0].tokens[-1].isdecimal():
        lines = lines[1:]
    if len(lines) % 2:
        raise DataError(f"{path}: pairs are two lines each, got {len(lines)} lines below the heading")
    images = [_flagged_image(line, highest) for line in lines]
    found = []
    for line, (first, flag), (second, other_flag) in zip(lines[1::2], images[::2], images[1::2], strict=True):
        if flag != other_flag:
            raise line.malformed(f"of the same kind as the line before ({flag})")
        found.append((first, second, flag))
    return found


def _flagged_image(line: Line, highest: int) -> tuple[str, int]:
    image, _, flag = line.text.replace("\t", " ").rpartition(" ")
    if not image or not flag.isdecimal() or int(flag) > highest:
        raise line.malformed(f"'image.jpg 0' or 'image.jpg {'1' if highest == 1 else f'1..{highest}'}'")
    return image.strip(), int(flag)


def read_agedb(path: Path) -> PairSet:
    """AgeDB-30: lines ``image image flag`` or ``flag image image``, in ten folds of equal size in order.

    A flag of 1 is a mated pair, 0 or -1 a non-mated one. The protocol is published as MATLAB files with other
    names than those of the images; what goes round, and is read here, are lists made from ``agedb_30.bin``.
    """
    lines = read_lines(path)
    if len(lines) % 10:
        raise DataError(f"{path}: ten folds of equal size need a multiple of 10 lines, got {len(lines)}")
    leading = lines[0].tokens[0] in _AGEDB_FLAGS
    folds = fold_blocks(len(lines), 10).tolist()
    pairs = [_agedb_pair(line, fold, leading=leading) for line, fold in zip(lines, folds, strict=True)]
    return _pair_set(path, pairs, folded=True)


_AGEDB_FLAGS = {"1": True, "0": False, "-1": False}


def _agedb_pair(line: Line, fold: int, *, leading: bool) -> _Pair:
    tokens = line.tokens[1:] + line.tokens[:1] if leading else line.tokens
    if len(tokens) != 3 or tokens[2] not in _AGEDB_FLAGS:
        wanted = "'flag image image'" if leading else "'image image flag'"
        raise line.malformed(f"{wanted} like the first one, flag 1 (mated), 0 or -1")
    return _Pair(tokens[0], tokens[1], _AGEDB_FLAGS[tokens[2]], fold)


def fold_blocks(count: int, n_folds: int) -> NDArray[np.int64]:
    """Fold (count,) of rows dealt in order; if it does not come out even the first folds are one longer."""
    sizes = [len(block) for block in np.array_split(np.arange(count), max(1, n_folds))]
    return np.repeat(np.arange(len(sizes)), sizes)


def _pair_set(path: Path, pairs: list[_Pair], *, folded: bool) -> PairSet:
    if not pairs:
        raise DataError(f"{path} holds no pairs")
    first, second, mated, folds = (np.array(column) for column in zip(*pairs, strict=True))
    with naming(path):
        return pair_set(first, second, mated=mated, folds=folds.astype(np.int32) if folded else None)
