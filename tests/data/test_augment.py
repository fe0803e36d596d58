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
    # Contrast moves 100 by at most 27.5 * 0.2; brightness multiplies the result by 0.8..1.2.
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


def disc(x, y, side=64, radius=6):
    """Draw a white disc on black."""
    rows, columns = np.mgrid[:side, :side]
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return np.repeat((255 * inside).astype(np.uint8)[None, ..., None], 3, axis=3)


def centre(frames):
    """Centre (x, y) and area of the white pixels in the first frame."""
    light = frames[0, ..., 0] / 255.0
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
    area = light.sum()
    return (light * columns).sum() / area, (light * rows).sum() / area, area


def test_scale_magnifies_about_the_centre():
    x, y, area = centre(Augment(scale=(1.5, 1.5))(disc(44, 31.5), rng()))
    assert (x, y) == (pytest.approx(31.5 + 1.5 * 12.5, abs=0.3), pytest.approx(31.5, abs=0.3))
    assert area == pytest.approx(1.5**2 * centre(disc(44, 31.5))[2], rel=0.05)


def test_shift_keeps_to_its_bound():
    moved = [centre(Augment(shift=0.1)(disc(31.5, 31.5), rng(seed)))[:2] for seed in range(100)]
    away = np.abs(np.array(moved) - 31.5)
    assert 5 < away.max() < 6.7
    assert away.mean() > 2


def test_roll_turns_about_the_centre():
    angles = []
    for seed in range(100):
        x, y, _ = centre(Augment(roll=5)(disc(51.5, 31.5), rng(seed)))
        angles.append(np.degrees(np.arctan2(y - 31.5, x - 31.5)))
        assert np.hypot(x - 31.5, y - 31.5) == pytest.approx(20, abs=0.3)
    assert 4 < np.std(angles) < 6


def test_grey_has_one_level_for_all_colours():
    changed = Augment(grey=1)(picture(2, 16, 16), rng()).astype(int)
    assert np.ptp(changed, axis=-1).max() <= 1


def test_blur_takes_away_detail_and_noise_adds_it():
    def detail(frames):
        return np.abs(np.diff(frames.astype(float), axis=-2)).mean()

    rough, flat = picture(2, 32, 32), np.full((4, 32, 32, 3), 128, np.uint8)
    assert detail(Augment(blur=1)(rough, rng())) < 0.6 * detail(rough)
    noisy = Augment(noise=1)(flat, rng())
    assert 1 < noisy.astype(float).std() < 14
    assert not np.array_equal(noisy[0], noisy[1]), "noise must differ from frame to frame"


def test_compression_keeps_the_picture_and_every_frame():
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    frames = np.stack([np.roll(np.tile(ramp, (64, 1)), k, axis=1) for k in range(7)])
    frames = np.repeat(frames[..., None], 3, axis=3)
    changed = Augment(h264=1)(frames, rng())
    assert changed.shape == frames.shape
    assert not np.array_equal(changed, frames)
    errors = np.abs(changed.astype(int)[:, None] - frames.astype(int)[None]).mean(axis=(2, 3, 4))
    assert errors.argmin(axis=1).tolist() == list(range(7)), "frames changed places"


WRONG = {"flip": 1.1, "crop": 1, "colour": -0.1, "scale": (0, 1), "roll": 100, "shift": 1}


@pytest.mark.parametrize(("name", "value"), [*WRONG.items(), ("h264", 2)])
def test_values_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        Augment(**{name: value})
