"""Too little shared memory for the loader's workers gives a one-line error before they start."""

from types import SimpleNamespace

import pytest

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError
from avforensics.lightning import shared_memory
from avforensics.lightning.data import SyncData
from avforensics.lightning.shared_memory import MB, check_shared_memory, shared_memory_error

SAYS = r"/dev/shm .* set data.workers=0, .*--shm-size"


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(
        shared_memory.shutil, "disk_usage", lambda path: SimpleNamespace(free=64 * MB)
    )


@pytest.fixture
def data(tmp_path):
    for i in range(8):
        (tmp_path / f"{i}.mp4").touch()
    rows = [
        Row(str(tmp_path / f"{i}.mp4"), 0, identity=str(i), split=s, duration=60.0)
        for i, s in enumerate(("sync", "val") * 4)
    ]
    Manifest(rows).write(tmp_path / "m.csv")

    def make(**options):
        options = {"phases": [{"batch_size": 4, "clips": 16}], "workers": 2} | options
        made = SyncData(manifest=tmp_path / "m.csv", **options)
        made.setup()
        progress = SimpleNamespace(total=SimpleNamespace(processed=0))
        made.trainer = SimpleNamespace(
            current_epoch=0,
            global_rank=0,
            world_size=1,
            fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress)),
            strategy=SimpleNamespace(root_device=SimpleNamespace(type="cpu")),
        )
        return made

    return make


@pytest.mark.parametrize("phase", [{"batch_size": 4, "clips": 16}, {"frames": 400}])
def test_batches_that_do_not_fit_start_no_worker(small, data, phase):
    made = data(phases=[phase])  # 2 x 2 batches of 320 frames and more of 224 pixels: 184 MB
    with pytest.raises(ConfigError, match=SAYS):
        made.train_dataloader()
    with pytest.raises(ConfigError, match=SAYS):  # 1,500 frames per clip
        made.val_dataloader()


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 0},
        {"size": 64, "val_frames": 100},
        {"phases": [{"batch_size": 2, "span": 20}], "val_frames": 25},
    ],
)
def test_what_fits_is_loaded(small, data, options):
    made = data(**options)
    made.train_dataloader()
    made.val_dataloader()


def test_without_such_a_folder_nothing_is_known(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_memory, "SHARED", tmp_path / "none")
    check_shared_memory(videos=10**6, frames=100, size=224, workers=8)


@pytest.mark.parametrize(
    "text",
    [
        "unable to allocate shared memory(shm) for file </torch_12_3_0>: No space left on device",
        "unable to write to file </torch_1_2_3>: No space left on device (28)",
        "DataLoader worker (pid 7) is killed by signal: Bus error.",
    ],
)
def test_errors_of_torch_are_translated_and_others_are_not(text):
    assert "data.workers=0" in str(shared_memory_error(RuntimeError(text)))
    assert shared_memory_error(RuntimeError("CUDA out of memory")) is None
