"""A run that was killed and resumed equals an uninterrupted run."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from bars import Kill, die_at
from safetensors.torch import load_file

SETTINGS = (
    "trainer.max_epochs=3",
    "scheduler=warmup_cosine",
    "callbacks.last.every_n_steps=1",
    "data.augment={_target_: avforensics.data.augment.Augment, flip: 0.5, colour: 0.2}",
)


@pytest.fixture(scope="module")
def unbroken(train_tiny, tmp_path_factory):
    """Folder of an uninterrupted run of three epochs with four steps each."""
    folder = tmp_path_factory.mktemp("unbroken")
    curve = train_tiny(folder, *SETTINGS)
    assert [row[0] for row in curve["train"]] == list(range(1, 13))
    assert [row[0] for row in curve["val"]] == [0, 1, 2]
    return folder


def assert_same_run(one, two):
    """Check that curve, best weights, last weights and optimiser state are identical."""
    curves = [json.loads((folder / "curve.json").read_text()) for folder in (one, two)]
    assert curves[0] == curves[1]
    best = [load_file(folder / "sync.safetensors") for folder in (one, two)]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])
    files = [folder / "checkpoints" / "last.ckpt" for folder in (one, two)]
    last = [torch.load(file, weights_only=True) for file in files]
    for name, tensor in last[0]["state_dict"].items():
        assert torch.equal(tensor, last[1]["state_dict"][name]), name
    adam = [checkpoint["optimizer_states"][0]["state"] for checkpoint in last]
    for index, moments in adam[0].items():
        assert all(torch.equal(moments[key], adam[1][index][key]) for key in moments)


@pytest.fixture
def killed(train_tiny, tmp_path, monkeypatch):
    """Return a function that trains, kills and resumes; it returns the run's folder."""

    def train(step, *settings):
        die_at(step, monkeypatch)
        with pytest.raises(Kill):
            train_tiny(tmp_path / "killed", *settings)
        die_at(None, monkeypatch)
        train_tiny(tmp_path / "killed", *settings, "ckpt=last")
        return tmp_path / "killed"

    return train


@pytest.mark.parametrize("step", [3, 4, 6])  # within an epoch, at its end, in the next
def test_same_run_after_a_kill(unbroken, killed, step):
    assert_same_run(unbroken, killed(step, *SETTINGS))


PACKED = (
    *SETTINGS,
    "data.phases=[{frames: 60, edges: 4}]",
    "data.sound={_target_: avforensics.data.sound.SoundAugment, noise: 0.5, babble: 0.5}",
    "module.neighbours=0.1",
    "module.channels_last=true",
)


def test_same_run_of_packed_steps_after_a_kill(train_tiny, killed, tmp_path):
    train_tiny(tmp_path / "whole", *PACKED)
    assert_same_run(tmp_path / "whole", killed(6, *PACKED))  # with four steps per epoch


@pytest.mark.slow
def test_same_run_after_sigkill_with_decoding_processes(tiny_settings, unbroken, tmp_path):
    command = [sys.executable, "-m", "avforensics", "train", *tiny_settings(tmp_path), *SETTINGS]
    command.append("data.workers=2")
    run = subprocess.Popen(command, start_new_session=True)
    last = tmp_path / "checkpoints" / "last.ckpt"
    while not last.exists():
        assert run.poll() is None, "training ended before it could be killed"
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    done = torch.load(last, weights_only=True)["global_step"]
    assert done < 12
    subprocess.run([*command, "ckpt=last"], check=True)
    assert_same_run(unbroken, tmp_path)
