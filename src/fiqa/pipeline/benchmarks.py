"""Which comparisons a benchmark makes: a protocol's list, or all there are among the samples at hand."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..comparisons.pairing import all_mated_pairs, draw_non_mated_pairs
from ..comparisons.templates import pool_embeddings, pool_quality, template_subjects
from ..core.arrays import first_few
from ..core.errors import DataError, SettingsError
from ..core.types import EmbeddingSet, Failure, PairSet, QualityScores, SampleSet, TemplateSet
from ..io.pairlists import read_pairlist
from ..io.templates import read_templates

logger = logging.getLogger(__name__)

ALL = "all"
"""Every mated pair, in the place of a list, and the name of such a benchmark."""
_NAMED_BY_FILE = ("bin", "csv", "parquet")
Absent = Literal["refuse", "skip"]


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Comparisons to make.

    Attributes:
        name: Kind of the list, such as ``lfw`` or ``all``, or its file where the kind does not tell it.
        pairs: The comparisons whose samples are at hand.
        absent: Samples that the list names and that are not at hand (no face was found, say).
        n_dropped: Pairs left out because of them.
        templates: Where templates are compared, the images at hand of each.
    """

    name: str
    pairs: PairSet
    absent: tuple[str, ...] = ()
    n_dropped: int = 0
    templates: TemplateSet | None = None

    def embeddings(self, embeddings: EmbeddingSet) -> EmbeddingSet:
        """The embeddings to compare: those of the images, or of the templates."""
        return embeddings if self.templates is None else pool_embeddings(embeddings, self.templates)

    def quality(self, scores: QualityScores) -> QualityScores:
        """The scores of what is compared: those of the images, or the lowest in each template."""
        return scores if self.templates is None else pool_quality(scores, self.templates)

    def subjects(self, samples: SampleSet) -> SampleSet:
        """The subjects of what is compared, images or templates."""
        return samples if self.templates is None else template_subjects(self.pairs)


def open_benchmark(
    spec: str,
    samples: SampleSet,
    *,
    non_mated: int,
    seed: int,
    failed: Iterable[Failure] = (),
    absent: Absent = "refuse",
) -> Benchmark:
    """Read a pair list, or draw one.

    Args:
        spec: ``KIND:PATH`` of a pair list (see `io.pairlists`), or ``all``: every mated pair, and seeded
            random non-mated ones; ``all:K`` takes the mated pairs among the first K samples of each subject,
            so that a few large subjects do not outweigh the others.
        samples: The samples at hand.
        non_mated: Non-mated pairs to draw for ``all``; all of them where there are fewer.
        seed: Seed of the draw.
        failed: What is known to have failed; pairs with it are left out, which is said in a warning.
        absent: What to do about pairs with other samples that are not at hand: refuse or leave out.

    Raises:
        SettingsError: If K is no number of 2 or more.
        DataError: If the list is malformed, names samples that are neither at hand nor failed, or none of its
            pairs is at hand.
    """
    kind, _, tail = spec.partition(":")
    if kind != ALL:
        templates = read_templates(spec)
        pairs = read_pairlist(spec)
        name = Path(tail).name if kind in _NAMED_BY_FILE else kind
        _look_for_absent(name, pairs, templates, samples=samples, failed=failed, absent=absent)
        return _at_hand(name, pairs, templates, samples)
    if tail and not (tail.isdecimal() and int(tail) >= 2):
        raise SettingsError(f"pairs {spec!r}: expected all or all:K with K of 2 or more")
    chosen = samples if not tail else _first_of_each(samples, int(tail))
    mated = all_mated_pairs(chosen)
    sizes = np.bincount(samples.subject_codes())
    available = (len(samples) ** 2 - int((sizes**2).sum())) // 2
    other = draw_non_mated_pairs(samples, count=min(non_mated, available), rng=np.random.default_rng(seed))
    rows = np.flatnonzero(np.isin(samples.sample_ids, chosen.sample_ids))
    return Benchmark(
        ALL,
        PairSet(
            samples.sample_ids,
            np.concatenate([rows[mated.first], other.first]),
            np.concatenate([rows[mated.second], other.second]),
            np.concatenate([mated.mated, other.mated]),
        ),
    )


def _look_for_absent(
    name: str,
    pairs: PairSet,
    templates: TemplateSet | None,
    *,
    samples: SampleSet,
    failed: Iterable[Failure],
    absent: Absent,
) -> None:
    named = pairs.sample_ids if templates is None else np.unique(templates.sample_ids)
    gone = named[~np.isin(named, samples.sample_ids)]
    if len(gone) == len(named):
        raise DataError(
            f"none of the {len(pairs)} {name} pairs is among the {len(samples)} samples at hand, whose ids "
            f"look like {str(samples.sample_ids[0])!r}; the list names {str(named[0])!r}"
        )
    unexplained = gone[~np.isin(gone, np.array([failure.sample_id for failure in failed], dtype=np.str_))]
    if absent == "refuse" and len(unexplained):
        raise DataError(
            f"{len(unexplained)} of the {len(named)} samples that the {name} list names are neither at hand "
            f"nor among the failures: {first_few(unexplained)}; embed them, correct the list (does it count "
            "beyond the images of a subject?), or leave their pairs out with --absent skip"
        )


def _at_hand(name: str, pairs: PairSet, templates: TemplateSet | None, samples: SampleSet) -> Benchmark:
    at_hand = samples.sample_ids
    if templates is not None:
        templates = templates.rows(np.isin(templates.sample_ids, at_hand))
        at_hand = templates.template_ids
    present = np.isin(pairs.sample_ids, at_hand)
    kept = present[pairs.first] & present[pairs.second]
    absent = tuple(pairs.sample_ids[~present].tolist())
    if not kept.any():
        raise DataError(
            f"none of the {len(pairs)} {name} pairs has both sides at hand, without {first_few(absent)}"
        )
    if absent:
        logger.warning("%s: %d pairs left out, without %s", name, int((~kept).sum()), first_few(absent))
    return Benchmark(name, pairs.rows(kept), absent, int((~kept).sum()), templates)


def _first_of_each(samples: SampleSet, count: int) -> SampleSet:
    """The first `count` samples of each subject, in order."""
    kept = samples.subject_places() < count
    return SampleSet(samples.sample_ids[kept], samples.subject_ids[kept])
