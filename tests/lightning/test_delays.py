"""The measures of validation, with a network that reads the true delay from its input."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from avforensics.lightning.delays import clip_rows, delay_errors, heat_maps
from avforensics.lightning.sync import MEASURES, SyncModule
from avforensics.media.types import HOP
from avforensics.models.sync import SyncNetwork

FRAMES = 75


class Oracle(SyncNetwork):
    """Compare the brightness of a window's first frame with the lowest sample of the sound."""

    def __init__(self):
        nn.Module.__init__(self)
        self.max_delay = 15
        self.log_mel = lambda crops: crops.amin(dim=1)
        self.audio = lambda log_mel: log_mel
        vars(self).update(fusion=self, visual=self)  # submodules must not form cycles

    def frames(self, frames):
        return frames[:, 0, 0, 0]

    def video_tokens(self, features, starts=None, *, chunk=8):
        return features[:-4, None, None]

    def audio_tokens(self, features):
        return features[:, None, None]

    def forward(self, video, audio):
        return 10.0 * (video == audio).flatten()


def numbered(shift: int = 0) -> dict:
    """Make a clip: brightness t + 1 in frame t, sound of that level ``shift`` frames later."""
    number = torch.arange(1, FRAMES + 1)
    frames = number.to(torch.uint8)[:, None, None, None].expand(-1, 4, 4, 3)
    sound = torch.roll(number, shift).to(torch.int16).repeat_interleave(HOP)
    return {"frames": frames, "audio": sound, "index": 0, "broken": ""}


@pytest.mark.parametrize("shift", [0, 1, -2, 15])
def test_a_known_shift_is_found(shift):
    clip = numbered(shift)
    rows = clip_rows(Oracle(), clip["frames"], clip["audio"])
    assert rows.shape == (FRAMES - 4, 31)
    inside = slice(15, -15)  # elsewhere, the shifted sound is outside the clip
    assert (rows[inside].argmax(dim=1) == 15 + shift).all()
    errors = delay_errors(rows)
    assert (errors.windows[inside] == abs(shift)).all()
    assert errors.clip == abs(shift)


def test_inner_windows_see_no_padding():
    inner = delay_errors(torch.zeros(FRAMES - 4, 31)).inner
    assert inner.sum() == FRAMES - 4 - 30
    crops = torch.arange(FRAMES - 4 + 30)
    silent = (crops < 15) | (crops >= FRAMES - 4 + 15)
    assert torch.equal(inner, ~silent.unfold(0, 31, 1).any(dim=1))


def test_a_clip_can_be_right_where_its_windows_are_not():
    rows = torch.zeros(3, 31)
    rows[:, 15] = 2.0
    for window, wrong in enumerate((3, 20, 28)):
        rows[window, wrong] = 2.1
    errors = delay_errors(rows)
    assert errors.windows.tolist() == [12, 5, 13]
    assert errors.clip == 0
    expected = -torch.log_softmax(rows, dim=1)[:, 15].mean()
    assert errors.loss.item() == pytest.approx(expected.item())


@pytest.fixture(autouse=True)
def unsaved(monkeypatch):
    """Skip the check that networks can be saved, since `Oracle` never is."""
    monkeypatch.setattr("avforensics.lightning.sync.check_savable", lambda network: None)


def measured(*clips):
    module = SyncModule(network=Oracle(), optimizer=torch.optim.Adam)
    for number, clip in enumerate(clips):
        module.validation_step(clip, number)
    assert module.pictures()["heatmaps"]
    return {
        name: metric.compute().item()
        for name, metric in module.measures.items()
        if metric.update_count
    }


def test_validation_counts_windows_and_clips():
    exact = measured(numbered(0))
    assert {value for name, value in exact.items() if name != "loss"} == {1.0}
    near = measured(numbered(1))
    assert near["inner_window_exact"] == near["clip_exact"] == 0
    assert near["inner_window_within_one"] == near["clip_within_one"] == 1
    far = measured(numbered(2))
    assert far["inner_window_within_one"] == far["clip_within_one"] == 0
    mixed = measured(numbered(0), numbered(0), numbered(1), numbered(4))
    assert mixed["clip_exact"] == 0.5
    assert mixed["clip_within_one"] == 0.75
    assert mixed["inner_window_exact"] == 0.5


def test_a_clip_that_cannot_be_read_is_left_out_and_named(caplog):
    replaced = numbered(7) | {"broken": "bad.mp4: cut short"}
    assert measured(numbered(0), replaced, replaced)["clip_exact"] == 1.0
    assert caplog.text.count("bad.mp4: cut short") == 1


@pytest.mark.parametrize("elsewhere", [True, False])
def test_every_process_logs_what_any_has_measured(elsewhere, monkeypatch):
    """A process without a readable clip must not keep other processes waiting."""
    module, logged = SyncModule(network=Oracle(), optimizer=torch.optim.Adam), []
    strategy = SimpleNamespace(reduce_boolean_decision=lambda own, all: own or elsewhere)
    monkeypatch.setattr(SyncModule, "trainer", SimpleNamespace(strategy=strategy))
    monkeypatch.setattr(module, "log", lambda name, *_, **__: logged.append(name))
    module.on_validation_epoch_end()
    assert logged == [f"val/{name}" for name in MEASURES if elsewhere]


def test_heat_maps_draw_every_clip():
    figure = heat_maps({"one": torch.zeros(5, 31), "two": torch.zeros(9, 31)})
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
