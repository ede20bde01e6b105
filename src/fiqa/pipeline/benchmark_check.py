"""Which benchmarks and training sets a folder holds, whether they are whole, and where to get the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import first_few
from ..core.errors import DataError
from ..io.archives import read_bin
from ..io.images import IMAGE_SUFFIXES
from ..io.pairlists import read_pairlist
from ..io.recordio import RecordFile
from ..io.samples import walk_files
from ..io.templates import read_templates

_RESEARCH = "non-commercial research only"
_LFW = ("http://vis-www.cs.umass.edu/lfw/", "no licence stated, made for research")
_CFP = ("http://www.cfpw.io/", _RESEARCH)
_CPLFW = ("http://www.whdeng.cn/CPLFW/index.html", "see there")
_CALFW = ("http://www.whdeng.cn/CALFW/index.html", "see there")
_XQLFW = ("https://martlgap.github.io/xqlfw/", "see there")
_AGEDB = ("https://ibug.doc.ic.ac.uk/resources/agedb/", _RESEARCH)
_IJB = ("https://nigos.nist.gov/datasets/ijbc/request", "on request to NIST")
_PACKED = ("https://github.com/deepinsight/insightface/tree/master/recognition/_datasets_", _RESEARCH)
_NOT_XQLFW = r"^(?!.*(xqlfw|min_qual))"


@dataclass(frozen=True)
class Known:
    """A benchmark or training set and how to recognise it.

    Attributes:
        name: What people call it.
        file: Pattern of the file that gives it away, with the folders above it, in lower case.
        kind: Kind of its pair list, ``bin`` or ``rec``.
        count: Pairs of the protocol, or subjects of a training set.
        page: Where to get it, and the terms stated there.
        up: How many folders above that file the pair list's path is.
        images: Pattern of the folder of its images, in lower case, where two sets share their ids.
    """

    name: str
    file: str
    kind: str
    count: int
    page: tuple[str, str]
    up: int = 0
    images: str = ""


KNOWN = (
    Known("LFW", r"(^|/)pairs(_lfw)?\.txt$", "lfw", 6000, _LFW, images=_NOT_XQLFW),
    Known("LFW View 1, training", r"(^|/)pairsdevtrain\.txt$", "lfw", 2200, _LFW, images=_NOT_XQLFW),
    Known("LFW View 1, test", r"(^|/)pairsdevtest\.txt$", "lfw", 1000, _LFW, images=_NOT_XQLFW),
    Known("CFP-FF", r"(^|/)protocol/pair_list_f\.txt$", "cfp-ff", 7000, _CFP, up=2),
    Known("CFP-FP", r"(^|/)protocol/pair_list_p\.txt$", "cfp-fp", 7000, _CFP, up=2),
    Known("CPLFW", r"(^|/)pairs_cplfw\.txt$", "cplfw", 6000, _CPLFW),
    Known("CALFW", r"(^|/)pairs_calfw\.txt$", "calfw", 6000, _CALFW),
    Known("XQLFW", r"(^|/)xqlfw_pairs\.txt$", "xqlfw", 6000, _XQLFW, images="xqlfw|min_qual"),
    Known("AgeDB-30", r"(^|/)agedb_30(_ann|_pairs?)?\.txt$", "agedb-30", 6000, _AGEDB),
    Known("IJB-B", r"(^|/)ijbb_template_pair_label\.txt$", "ijb-b", 8_010_270, _IJB, up=1),
    Known("IJB-C", r"(^|/)ijbc_template_pair_label\.txt$", "ijb-c", 15_658_489, _IJB, up=1),
    *(
        Known(f"{name} packed", rf"(^|/){file}\.bin$", "bin", count, _PACKED)
        for name, file, count in (
            ("LFW", "lfw", 6000),
            ("CFP-FF", "cfp_ff", 7000),
            ("CFP-FP", "cfp_fp", 7000),
            ("CPLFW", "cplfw", 6000),
            ("CALFW", "calfw", 6000),
            ("AgeDB-30", "agedb_30", 6000),
            ("XQLFW", "xqlfw", 6000),
        )
    ),
    Known("VGGFace2 packed", r"vgg[^/]*/[^/]*\.rec$", "rec", 8631, _PACKED),
    Known("MS1MV2 packed", r"(emore|ms1mv2|ms1m-arcface)[^/]*/[^/]*\.rec$", "rec", 85_742, _PACKED),
    Known("CASIA-WebFace packed", r"(casia|faces_webface)[^/]*/[^/]*\.rec$", "rec", 10_572, _PACKED),
)


@dataclass(frozen=True)
class Holding:
    """What a folder has of one benchmark.

    Attributes:
        name: The benchmark.
        status: ``complete``, ``incomplete`` or ``absent``.
        path: The file it was recognised by, relative to the folder; empty where there is none.
        images: Images at hand of those needed.
        pairs: Pairs in the list.
        missing: What is missing or wrong; empty where nothing is.
        get: Address of the official page.
        terms: Terms stated there.
    """

    name: str
    status: Literal["complete", "incomplete", "absent"]
    path: str
    images: int
    pairs: int
    missing: str
    get: str
    terms: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """One row for people; the page is named where something is missing."""
        page = "" if self.status == "complete" else f"{self.get} ({self.terms})"
        shown = {key: getattr(self, key) or "" for key in ("name", "status", "images", "pairs")}
        return {**shown, "missing, where to get it": "; ".join(filter(None, (self.missing, page)))}


def check_benchmarks(folder: Path, known: Sequence[Known] = KNOWN) -> list[Holding]:
    """Look through a folder and everything below it, one row a benchmark and place; absent ones are rows too.

    Complete means that the list can be read and has the published number of pairs, and that every image it
    names lies below one folder (or in the archive); for training sets, that every record announced can be
    found and the subjects are as many as published.

    Raises:
        DataError: If the folder cannot be read.
    """
    above, files = folder.resolve().name, walk_files(folder)
    images = _Images(above, [name for name in files if name.lower().endswith(IMAGE_SUFFIXES)])
    found = []
    for item in known:
        places = [name for name in files if re.search(item.file, f"{above}/{name}".lower())]
        found += [_check(item, folder, place, images) for place in places]
        if not places:
            found.append(Holding(item.name, "absent", "", 0, 0, "", *item.page))
    return found


def all_complete(holdings: Sequence[Holding]) -> bool:
    """Whether something was found and all that was found is complete."""
    return {holding.status for holding in holdings} - {"absent"} == {"complete"}


@dataclass(frozen=True)
class _Images:
    """Images below the folder searched, and its name."""

    above: str
    names: list[str]

    def lacking(self, ids: NDArray[np.str_], pattern: str) -> NDArray[np.str_]:
        """Which of these ids are not below the folder that holds most of them."""
        wanted, depth = set(ids.tolist()), ids[0].count("/") + 1
        places = [_split(f"{self.above}/{name}", depth) for name in self.names]
        roots = Counter(root for root, tail in places if tail in wanted and re.search(pattern, root.lower()))
        if not roots:
            return ids
        best = roots.most_common(1)[0][0]
        there = {tail for root, tail in places if root == best}
        return ids[[name not in there for name in ids.tolist()]]


def _check(item: Known, folder: Path, place: str, images: _Images) -> Holding:
    try:
        if item.kind == "bin":
            counts = _bin(item, folder / place)
        elif item.kind == "rec":
            counts = _rec(item, folder / place)
        else:
            counts = _list(item, folder / place, images)
    except DataError as error:
        counts = 0, 0, str(error)
    return Holding(item.name, "incomplete" if counts[2] else "complete", place, *counts, *item.page)


def _split(name: str, depth: int) -> tuple[str, str]:
    parts = name.split("/")
    return "/".join(parts[:-depth]), "/".join(parts[-depth:])


def _list(item: Known, path: Path, images: _Images) -> tuple[int, int, str]:
    spec = f"{item.kind}:{([path, *path.parents])[item.up]}"
    pairs, templates = read_pairlist(spec), read_templates(spec)
    ids = pairs.sample_ids if templates is None else np.unique(templates.sample_ids)
    gone = images.lacking(ids, item.images)
    problems = [_count(len(pairs), item, "pairs")]
    if 2 * len(gone) > len(ids):
        problems.append(f"no images ({len(ids)} are needed, such as {ids[0]})")
        gone = ids
    elif len(gone):
        problems.append(f"{len(gone)} of {len(ids)} images: {first_few(gone)}")
    return len(ids) - len(gone), len(pairs), "; ".join(filter(None, problems))


def _bin(item: Known, path: Path) -> tuple[int, int, str]:
    archive = read_bin(path)
    return len(archive.images), len(archive.mated), _count(len(archive.mated), item, "pairs")


def _rec(item: Known, path: Path) -> tuple[int, int, str]:
    archive = RecordFile.open(path)
    n_subjects = len(np.unique(archive.samples.subject_ids))
    return len(archive), 0, _count(n_subjects, item, "subjects")


def _count(count: int, item: Known, what: str) -> str:
    return "" if count == item.count else f"{count} {what} instead of {item.count}"
