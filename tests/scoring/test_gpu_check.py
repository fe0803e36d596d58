"""`scripts/gpu_check.py`, written for a GPU, runs to its end on a CPU."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import tiny_sync

from avforensics.media.types import Block
from avforensics.scoring.engine import Engine
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.spans import cut_spans

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_check.py"


@pytest.mark.slow
def test_it_measures_everything(tmp_path):
    command = [sys.executable, str(SCRIPT), "--tiny", "--device", "cpu", "--out", str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCHDYNAMO_DISABLE": "1"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    found = json.loads((tmp_path / "gpu_check.json").read_text())
    names = [row["runtime"] for row in found["scoring"]]
    assert names == ["float32", "TF32", "bf16", "bf16, compiled"]
    assert found["scoring"][0]["difference"] == 0 < found["scoring"][2]["difference"] < 1
    assert all(row["clips_a_second"] > 0 for row in [*found["scoring"], *found["sharing"]])
    assert all(math.isfinite(row["step_seconds"]) for row in found["training"])
    assert len(found["training"]) == 6
    assert [row["processes"] for row in found["sharing"]] == [1, 2]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("precision", "most"), [("float32", 1e-3), ("bf16", 0.5)])
def test_a_gpu_gives_the_rows_of_the_cpu(precision, most):
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (40, 32, 32, 3), np.uint8)
    block = Block(frames, random.integers(-9000, 9000, 40 * 640).astype(np.int16))
    rows = {}
    for device in ("cpu", "cuda"):
        used = "float32" if device == "cpu" else precision
        runtime = RuntimeOptions(device=device, precision=used)
        engine = Engine(tiny_sync(), None, runtime=runtime)
        (span,) = cut_spans([block], max_windows=30, span_windows=30)
        rows[device] = engine.run([("clip", span)])[0].sync_logits
    assert np.abs(rows["cpu"] - rows["cuda"]).max() < most
