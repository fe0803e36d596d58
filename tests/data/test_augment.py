import numpy as np
import pytest
from PIL import Image

from avforensics.data.augment import Augment, resize


def picture(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_off_changes_nothing():
    frames = picture(2, 5, 16, 16)
    assert np.array_equal(Augment()(frames, rng()), frames)


def test_flip_mirrors_every_frame():
    frames = picture(3, 8, 8)
    assert np.array_equal(Augment(flip=1)(frames, rng()), frames[:, :, ::-1])


def test_flip_comes_as_often_as_asked():
    frames = picture(1, 4, 4)
    augment, draws = Augment(flip=0.25), rng()
    flips = sum(not np.array_equal(augment(frames, draws), frames) for _ in range(2000))
    assert 440 < flips < 560


@pytest.mark.parametrize("change", [{"flip": 1}, {"crop": 0.3}, {"colour": 0.4}])
def test_all_frames_alike_and_by_seed(change):
    frames = np.repeat(picture(1, 32, 32), 4, axis=0)
    changed = Augment(**change)(frames, rng())
    assert changed.shape == frames.shape
    assert changed.dtype == np.uint8
    assert changed.flags.c_contiguous
    assert np.array_equal(changed, np.repeat(changed[:1], 4, axis=0))
    assert not np.array_equal(changed, frames)
    assert np.array_equal(Augment(**change)(frames, rng()), changed)
    if "flip" not in change:
        assert not np.array_equal(Augment(**change)(frames, rng(1)), changed)


def test_one_change_leaves_the_others_as_they_were():
    frames = picture(2, 32, 32)
    alone = Augment(crop=0.3)(frames, rng())
    assert np.array_equal(Augment(crop=0.3, flip=1)(frames, rng()), alone[:, :, ::-1])


def test_crop_keeps_to_its_bound():
    ramp = np.zeros((1, 100, 100, 3), np.uint8)
    ramp[0, :, :, 0] = np.arange(100)
    widths = []
    for seed in range(200):
        changed = Augment(crop=0.2)(ramp, rng(seed))[0, 50, :, 0].astype(int)
        widths.append(changed[-1] - changed[0] + 1)
    assert 78 <= min(widths) < 85
    assert 95 < max(widths) <= 100


def test_colour_moves_grey_within_its_bound_and_keeps_it_grey():
    grey = np.full((1, 4, 4, 3), 100, np.uint8)
    values = []
    for seed in range(200):
        changed = Augment(colour=0.2)(grey, rng(seed))
        assert np.ptp(changed) <= 1
        values.append(int(changed[0, 0, 0, 0]))
    # Brightness 0.8..1.2 of what contrast makes of 100, at most 27.5 * 0.2 from it.
    assert 74 <= min(values) < 85
    assert 115 < max(values) <= 127


def test_saturation_is_about_the_luma():
    from avforensics.data.augment import _recolour

    red = np.array([[[[200, 0, 0]]]], np.uint8)
    assert _recolour(red, 1, 1, 0).ravel().tolist() == [60, 60, 60]
    assert _recolour(red, 1, 1, 1).ravel().tolist() == [200, 0, 0]


def test_resize_is_that_of_pil():
    frames = resize(picture(2, 3, 9, 7), (90, 70))
    ours = resize(frames, (40, 48))
    assert ours.shape == (2, 3, 40, 48, 3)
    for index in np.ndindex(2, 3):
        pil = Image.fromarray(frames[index]).resize((48, 40), Image.Resampling.BICUBIC)
        difference = np.abs(ours[index].astype(int) - np.asarray(pil))
        assert difference.max() <= 2
        assert difference.mean() < 0.25


@pytest.mark.parametrize("wrong", [{"flip": 1.1}, {"crop": 1}, {"colour": -0.1}])
def test_nonsense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augment(**wrong)
