"""Pictures show a face whose mouth follows the track, while everything else moves, too."""

from dataclasses import replace

import numpy as np
import pytest

from avforensics.synthetic.articulation import articulate
from avforensics.synthetic.face import head_textures
from avforensics.synthetic.forge import SWAPPED, swap_face
from avforensics.synthetic.identity import HAIR_STYLES, Appearance, Identity
from avforensics.synthetic.lips import natural_lips
from avforensics.synthetic.paint import Canvas
from avforensics.synthetic.render import render
from avforensics.synthetic.scene import ROOMS, Scene

N_FRAMES, SIZE = 30, 64


def film(seed: int, lips: np.ndarray | None = None, size: int = SIZE, **changes) -> np.ndarray:
    rng = np.random.default_rng(seed)
    who = Identity.sample(rng)
    track = natural_lips(articulate(rng, N_FRAMES / 25), who.habits, N_FRAMES)
    scene = replace(Scene.sample(rng, N_FRAMES), **changes)
    if lips is None:
        return render(who.appearance, who.habits, scene, track.lips, track.jaw, size=size)
    return render(who.appearance, who.habits, scene, lips, lips[:, 0], size=size)


def still(**lips: float) -> np.ndarray:
    """Make a track of a constant mouth: opening, spread, rounding."""
    row = [lips.get(name, 0.0) for name in ("opening", "spread", "rounding")]
    return np.tile(np.array(row, np.float32), (N_FRAMES, 1))


def mouth(frames: np.ndarray) -> np.ndarray:
    size = frames.shape[1]
    box = frames[:, int(0.55 * size) : int(0.95 * size), int(0.2 * size) : int(0.8 * size)]
    return box.astype(float)


def test_frames_are_rgb_bytes_and_repeat_exactly():
    frames = film(0)
    assert frames.shape == (N_FRAMES, SIZE, SIZE, 3) and frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, film(0))


def test_a_mouth_opens_where_mouths_are():
    for seed in range(4):
        closed, wide = film(seed, still()), film(seed, still(opening=1.0))
        change = np.abs(wide.astype(float) - closed).mean((0, 3))
        rows, columns = np.indices(change.shape)
        assert 0.55 < (rows * change).sum() / change.sum() / SIZE < 0.90
        assert 0.35 < (columns * change).sum() / change.sum() / SIZE < 0.65
        assert np.abs(mouth(wide) - mouth(closed)).mean() > 3
        assert change[: SIZE // 3].max() < 1  # no change above the eyes


@pytest.mark.parametrize("part", ["spread", "rounding"])
def test_width_and_rounding_are_visible_too(part):
    closed, moved = film(1, still(opening=0.3)), film(1, still(opening=0.3, **{part: 0.8}))
    assert np.abs(mouth(moved) - mouth(closed)).mean() > 1


def test_head_moves_light_changes_and_noise_is_fresh_on_each_frame():
    frames = film(2, still()).astype(float)
    assert np.abs(frames[-1] - frames[0]).mean() > 2
    frozen = {
        name: np.zeros_like(value)
        for name, value in vars(Scene.sample(np.random.default_rng(0), N_FRAMES)).items()
        if name in ("shift", "turn", "roll", "sway", "lids", "light_side")
    }
    frozen |= {"light": np.ones(N_FRAMES), "zoom": np.ones(N_FRAMES), "noise": 3.0}
    calm = film(2, still(), **frozen).astype(float)
    noise = (calm[1:] - calm[:-1]).std((1, 2, 3))
    assert (noise > 1.5).all() and (noise < 8).all()
    assert np.ptp(film(2, still(), **(frozen | {"noise": 0.0})), axis=0).max() == 0


def test_eyes_blink():
    open_eyes, shut = (film(3, still(), lids=np.full(N_FRAMES, lid), noise=0.0) for lid in (0, 2))
    change = np.abs(open_eyes.astype(float) - shut).sum((0, 3))
    rows = np.flatnonzero(change.sum(1) > 0)
    assert rows.min() > 0.3 * SIZE and rows.max() < 0.6 * SIZE


def test_people_look_different_and_no_style_is_broken():
    rng = np.random.default_rng(5)
    appearance = Identity.sample(rng).appearance
    heads = []
    for style in HAIR_STYLES:
        texture = head_textures(replace(appearance, style=style), 48)
        rgba = texture.view(np.uint8).reshape(*texture.shape, 4).astype(int)
        heads.append(rgba[0].astype(float))
        assert (rgba[..., :3] <= rgba[..., 3:] + 12).all(), "colours must be premultiplied"
        assert rgba[0, texture.shape[1] // 2, texture.shape[1] // 2, 3] == 255
    gaps = [np.abs(a - b).mean() for i, a in enumerate(heads) for b in heads[:i]]
    assert min(gaps) > 0.5


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_can_be_painted(room):
    corner = film(6, still(), room=room)[0, :12]
    assert 5 < corner.mean() < 250


def test_face_swap_changes_the_face_and_keeps_the_head():
    one, two = (Appearance.sample(np.random.default_rng(s), man=True) for s in (1, 2))
    swapped = swap_face(one, two)
    for part, value in vars(swapped).items():
        assert value == getattr(two if part in SWAPPED else one, part)


def test_canvas_box_paints_on_the_whole_and_fill_covers():
    canvas = Canvas(40, 1.0)
    box = canvas.part(-0.5, 0.5, -0.5, 0.5)
    box.fill((10, 20, 30), np.ones_like(box.alpha))
    assert canvas.alpha.mean() == pytest.approx(0.25, abs=0.03)
    np.testing.assert_allclose(canvas.colour[:, 20, 20], [10, 20, 30])
    canvas.tint((100, 100, 100), np.ones_like(canvas.alpha))
    np.testing.assert_allclose(canvas.colour[:, 20, 20], 100)
    assert canvas.colour[:, 0, 0].max() == 0, "a tint must not reach beyond what is painted"
