"""Ask a calibration for a quality threshold, and put the answer into words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.calibration import Calibration
from ..core.errors import SettingsError
from ..evaluate.advise import Advice


def parse_share(text: str) -> float:
    """A share such as ``95%`` or ``0.95``; a SettingsError unless it lies in (0, 1]."""
    number = text.strip()
    try:
        share = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0.0 < share <= 1.0:
        raise SettingsError(f"expected a share such as 95% or 0.95, got {text!r}")
    return share


def ask(path: Path, *, keep: str | None, fnmr: str | None, halve: bool) -> tuple[Calibration, Advice]:
    """Read a calibration and answer."""
    from ..evaluate.advise import advise
    from ..io.store import read_calibration

    calibration = read_calibration(path)
    shares = {name: parse_share(text) for name, text in (("keep", keep), ("fnmr", fnmr)) if text is not None}
    return calibration, advise(calibration, **shares, halve=halve)


def advice_rows(calibration: Calibration, advice: Advice) -> Iterator[tuple[str, str]]:
    """(what, value) of each row of the table that people read."""
    start, choice = advice.start, advice.choice
    yield "goal", advice.goal
    yield "supported by the data", "yes" if advice.supported else "NO"
    for reason in advice.reasons:
        yield "", reason
    yield "FNMR with all kept", f"{start.fnmr:.3%} ({start.n_errors} of {start.n_pairs} mated pairs)"
    if choice is not None:
        band = f"{calibration.confidence:.0%} band {choice.low:.3%} to {choice.high:.3%}"
        yield "score threshold", f"{choice.threshold:.6g} (keep this score and higher ones)"
        yield "samples kept", f"{choice.samples_kept:.2%}"
        yield "mated pairs kept", f"{choice.pairs_kept:.2%}"
        yield "FNMR of pairs kept", f"{choice.fnmr:.3%} ({choice.n_errors} of {choice.n_pairs}; {band})"
        yield "relative to the start", f"band {choice.relative_low:.2f} to {choice.relative_high:.2f}"
        yield "subjects without a sample", f"{choice.subjects_lost} of {calibration.n_subjects}"
        short = f"{choice.subjects_short} that had {calibration.min_samples} or more"
        yield f"subjects with fewer than {calibration.min_samples}", short
        for name, loss in choice.groups.items():
            rates = ["-" if rate is None else f"{rate:.3%}" for rate in (loss.fnmr_before, loss.fnmr)]
            yield f"group {name}", f"{loss.samples_kept:.2%} kept, FNMR {rates[0]} to {rates[1]}"
    yield (
        "measured on",
        (
            f"{calibration.method} and {calibration.recogniser}, {calibration.n_subjects} subjects "
            f"({calibration.subjects_from}); confirm the threshold on other comparisons"
        ),
    )
