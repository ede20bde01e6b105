"""Which images of a data set to drop, keep or flag: quality, near-duplicates, a minimum for each subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import whole
from ..core.errors import DataError, SettingsError
from ..core.types import QualityScores, SampleSet

KEEP, DROP, FLAG = "keep", "drop", "flag"


@dataclass(frozen=True, eq=False)
class Curation:
    """What becomes of each of n samples.

    Attributes:
        decisions: (n,) ``keep``, ``drop``, or ``flag`` for what would be dropped, had its subject enough.
        reasons: (n,) why, for people; empty for ``keep``.
        threshold: Scores below it are of low quality.
        repeats: (n,) whether a sample repeats a better one.
    """

    decisions: NDArray[np.str_]
    reasons: NDArray[np.str_]
    threshold: float
    repeats: NDArray[np.bool_]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(n,) what stays, flagged ones among it."""
        stays: NDArray[np.bool_] = self.decisions != DROP
        return stays

    @property
    def distinct(self) -> NDArray[np.bool_]:
        """(n,) what stays if only near-duplicates are dropped."""
        return self.kept | ~self.repeats


def check_curation(*, keep: float, min_per_subject: int) -> None:
    """Refuse settings out of range with a SettingsError."""
    if not 0 < keep <= 1 or min_per_subject < 0:
        raise SettingsError(
            f"curation needs keep in (0, 1] and a minimum of 0 or more, got {keep:g} and {min_per_subject}"
        )


def curate(
    samples: SampleSet,
    scores: QualityScores,
    duplicates: NDArray[np.int64],
    *,
    keep: float,
    min_per_subject: int,
) -> Curation:
    """Decide.

    Near-duplicates are dropped. Of the n others those of low quality are dropped, the lowest
    floor((1 - keep) n) and none that ties with what stays. A subject never falls below its minimum: where it
    would, its best images of low quality, and then its best near-duplicates, stay and are flagged. So more
    than the share asked for may stay. A subject with fewer images than the minimum loses none.

    Args:
        samples: (n,) samples and their subjects.
        scores: Of the samples, in any order.
        duplicates: (n,) from `near_duplicates`.
        keep: Share in (0, 1] to keep by quality.
        min_per_subject: Images that each subject keeps, 0 or more.

    Raises:
        SettingsError: If a setting is out of range.
        DataError: If there are no samples, or one has no score.
    """
    check_curation(keep=keep, min_per_subject=min_per_subject)
    if not len(samples):
        raise DataError("there are no samples to choose from")
    quality, repeats = scores.at(samples.sample_ids), duplicates >= 0
    distinct = np.sort(quality[~repeats])
    threshold = float(distinct[whole((1 - keep) * len(distinct))])
    low = quality < threshold
    rank = np.where(repeats, 2, np.where(low, 1, 0))
    order = np.lexsort((-quality, rank))
    places = np.empty(len(samples), np.int64)
    places[order] = SampleSet(samples.sample_ids[order], samples.subject_ids[order]).subject_places()
    needed = places < min_per_subject
    decisions = np.where(rank == 0, KEEP, np.where(needed, FLAG, DROP))
    originals = samples.sample_ids[np.maximum(duplicates, 0)]
    why = np.where(repeats, np.strings.add("near-duplicate of ", originals), "low quality")
    why = np.where(rank == 0, "", np.where(needed, np.strings.add(why, ", needed for the minimum"), why))
    return Curation(decisions, why, threshold, repeats)
