"""Core types: frozen, aligned columns, validated at birth and read-only ever after.

Text ids are the interchange between stages, integer indices the arithmetic within one:
`at` aligns once per list of samples, never per pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .arrays import (
    finite,
    first_few,
    frozen,
    places_within,
    positions,
    same_length,
    text_ids,
    unique,
    unit_rows,
)
from .errors import DataError

Scale = Literal["native", "rank", "unit", "iso100"]
SCALES: tuple[Scale, ...] = ("native", "rank", "unit", "iso100")


@dataclass(frozen=True, eq=False)
class SampleSet:
    """The images at hand and whom they show.

    Attributes:
        sample_ids: (n,) unique text ids.
        subject_ids: (n,) text ids; samples of one subject share one.
        paths: (n,) file paths, or None where samples never lived in files.
    """

    sample_ids: NDArray[np.str_]
    subject_ids: NDArray[np.str_]
    paths: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        _set(self, sample_ids=text_ids("sample_ids", self.sample_ids))
        _set(self, subject_ids=text_ids("subject_ids", self.subject_ids))
        same_length(sample_ids=self.sample_ids, subject_ids=self.subject_ids)
        unique("sample_ids", self.sample_ids)
        if self.paths is not None:
            _set(self, paths=text_ids("paths", self.paths))
            same_length(sample_ids=self.sample_ids, paths=self.paths)

    def __len__(self) -> int:
        return len(self.sample_ids)

    def subject_codes(self) -> NDArray[np.int64]:
        """(n,) subject of each sample as 0..n_subjects-1, in sorted order of subject id."""
        return np.unique(self.subject_ids, return_inverse=True)[1].astype(np.int64)

    def subject_places(self) -> NDArray[np.int64]:
        """(n,) place of each sample among those of its subject, from 0, in the order of the samples."""
        return places_within(self.subject_codes())

    def at(self, sample_ids: NDArray[np.str_]) -> SampleSet:
        """The same samples in the order of `sample_ids`; a missing id is a DataError."""
        rows = positions(sample_ids, self.sample_ids, what="samples")
        paths = None if self.paths is None else self.paths[rows]
        return SampleSet(self.sample_ids[rows], self.subject_ids[rows], paths)


_OTHER_SIDE = [1, 0, 2, 4, 3]
"""Which landmark of a face is which one of its mirror image."""


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """Aligned faces.

    Attributes:
        images: (n, size, size, 3) uint8 RGB.
        landmarks: (n, 5, 2) float32 x, y in crop pixels (right eye, left eye, nose, right and left mouth
            corner, as the person's own sides), or None.
        source_scale: (n,) float32 source pixels per crop pixel (below 1 the crop was magnified), or None.
    """

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32] | None = None
    source_scale: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        images = np.asarray(self.images)
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or images.shape[3] != 3
            or images.shape[1] != images.shape[2]
        ):
            raise DataError(
                f"crops must be uint8 (n, size, size, 3), got {images.dtype} of shape {images.shape}"
            )
        _set(self, images=frozen(images))
        if self.landmarks is not None:
            landmarks = finite("landmarks", self.landmarks, dtype=np.float32)
            if landmarks.shape != (len(images), 5, 2):
                raise DataError(f"landmarks must be ({len(images)}, 5, 2), got {landmarks.shape}")
            _set(self, landmarks=landmarks)
        if self.source_scale is not None:
            _set(self, source_scale=finite("source_scale", self.source_scale, dtype=np.float32))
            same_length(images=images, source_scale=self.source_scale)

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def joined(cls, parts: Sequence[FaceCrops]) -> FaceCrops:
        """One or more sets of crops as one; landmarks and scales where all parts have them."""
        landmarks = [one.landmarks for one in parts if one.landmarks is not None]
        scales = [one.source_scale for one in parts if one.source_scale is not None]
        return cls(
            np.concatenate([one.images for one in parts]),
            np.concatenate(landmarks) if len(landmarks) == len(parts) else None,
            np.concatenate(scales) if len(scales) == len(parts) else None,
        )

    def rows(self, index: slice | NDArray[np.int64]) -> FaceCrops:
        """The crops at these rows."""
        landmarks = None if self.landmarks is None else self.landmarks[index]
        scale = None if self.source_scale is None else self.source_scale[index]
        return FaceCrops(self.images[index], landmarks, scale)

    def mirrored(self) -> FaceCrops:
        """The mirror image of each crop; its right eye is what was the left one."""
        landmarks = None
        if self.landmarks is not None:
            side = self.images.shape[2]
            landmarks = np.array((side - 1, 0)) + np.array((-1, 1)) * self.landmarks[:, _OTHER_SIDE]
        return FaceCrops(self.images[:, :, ::-1], landmarks, self.source_scale)


@dataclass(frozen=True, eq=False)
class EmbeddingSet:
    """What one recogniser sees in each sample.

    Attributes:
        sample_ids: (n,) unique text ids.
        vectors: (n, d) float32 or float16 of unit length; may be memory-mapped.
        norms: (n,) float32 lengths before normalisation, above 0.
        recogniser: Name of the recogniser.
    """

    sample_ids: NDArray[np.str_]
    vectors: NDArray[np.floating]
    norms: NDArray[np.floating]
    recogniser: str

    def __post_init__(self) -> None:
        _set(self, sample_ids=text_ids("sample_ids", self.sample_ids))
        same_length(sample_ids=self.sample_ids, vectors=self.vectors, norms=self.norms)
        unique("sample_ids", self.sample_ids)
        _set(self, norms=finite("norms", self.norms, ids=self.sample_ids, dtype=np.float32))
        _set(self, vectors=unit_rows("vectors", self.vectors))

    def __len__(self) -> int:
        return len(self.sample_ids)

    def at(self, sample_ids: NDArray[np.str_]) -> EmbeddingSet:
        """The same embeddings in the order of `sample_ids`; a missing id is a DataError."""
        rows = positions(sample_ids, self.sample_ids, what=f"embeddings of {self.recogniser}")
        if np.array_equal(rows, np.arange(len(self))):
            return self
        return EmbeddingSet(self.sample_ids[rows], self.vectors[rows], self.norms[rows], self.recogniser)


@dataclass(frozen=True, eq=False)
class PairSet:
    """Comparisons to make.

    Attributes:
        sample_ids: (n,) vocabulary that the indices point into.
        first: (m,) int32 index of the reference sample.
        second: (m,) int32 index of the probe sample, never equal to `first`.
        mated: (m,) bool, True where both samples show one subject.
        folds: (m,) int32 fold of each pair, or None where the protocol has none.
    """

    sample_ids: NDArray[np.str_]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    mated: NDArray[np.bool_]
    folds: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        _set(self, sample_ids=text_ids("sample_ids", self.sample_ids))
        unique("sample_ids", self.sample_ids)
        same_length(first=self.first, second=self.second, mated=self.mated)
        for name in ("first", "second"):
            index = np.asarray(getattr(self, name))
            if index.dtype.kind not in "iu" or (
                index.size and not 0 <= index.min() <= index.max() < len(self.sample_ids)
            ):
                raise DataError(f"pairs: {name} must index {len(self.sample_ids)} samples")
            _set(self, **{name: frozen(index.astype(np.int32))})
        selves = np.flatnonzero(self.first == self.second)
        if selves.size:
            raise DataError(f"pairs: a sample is paired with itself at row {first_few(selves)}")
        mated = np.asarray(self.mated)
        if mated.dtype != np.bool_:
            raise DataError(f"pairs: mated must be bool, got {mated.dtype}")
        _set(self, mated=frozen(mated))
        if self.folds is not None:
            same_length(first=self.first, folds=self.folds)
            _set(self, folds=frozen(np.asarray(self.folds).astype(np.int32)))

    def __len__(self) -> int:
        return len(self.first)

    def rows(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> PairSet:
        """The pairs at these rows, over the same vocabulary."""
        folds = None if self.folds is None else self.folds[index]
        return PairSet(self.sample_ids, self.first[index], self.second[index], self.mated[index], folds)


@dataclass(frozen=True, eq=False)
class TemplateSet:
    """Templates: images of one subject that are compared as a whole; one row for each image in each template.

    Attributes:
        sample_ids: (k,) image of each row.
        template_ids: (k,) template it belongs to; an image may belong to several.
        media_ids: (k,) photograph or video that the image is taken from.
    """

    sample_ids: NDArray[np.str_]
    template_ids: NDArray[np.str_]
    media_ids: NDArray[np.str_]

    def __post_init__(self) -> None:
        for name in ("sample_ids", "template_ids", "media_ids"):
            _set(self, **{name: text_ids(name, getattr(self, name))})
        same_length(sample_ids=self.sample_ids, template_ids=self.template_ids, media_ids=self.media_ids)

    def __len__(self) -> int:
        return len(self.sample_ids)

    def rows(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> TemplateSet:
        """The memberships at these rows."""
        return TemplateSet(self.sample_ids[index], self.template_ids[index], self.media_ids[index])


@dataclass(frozen=True, eq=False)
class ComparisonScores:
    """Similarity of each pair, higher = more similar.

    Attributes:
        pairs: The m comparisons.
        similarity: (m,) float32, finite.
        recogniser: Name of the recogniser that compared.
    """

    pairs: PairSet
    similarity: NDArray[np.floating]
    recogniser: str

    def __post_init__(self) -> None:
        _set(self, similarity=finite("similarity", self.similarity, dtype=np.float32))
        same_length(pairs=self.pairs.first, similarity=self.similarity)

    def __len__(self) -> int:
        return len(self.similarity)

    def rows(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> ComparisonScores:
        """The comparisons of the pairs at these rows."""
        return ComparisonScores(self.pairs.rows(index), self.similarity[index], self.recogniser)

    @property
    def mated(self) -> NDArray[np.floating]:
        """Similarities of the mated pairs."""
        return self.similarity[self.pairs.mated]

    @property
    def non_mated(self) -> NDArray[np.floating]:
        """Similarities of the non-mated pairs."""
        return self.similarity[~self.pairs.mated]


@dataclass(frozen=True, eq=False)
class QualityScores:
    """One quality score a sample; higher = more useful for recognition, always.

    Attributes:
        sample_ids: (n,) unique text ids.
        values: (n,) float64, finite.
        method: Name of what produced them.
        scale: ``native`` (the method's own), ``rank`` (0..n-1), ``unit`` ([0, 1]) or ``iso100`` (0..100).
    """

    sample_ids: NDArray[np.str_]
    values: NDArray[np.floating]
    method: str
    scale: Scale = "native"

    def __post_init__(self) -> None:
        _set(self, sample_ids=text_ids("sample_ids", self.sample_ids))
        same_length(sample_ids=self.sample_ids, values=self.values)
        unique("sample_ids", self.sample_ids)
        _set(self, values=finite(f"quality scores of {self.method}", self.values, ids=self.sample_ids))
        if self.scale not in SCALES:
            raise DataError(f"scale must be one of {', '.join(SCALES)}, got {self.scale!r}")

    def __len__(self) -> int:
        return len(self.sample_ids)

    def at(self, sample_ids: NDArray[np.str_]) -> NDArray[np.floating]:
        """Values in the order of `sample_ids`; a missing id is a DataError."""
        return self.values[positions(sample_ids, self.sample_ids, what=f"quality scores of {self.method}")]


@dataclass(frozen=True)
class Failure:
    """A sample that a stage could not process, returned beside the results.

    Attributes:
        sample_id: Which sample.
        stage: Which stage, such as ``"crop"``.
        reason: Code from `REASONS`.
        message: One line for people.
    """

    sample_id: str
    stage: str
    reason: str
    message: str = field(default="")

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise DataError(f"unknown failure reason {self.reason!r}; there are: {', '.join(REASONS)}")


REASONS: dict[str, str] = {
    "missing": "the file does not exist",
    "unreadable": "the file cannot be opened",
    "not_an_image": "the file is no image of a known kind",
    "damaged": "the image is cut short or damaged",
    "too_large": "the image has more pixels than the limit",
    "too_small": "the image is too small to hold a face",
    "no_face": "no face was found",
    "several_faces": "more than one face was found where one was asked for",
    "wrong_size": "the image does not have the size of an aligned crop",
    "zero_embedding": "the recogniser returned a vector without direction",
}


def _set(instance: object, **values: object) -> None:
    """Assign fields of a frozen dataclass while it is being built."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)
