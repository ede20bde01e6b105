"""A small study with all its parts, for tables, findings, figures and the report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fiqa.core.types import Failure
from fiqa.evaluate.agreement import agreement
from fiqa.evaluate.caveats import caveats
from fiqa.evaluate.contact_sheet import ContactSheet, spread
from fiqa.evaluate.edc import discard_order
from fiqa.evaluate.error_rates import det
from fiqa.evaluate.label_shift import LabelShift
from fiqa.evaluate.pauc import Measure
from fiqa.evaluate.resample import bootstrap
from fiqa.evaluate.results import ON_BASE, ON_OPTIMISED, RAW, Evaluation, Report, TestBed
from fiqa.evaluate.verification import Rates, Verification
from synthetic import make_comparisons, make_quality, make_samples

NOISE = {RAW: 2.0, ON_BASE: 1.5, ON_OPTIMISED: 0.2}
MEASURES = (Measure("normalised", 0.3), Measure("raw", 0.3))


@pytest.fixture(scope="session")
def make_bed() -> Callable[..., TestBed]:
    """Make a test bed of the given methods and variants."""

    def make(
        benchmark="Made-up", recogniser="none & all", variants=(RAW, ON_BASE, ON_OPTIMISED), seed=0
    ) -> TestBed:
        rng = np.random.default_rng(seed)
        samples = make_samples(25, 4)
        comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=500)
        keys = [(method, variant) for method in ("norm_1", "sharp") for variant in variants]
        orders = [
            discard_order(
                comparisons,
                make_quality(
                    samples, usefulness + NOISE[variant] * rng.normal(size=100), f"{method}/{variant}"
                ),
                fmr=0.05,
            )
            for method, variant in keys
        ]
        drawn = bootstrap(orders, samples, measures=MEASURES, replicates=30, rng=rng)
        evaluations = tuple(
            Evaluation(
                method,
                variant,
                order.curve(),
                {measure: drawn.interval(order.method, measure) for measure in MEASURES},
                caveats(order.curve(), comparisons, fmr=0.001),
            )
            for (method, variant), order in zip(keys, orders, strict=True)
        )
        names = [order.method for order in orders]
        contrasts = list(zip(names[1:], names[:-1], strict=True))
        return TestBed(
            benchmark=benchmark,
            recogniser=recogniser,
            n_subjects=25,
            n_images=100,
            n_mated=150,
            n_non_mated=500,
            fmr=0.05,
            evaluations=evaluations,
            differences=drawn.differences(MEASURES[0], contrasts),
            det=det(comparisons),
        )

    return make


def _rates(accuracy: float) -> Rates:
    return Rates(accuracy, 0.0123, 0.0321, 0.0456, 0.3, 5 * accuracy)


@pytest.fixture(scope="session")
def report(make_bed) -> Report:
    rng = np.random.default_rng(0)
    samples = make_samples(10, 4)
    base = make_quality(samples, rng.normal(size=40), "norm_1")
    optimised = make_quality(samples, base.values + 0.3 * rng.normal(size=40), "norm_1")
    images = rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)

    def sheet(title, rows, values) -> ContactSheet:
        return ContactSheet(title, images[rows], values[rows], samples.sample_ids[rows])

    moved = LabelShift("norm_1", base, optimised, samples.subject_ids)
    shift = LabelShift(
        "norm_1",
        base,
        optimised,
        samples.subject_ids,
        {"mode": "expected", "rounds": 1},
        np.histogram(rng.normal(size=50)),
        sheet("Moved up most", moved.moved(4, up=True), moved.shift),
        sheet("Moved down most", moved.moved(4, up=False), moved.shift),
    )
    return Report(
        title="A <small> study",
        test_beds=(make_bed(), make_bed("Made-up 2", seed=1)),
        measures=MEASURES,
        settings={"seed": 0, "folders": ["a", "b"], "clusters": 12345},
        sheets=(sheet("norm_1", spread(base.values, 12), base.values),),
        shifts=(shift,),
        agreements=(agreement(base, optimised),),
        verifications=tuple(
            Verification("Made-up", name, 100, 3000, 2000, 0, 1e-3, as_given, swapped, *moved)
            for name, as_given, swapped, moved in (
                ("none & all", _rates(0.98), _rates(0.95), (9, 3, 1.0)),
                ("exchanged", _rates(0.95), _rates(0.98), (3, 90, 1e-6)),
            )
        ),
        failures=(Failure("p1/x.jpg", "crop", "no_face", "nothing above 0.8"),),
    )
