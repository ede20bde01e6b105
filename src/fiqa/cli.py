"""The command line: one command a stage, in running order; options follow from the stage settings."""

from __future__ import annotations

import inspect
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .core.errors import FiqaError, SettingsError
from .pipeline import STAGES
from .pipeline.settings import Stage, read_toml
from .pipeline.study import read_study, run_study
from .serve.limits import Limits

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Face image quality for recognition: score, improve, evaluate.",
)
console = Console(stderr=True)

_WORK = "The whole way"
_STAGES = "Each stage alone, in running order"
_TABLES = "What is there"

benchmark = typer.Typer(no_args_is_help=True, help="Benchmarks and training sets at hand.")
weights = typer.Typer(no_args_is_help=True, help="Weights files.")
app.add_typer(benchmark, name="benchmark", rich_help_panel=_TABLES)
app.add_typer(weights, name="weights", rich_help_panel=_TABLES)


@app.callback()
def _main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show one line a stage and more.")] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=console, show_path=False)],
    )


@app.command(rich_help_panel=_WORK)
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")] = Path("demo"),
    subjects: Annotated[int, typer.Option(help="How many of the 40 subjects to use.")] = 40,
) -> None:
    """The whole job on 400 real faces: crop, embed, label, optimise, train, evaluate, report."""
    from .pipeline.demo import demo_stages, write_photos

    repairs = write_photos(output / "photos", subjects=subjects)
    console.print(repairs)
    _run(demo_stages(output), output / "records")
    typer.echo(output / "report" / "report.html")


@app.command(rich_help_panel=_WORK)
def run(
    config: Annotated[Path, typer.Argument(help="Study in TOML.")],
    values: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE for the study's placeholders.")
    ] = None,
    records: Annotated[
        Path | None, typer.Option(help="Folder of the records that make a study resumable.")
    ] = None,
) -> None:
    """Run a study; stages whose inputs and settings did not change are skipped."""
    pairs = [item.partition("=") for item in values or []]
    if any(not sign for _, sign, _ in pairs):
        raise SettingsError("--set takes NAME=VALUE")
    stages = read_study(config, {name: value for name, _, value in pairs})
    _run(stages, records or Path(f"{config.stem}-records"))


@app.command(rich_help_panel=_WORK)
def reproduce(
    study: Annotated[str, typer.Argument(help="Name of a published study: iwbf2023.")],
    data: Annotated[Path, typer.Option(help="Folder of the data sets (data/) and weights (models/).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    config: Annotated[Path | None, typer.Option(help="Edited copy of the study's TOML file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the stages and what is missing.")] = False,
) -> None:
    """A published study on the data and weights at hand: its tables beside the published numbers."""
    from .pipeline.reproduce import open_study
    from .pipeline.reproduce_stages import expand
    from .pipeline.reproduce_tables import write_tables

    chosen = open_study(study, output, config=config, keep=not dry_run)
    plan = expand(chosen, data, output)
    for line in plan.left_out:
        console.print(f"left out: {line}", soft_wrap=True, highlight=False)
    if dry_run:
        for stage in plan.stages:
            typer.echo(f"{stage.name:9} {stage.output}")
        return
    _run(list(plan.stages), output / "records")
    typer.echo(write_tables(study, chosen, plan, output))


@app.command(rich_help_panel=_WORK)
def serve(
    model: Annotated[
        str | None,
        typer.Option(help="File of `fiqa export`, or a name in `fiqa models`; else the shipped one."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; by default this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Images scored side by side; one a core.")
    ] = None,
    max_images: Annotated[int, typer.Option(min=1, help="Images a request.")] = Limits.images,
    max_bytes: Annotated[int, typer.Option(min=1, help="Bytes a request.")] = Limits.request_bytes,
    max_pixels: Annotated[int, typer.Option(min=1, help="Pixels an image.")] = Limits.pixels,
    queue: Annotated[
        int, typer.Option(min=1, help="Images in work and waiting; what is more is refused.")
    ] = Limits.queue,
    token: Annotated[
        str | None, typer.Option(envvar="FIQA_TOKEN", help="Bearer token to ask for.", show_envvar=True)
    ] = None,
) -> None:
    """Score over HTTP, with a page at / for people; needs the extra `serve`."""
    from .serve.server import serve as run_service

    limits = Limits(
        images=max_images,
        request_bytes=max_bytes,
        pixels=max_pixels,
        queue=queue,
        bytes_in_flight=max(max_bytes, Limits.bytes_in_flight),
        token=token,
    )
    if host not in ("127.0.0.1", "::1", "localhost") and token is None:
        console.print("[yellow]anyone who can reach this address can use it; --token asks for one[/yellow]")
    run_service(model, host=host, port=port, limits=limits, workers=workers, announce=_announce)


def _announce(address: str) -> None:
    console.print(f"serving at {address} (Ctrl-C stops)", highlight=False)


@app.command(rich_help_panel=_TABLES)
def methods(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Quality methods and label sources."""
    from .pipeline.catalogue import method_rows

    _table(method_rows(), as_json, "name", "gives", "trains", "needs", "summary")


@app.command(rich_help_panel=_TABLES)
def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Quality models inside this package, with the numbers of their cards."""
    from .pipeline.catalogue import area_rows, model_rows

    rows = model_rows()
    _table(rows, as_json, "name", "licence", "size", "crops")
    areas = area_rows(rows)
    if areas and not as_json:
        _table(areas, as_json, "name", "pAUC", "benchmark", "recogniser", "variant")


@app.command(rich_help_panel=_TABLES)
def recognisers(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Recognisers and where their weights come from."""
    from .pipeline.catalogue import recogniser_rows

    _table(recogniser_rows(), as_json, "name", "licence", "summary")


@benchmark.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder to look through.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say of each benchmark whether it is complete, what is missing and where to get it.

    Ends with 0 if all that was found is complete, with 1 if something is incomplete or nothing was found.
    """
    from .pipeline.benchmark_check import all_complete, check_benchmarks

    holdings = check_benchmarks(folder)
    rows = [holding.to_dict() if as_json else holding.summary() for holding in holdings]
    _table(rows, as_json, "name", "status", "images", "pairs", "missing, where to get it")
    raise typer.Exit(0 if all_complete(holdings) else 1)


@app.command(rich_help_panel=_WORK)
def advise(
    calibration: Annotated[Path, typer.Option(help="File written by `fiqa calibrate`.")],
    halve_fnmr: Annotated[bool, typer.Option("--halve-fnmr", help="Half the FNMR of all samples.")] = False,
    keep: Annotated[str | None, typer.Option(help="Share of samples to keep, such as 95% or 0.95.")] = None,
    fnmr: Annotated[str | None, typer.Option(help="FNMR to come down to, such as 1% or 0.01.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Where to set the score threshold, what it costs, and whether the data can tell."""
    from .pipeline.advise import advice_rows, ask

    known, advice = ask(calibration, keep=keep, fnmr=fnmr, halve=halve_fnmr)
    if as_json:
        typer.echo(json.dumps(advice.to_dict(), indent=2))
        return
    for name, value in advice_rows(known, advice):
        typer.echo(f"{name:28} {value}")


@weights.command("inspect")
def weights_inspect(
    file: Annotated[Path, typer.Argument(help="Checkpoint (.pth, .ckpt, .safetensors, .params) or .onnx.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What a weights file is: layout, input contract, licence; an unknown one is told what it lacks."""
    from .pipeline.catalogue import inspect_weights

    facts = inspect_weights(file)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        typer.echo(f"{name:8} {value}")


def main() -> None:
    """Entry point: an expected error is one line and exit code 2, a broken pipe ends quietly."""
    try:
        app()
    except FiqaError as error:
        console.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("stopped; run the same command again to go on where it ended")
        sys.exit(130)


def _add_stage(name: str, kind: type[Stage], summary: str) -> None:
    """Make a command whose parameters are the fields of the stage."""
    hints = get_type_hints(kind)
    toml = typer.Option(help="TOML file of settings; options given here win.")
    parameters = [
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(_parameter(field, hints[field.name]) for field in fields(kind)),
        inspect.Parameter(
            "config",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[Path | None, toml],
        ),
    ]

    def command(context: typer.Context, config: Path | None, **given: Any) -> None:
        values = read_toml(config) if config else {}
        for key, value in given.items():
            explicit = context.get_parameter_source(key).name != "DEFAULT"  # type: ignore[union-attr]
            if explicit or (key not in values and value not in (None, [])):
                values[key] = value
        stage = kind.from_mapping(values)
        with _bars() as bars:
            stage.execute(_bar(bars, stage))
        wrote = ", ".join(map(str, (stage.output, *stage.beside())))
        console.print(f"wrote {wrote}", highlight=False, soft_wrap=True, markup=False)
        if found := stage.found():
            console.print(found, highlight=False, soft_wrap=True, markup=False)
        files, failed = stage.failures()
        if failed:
            others = f" and {len(files) - 1} more" if files[1:] else ""
            told = f"{failed} without a result, see {files[0]}{others}"
            console.print(told, highlight=False, soft_wrap=True, markup=False)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(kind) or "")
    app.command(name, rich_help_panel=_STAGES, short_help=summary)(command)


def _parameter(field: Any, hint: Any) -> inspect.Parameter:
    many = getattr(hint, "__origin__", None) is tuple and get_args(hint)[-1] is Ellipsis
    annotation = list[get_args(hint)[0]] if many else hint  # type: ignore[misc]
    metadata = field.metadata
    if metadata["argument"]:
        kind: Any = typer.Argument(help=metadata["help"])
    else:
        kind = typer.Option(f"--{field.name.replace('_', '-')}", *metadata["flags"], help=metadata["help"])
    default = None if field.default is MISSING else field.default
    if field.default is MISSING or many:
        annotation = annotation | None
    default = list(default) if isinstance(default, tuple) and many else default
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, kind]
    )


def _run(stages: list[Stage], records: Path) -> None:
    with _bars() as bars:

        def announce(stage: Stage, done: bool) -> Callable[[int, int], None]:
            if done:
                bars.console.print(f"[dim]{stage.name:9} {stage.output} is up to date[/dim]", highlight=False)
            return _bar(bars, stage, visible=not done)

        run_study(stages, records, announce)


@contextmanager
def _bars() -> Iterator[Progress]:
    """Progress bars; what ends in an error leaves none behind."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    rate, left = _Rate(), TimeRemainingColumn(elapsed_when_finished=True)
    with Progress(*columns, rate, left, console=console) as bars:
        try:
            yield bars
        except FiqaError:
            for task in bars.tasks:
                bars.update(task.id, visible=task.finished)
            raise


class _Rate(ProgressColumn):
    """How many of what a stage counts are done a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        counts = task.fields.get("counts")
        return Text(f"{speed:.0f} {counts}/s" if speed and counts else "", style="progress.data.speed")


def _bar(bars: Progress, stage: Stage, *, visible: bool = True) -> Callable[[int, int], None]:
    task = bars.add_task(
        f"{stage.name:9} {stage.output.name}", total=None, visible=visible, counts=stage.counts
    )

    def progress(done: int, total: int) -> None:
        bars.update(task, completed=done, total=total)

    return progress


def _table(rows: list[dict[str, Any]], as_json: bool, *columns: str) -> None:
    """Print whole rows as JSON, or some of their columns as a table whose first one is never broken."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2, default=str))
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for key in columns:
        table.add_column(key, overflow="fold", no_wrap=key == columns[0])
    for row in rows:
        cells = ({True: "yes", False: ""}.get(row[key], row[key]) for key in columns)
        table.add_row(*(escape(str(cell)) for cell in cells))
    Console().print(table)


for _entry in STAGES:
    _add_stage(_entry.name, _entry.load(), _entry.summary)
