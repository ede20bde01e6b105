"""Stage convert: a table of scores in the form of another program, or of another program in ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, SettingsError
from ..core.protocols import Progress
from ..io.atomic import atomic
from ..io.foreign import write_list, write_ofiq
from ..io.tables import check_table_output, read_table, write_table
from .settings import Stage, setting


@dataclass(frozen=True, kw_only=True)
class Convert(Stage):
    """Bring a table of scores into another form, by the ending of the output.

    Reads what all commands read as scores: Parquet, CSV and JSON of fiqa, folders of shards, tables of OFIQ
    (CSV with semicolons), .txt lists of a path and a score a line as of CR-FIQA, and JSON lists of records
    with path and quality_scores as of fiqat. Writes .parquet, .csv, .json, or such a .txt list.
    """

    name: ClassVar[str] = "convert"
    scores: Path = setting(help="Scores to read.", argument=True)
    form: Literal["fiqa", "ofiq"] = setting("fiqa", help="ofiq writes a .csv as OFIQ does.")
    root: str = setting("", help="Leading part of the paths to take away, so that sample ids are left.")

    def check_output(self) -> None:
        """Refuse an output that could not be written."""
        if self.form == "ofiq" and self.output.suffix.lower() != ".csv":
            raise SettingsError(f"a table of OFIQ is a .csv file, got {self.output}")
        if self.output.suffix.lower() != ".txt":
            check_table_output(self.output)

    def run(self, progress: Progress) -> None:
        """Write the table."""
        table = read_table(self.scores)
        columns = {**table.columns, "sample_id": self._ids(table.texts("sample_id"))}
        if self.form == "ofiq" or self.output.suffix.lower() == ".txt":
            table.numbers("score", refuse_nan=True)
            with atomic(self.output) as temporary:
                (write_ofiq if self.form == "ofiq" else write_list)(temporary, columns)
        else:
            write_table(self.output, columns, attributes=dict(table.attributes), provenance=table.provenance)
        progress(1, 1)

    def _ids(self, paths: NDArray[np.str_]) -> NDArray[np.str_]:
        if not self.root:
            return paths
        lead = self.root.rstrip("/") + "/"
        outside = [path for path in paths.tolist() if not path.startswith(lead)]
        if outside:
            raise DataError(f"{self.scores}: --root {self.root} is not the beginning of {outside[0]}")
        return np.array([path.removeprefix(lead) for path in paths.tolist()], np.str_)
