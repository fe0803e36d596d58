"""scripts/detect.py: the published flags."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "detect.py"


def call(*words, cwd=None):
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)


@pytest.mark.parametrize(
    ("flag", "value", "only"),
    [("fps", 30, 25), ("sample_rate", 44100, 16000), ("resize", 112, 224)],
)
def test_what_the_models_were_not_trained_for(flag, value, only):
    done = call("--test_video_path", "a.mp4", "--output_dir", "out", f"--{flag}", value)
    assert done.returncode == 2
    sentence = f"--{flag} {value}: the models were trained for {only} only"
    assert sentence in done.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.reference
def test_the_published_command_line(released_folder, reference, tmp_path, shared):
    """Score the golden clip from the media file with every published flag."""
    shutil.copy(shared / "media/released_clip.mp4", tmp_path / "my clip.mp4")
    (tmp_path / "list.txt").write_text("my clip.mp4\nmissing.mp4\n")
    flags = "--device cpu --max-len 50 --n_workers 2 --bs 1 --lam 0.5 --resize 224 --fps 25"
    words = [*flags.split(), "--sample_rate", "16000", "--checkpoints", released_folder]
    done = call("--test_video_path", "list.txt", "--output_dir", "out", *words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    golden = np.load(reference / "golden/released_clip_seed0.npz")
    expected = golden["dist_step"][:49].mean() + 0.5 * golden["feature_step"][:49].mean()
    score, missing = np.load(tmp_path / "out/testing_score.npy")
    assert score == pytest.approx(expected, rel=2e-3)
    assert np.isnan(missing)
