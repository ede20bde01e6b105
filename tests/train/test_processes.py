from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fiqa.models.checkpoint import load_regressor
from fiqa.train.processes import ALONE, joined
from networks import tiny_recogniser
from train.two_processes import TRAININGS, run


def test_one_process_alone_shares_nothing() -> None:
    with joined("cpu") as processes:
        assert processes is ALONE
    assert processes.first
    values = torch.tensor([1.0, 2.0])
    processes.sum([values])
    processes.average([values])
    assert values.tolist() == [1, 2]
    assert processes.gather("a") == ["a"]
    assert processes.in_turn(lambda: 3) == 3


@pytest.mark.slow
def test_two_processes_train_what_one_does_and_the_first_alone_writes(tmp_path: Path) -> None:
    """Gradients are the same but for the order of float32 sums, 1e-7 of them; 10 steps of Adam, which divides
    small gradients by their size, make of it 1e-4 at most. BatchNorm that follows the batches sees half of
    each batch, so there the two differ in what they learn."""
    worker = Path(__file__).with_name("two_processes.py")
    path = os.pathsep.join([str(worker.parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", worker, tmp_path]
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        found = json.loads((tmp_path / f"found-{rank}.json").read_text())
        assert found["sum"] == [[[3, 3, 3]] * 2, 10]
        assert (found["average"], found["gather"], found["turn"]) == (0.5, [0, 1], True)
        assert found["group is gone"]
    assert (tmp_path / "turns").read_text() == "0"
    for name, settings in TRAININGS.items():
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["0"]
        alone = run(settings, tmp_path / f"{name}-alone", tmp_path / "cache")
        log = [json.loads(line) for line in (tmp_path / name / "0" / "log.jsonl").read_text().splitlines()]
        losses = [[line["train_loss"], line["validation_loss"]] for line in log]
        expected = [[line.train_loss, line.validation_loss] for line in alone.history]
        exact = settings.freeze_batchnorm
        np.testing.assert_allclose(losses, expected, rtol=1e-3 if exact else 0.5)
        if exact:
            first, second = (
                load_regressor(folder / "regressor.pt", recogniser=tiny_recogniser())[0].state_dict()
                for folder in (tmp_path / name / "0", tmp_path / f"{name}-alone")
            )
            for key, tensor in first.items():
                torch.testing.assert_close(tensor, second[key], rtol=1e-3, atol=1e-4)
