"""Figures of discard curves, detection errors, differences and label shifts, fit for a page of a paper.

Every function returns a figure on a light ground; `svg` and `png` turn it into text and bytes. The colours
(Okabe and Ito, told apart by all kinds of colour vision) and the inks are fixed, so that a page may restyle
an SVG by replacing them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray
from scipy.stats import norm

from .caveats import CHANCE
from .edc import EdcCurve
from .error_rates import DetCurve
from .label_shift import LabelShift
from .resample import Difference
from .results import ON_BASE, ON_OPTIMISED, RAW, Evaluation, TestBed

INK, MUTED, RULE, GROUND = "#1c1d21", "#63666e", "#d8dade", "#ffffff"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6aa8", "#8c564b")
VARIANT_LOOK: dict[str, dict[str, Any]] = {
    RAW: {"color": MUTED, "linestyle": (0, (4, 2)), "zorder": 2},
    ON_BASE: {"color": SERIES[0], "linestyle": "-", "zorder": 3},
    ON_OPTIMISED: {"color": SERIES[1], "linestyle": "-", "zorder": 4},
}
MOST_POINTS = 600

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "fiqa",
    "path.simplify": True,
}


def svg(figure: Figure) -> str:
    """The figure as an SVG element with transparent ground and text kept as text."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.05, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure, *, dpi: int = 200) -> bytes:
    """The figure as a PNG on white."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.05, dpi=dpi, facecolor=GROUND)
    return buffer.getvalue()


def jpeg(image: NDArray[np.uint8], *, quality: int = 88) -> bytes:
    """One uint8 RGB image (h, w, 3) as JPEG."""
    buffer = io.BytesIO()
    imsave(buffer, image, format="jpeg", pil_kwargs={"quality": quality})
    return buffer.getvalue()


def edc_figure(bed: TestBed, *, until: float = 0.95) -> Figure:
    """Discard curves of one test bed up to a discard fraction.

    With several variants one panel a method, else one panel for all methods. The shaded ground lies below
    what the best possible order would leave.
    """
    several = len(bed.variants) > 1
    groups = (
        [(method, [one for one in bed.evaluations if one.method == method]) for method in bed.methods]
        if several
        else [(bed.name, list(bed.evaluations))]
    )
    top = 1.08 * max(_reach(one.curve, until) for one in bed.evaluations)
    with _panels(len(groups), size=(3.1, 2.5) if several else (5.4, 3.3)) as (figure, axes):
        for panel, (ax, (title, evaluations)) in enumerate(zip(axes, groups, strict=True)):
            _shade_unattainable(ax, evaluations[0].curve)
            for number, one in enumerate(evaluations):
                look = _look(one, bed, number)
                ax.plot(*_drawn(one.curve), label=one.variant if several else one.method, **look)
            ax.set(title=title, xlim=(0, until), ylim=(0, top))
            _percent(ax.xaxis, ax.yaxis)
            if panel % _columns(len(groups)):
                ax.tick_params(labelleft=False)
            else:
                ax.set_ylabel(f"{evaluations[0].curve.error.upper()} at FMR {bed.fmr:g}")
        figure.supxlabel(f"{_units(bed.evaluations[0].curve)} left out, worst first", fontsize=9)
        _legend(figure, axes)
    return figure


def det_figure(curves: Sequence[tuple[str, DetCurve]], *, fmr: float | None = None) -> Figure:
    """Detection error trade-offs on normal-deviate axes, each with its name; a line marks the target FMR."""
    with _panels(1, size=(4.6, 4.0)) as (figure, (ax,)):
        for number, (name, curve) in enumerate(curves):
            inside = np.flatnonzero((curve.fmr > 0) & (curve.fmr < 1) & (curve.fnmr > 0) & (curve.fnmr < 1))
            deviates = norm.ppf(curve.fmr[inside])  # falling; thinned evenly along the axis
            even = np.linspace(deviates[0], deviates[-1], MOST_POINTS) if inside.size else deviates
            keep = inside[np.unique(np.searchsorted(-deviates, -even))]
            ax.plot(
                norm.ppf(curve.fmr[keep]),
                norm.ppf(curve.fnmr[keep]),
                color=SERIES[number % len(SERIES)],
                label=f"{name} (EER {curve.equal_error_rate:.2%})",
            )
        if fmr is not None:
            ax.axvline(norm.ppf(fmr), color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
        ticks = np.array([1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5])
        for axis, name in ((ax.xaxis, "FMR"), (ax.yaxis, "FNMR")):
            axis.set_major_locator(FixedLocator(norm.ppf(ticks).tolist()))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(
                FuncFormatter(lambda place, _: f"{norm.cdf(place):.4g}".replace("e-0", "e-"))
            )
            axis.set_label_text(name)
        ax.set(xlim=norm.ppf([5e-6, 0.6]), ylim=norm.ppf([5e-5, 0.6]))
        _legend(figure, [ax], columns=1)
    return figure


def difference_figure(differences: Sequence[tuple[str, Difference]]) -> Figure:
    """Differences with their intervals, one a row under its label; filled where Holm's p is below 0.05."""
    with _panels(1, size=(7.4, 0.6 + 0.25 * len(differences))) as (figure, (ax,)):
        ax.axvline(0, color=INK, linewidth=0.8)
        for row, (_, one) in enumerate(differences):
            clear = one.p_holm < CHANCE
            color = MUTED if not clear else SERIES[2] if one.change.estimate < 0 else SERIES[1]
            ax.plot([one.change.low, one.change.high], [row, row], color=color)
            ax.plot(one.change.estimate, row, "o", color=color, markerfacecolor=color if clear else GROUND)
            ax.annotate(
                f"p = {one.p_holm:.2g}",
                (1.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                color=MUTED,
            )
        ax.set_yticks(range(len(differences)), [label for label, _ in differences], color=INK)
        ax.set(ylim=(len(differences) - 0.5, -0.5), xlabel="change of the area (lower is better)")
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.grid(visible=False, axis="y")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    return figure


def shift_figure(shift: LabelShift) -> Figure:
    """Ranks before and after an optimisation, how far samples moved, and the similarities that moved them."""
    with _panels(2 if shift.mated_similarity is None else 3, size=(3.0, 2.6)) as (figure, axes):
        fade = LinearSegmentedColormap.from_list("fade", [(*to_rgb(SERIES[0]), a) for a in (0.12, 1.0)])
        axes[0].hexbin(
            shift.base_rank, shift.optimised_rank, gridsize=36, bins="log", mincnt=1, cmap=fade, linewidths=0
        )
        axes[0].plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
        axes[0].set(title="Rank before and after", xlabel="rank before", ylabel="rank after")
        axes[0].set(xlim=(0, 1), ylim=(0, 1))
        reach = max(float(np.abs(shift.shift).max()), 1e-6)
        axes[1].hist(shift.shift, bins=np.linspace(-reach, reach, 41).tolist(), color=SERIES[0])
        axes[1].axvline(0, color=INK, linewidth=0.8)
        axes[1].set(title="Rank shift", xlabel="rank after − rank before", ylabel="samples")
        if shift.mated_similarity is not None:
            axes[2].stairs(*shift.mated_similarity, fill=True, color=SERIES[2])
            axes[2].set(title="Mated similarity", xlabel="similarity", ylabel="pairs")
        _percent(axes[0].xaxis, axes[0].yaxis, axes[1].xaxis)
    return figure


@contextmanager
def _panels(count: int, *, size: tuple[float, float]) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of equal panels in rows of at most three, in the common style."""
    columns = _columns(count)
    rows = -(-count // columns)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = [figure.add_subplot(rows, columns, number + 1) for number in range(count)]
        yield figure, axes


def _percent(*scales: Axis) -> None:
    for scale in scales:
        scale.set_major_formatter(
            FuncFormatter(lambda share, _: f"{100 * share:.6g}%".replace("-", "\N{MINUS SIGN}"))
        )


def _columns(count: int) -> int:
    return min(count, 3)


def _legend(figure: Figure, axes: Sequence[Axes], *, columns: int = 4) -> None:
    """One legend above all panels, each label once."""
    entries = {
        label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside upper left",
        ncols=min(len(entries), columns),
        labelcolor=INK,
    )


def _look(one: Evaluation, bed: TestBed, number: int) -> dict[str, Any]:
    drawing = "default" if one.curve.convention.area == "trapezoid" else "steps-post"
    if len(bed.variants) > 1 and one.variant in VARIANT_LOOK:
        return {"drawstyle": drawing, **VARIANT_LOOK[one.variant]}
    return {"drawstyle": drawing, "color": SERIES[number % len(SERIES)]}


def _drawn(curve: EdcCurve) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    keep = _thin(np.arange(len(curve.discard_fraction)))
    return np.append(curve.discard_fraction[keep], 1.0), np.append(
        curve.error_rate[keep], curve.error_rate[-1]
    )


def _thin(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    if len(rows) <= MOST_POINTS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_POINTS).round().astype(np.intp)]


def _reach(curve: EdcCurve, until: float) -> float:
    """Highest error rate worth showing: where fifty comparisons remain, chance alone moves it little."""
    steady = (curve.discard_fraction <= until) & (curve.n_kept >= 50)
    return float(max(curve.error_rate[steady].max(initial=0.0), curve.error_at_zero, 1e-6))


def _shade_unattainable(ax: Axes, curve: EdcCurve) -> None:
    if curve.convention.discard == "pairs" and curve.convention.threshold == "fixed":
        share = curve.n_kept[0] / curve.n_units
        x = np.linspace(0, min(curve.error_at_zero * share, 0.999), 100)
        ax.fill_between(x, (curve.error_at_zero - x / share) / (1 - x / share), color=RULE, linewidth=0)


def _units(curve: EdcCurve) -> str:
    if curve.convention.discard == "images":
        return "images"
    return (
        "pairs"
        if curve.convention.population == "all"
        else "mated pairs"
        if curve.error == "fnmr"
        else "pairs"
    )
