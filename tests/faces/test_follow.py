"""Tracks from made-up sightings: no pictures needed."""

import numpy as np
import pytest

from avforensics.faces.crops import CropRecipe
from avforensics.faces.follow import Look, intersection_over_union, link, tracks_of
from avforensics.faces.settings import FaceSettings
from avforensics.faces.shots import THUMB, ShotCuts
from avforensics.faces.track import FaceTrack

SETTINGS = FaceSettings(smooth=0)


def face(x, y=100.0, size=60.0):
    """A detection with its box's left top corner at x, y."""
    points = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    landmarks = [value for u, v in points for value in (x + u * size, y + v * size)]
    return np.array([x, y, x + size, y + size, *landmarks, 0.9], np.float32)


def look(frame, *faces):
    return Look(frame, np.array(faces, np.float32).reshape(-1, 15))


def follow(looks, n_frames, cuts=(), settings=SETTINGS):
    return tracks_of(link(looks, cuts, settings), cuts, n_frames, settings)


def test_positions_between_looks_lie_on_a_line():
    looks = [look(n, face(100 + 2 * n)) for n in range(0, 51, 5)]
    (track,), dropped = follow(looks, 51)
    assert not dropped and len(track) == 51
    np.testing.assert_allclose(track.boxes[:, 0], 100 + 2 * np.arange(51))
    np.testing.assert_allclose(track.landmarks[:, 2, 0], 130 + 2 * np.arange(51))
    assert track.seen.nonzero()[0].tolist() == list(range(0, 51, 5))
    assert (track.start, track.end) == (0, 51 / 25)


def test_smoothing_shifts_nothing_in_time():
    random = np.random.default_rng(0)
    looks = [look(n, face(100 + n + random.normal(0, 3))) for n in range(0, 201, 5)]
    (rough,), _ = follow(looks, 201)
    (smooth,), _ = follow(looks, 201, settings=FaceSettings(smooth=0.3))
    inner = slice(25, -25)
    rough, smooth = (t.boxes[inner, 0] - (100 + np.arange(201))[inner] for t in (rough, smooth))
    assert smooth.std() < 0.7 * rough.std()
    assert abs(smooth.mean()) < 1.5, "a lag would show as an offset"


def test_two_faces_keep_apart_whatever_their_order():
    looks = [look(n, *[face(100), face(300 + n)][:: -1 if n % 2 else 1]) for n in range(0, 41, 5)]
    tracks, _ = follow(looks, 41)
    assert [track.name for track in tracks] == ["1", "2"]
    assert sorted(np.ptp(track.boxes[:, 0]) for track in tracks) == [0, 40]


def test_gaps_are_bridged_up_to_their_limit():
    seen = [0, 5, 10, 15, 20, 45, 50, 55, 60, 65]
    (track,), _ = follow([look(n, *[face(100)] * (n in seen)) for n in range(0, 66, 5)], 66)
    assert len(track) == 66
    settings = FaceSettings(smooth=0, gap=0.9, min_seconds=0.8)
    tracks, _ = follow([look(n, face(100)) for n in seen], 66, settings=settings)
    assert [(t.first_frame, t.end_frame) for t in tracks] == [(0, 21), (45, 66)]


def test_a_track_ends_at_a_cut_and_fills_its_shot():
    looks = [look(n, face(100)) for n in (0, 5, 10, 15, 20, 25, 30, 31, 35, 40, 45, 50, 55, 60)]
    tracks, _ = follow(looks, 62, cuts=(31,))
    assert [(t.first_frame, t.end_frame) for t in tracks] == [(0, 31), (31, 62)]


def test_reasons():
    looks = [look(n, face(100, size=30), face(300)) for n in range(0, 51, 5)]
    looks += [look(n, face(500)) for n in range(55, 71, 5)]
    tracks, dropped = follow(looks, 200)
    assert len(tracks) == 1
    assert dropped == {"smaller than 40 pixels": 1, "shorter than 1 s": 1}
    seldom = [look(n, *[face(100)] * (n % 25 == 0)) for n in range(0, 201, 5)]
    assert follow(seldom, 201)[1] == {"seen in less than 40 % of the looks": 1}


def test_overlap():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 20, 30]], float)
    found = intersection_over_union(boxes, boxes[:2])
    np.testing.assert_allclose(found, [[1, 1 / 3], [1 / 3, 1], [0, 0]])
    assert intersection_over_union(boxes[:0], boxes).shape == (0, 3)


def thumbs(*levels):
    """Frames of a textured picture at each of these levels."""
    texture = np.random.default_rng(0).integers(0, 20, (THUMB, THUMB, 3))
    return [np.clip(texture + level, 0, 255).astype(np.uint8) for level in levels]


@pytest.mark.parametrize(
    "levels, cuts",
    [
        ([50] * 20 + [120] * 20, (20,)),
        ([50] * 20 + [240] + [50] * 20, ()),  # a flash
        ([50] * 20 + [240] * 2 + [50] * 20, ()),
        (list(range(20, 220, 5)), ()),  # a fade
        ([50] * 10 + [120] * 10 + [60] * 10, (10, 20)),
        ([50, 120] * 20, ()),  # a strobe
        ([level for level in range(20, 220, 15) for _ in range(3)], ()),  # a fade at 8.3 fps
        ([50] * 9 + [50, 53, 50, 53, 120, 117, 120, 117] + [120] * 9, (13,)),
        ([50] * 30, ()),
        ([50], ()),
    ],
)
def test_cuts(levels, cuts):
    shots = ShotCuts()
    for thumb in thumbs(*levels):
        shots.add(thumb)
    assert shots.cuts() == cuts
    assert shots.n_frames == len(levels)


def track_at(boxes):
    boxes = np.asarray(boxes, np.float32)
    landmarks = np.zeros((len(boxes), 5, 2), np.float32)
    landmarks[:, 3:] = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2 + [[-10, 30], [10, 30]]
    return FaceTrack("1", 0, boxes, landmarks, np.ones(len(boxes), bool))


def test_the_square_of_the_published_preprocessing():
    """Half the longer side bs: x +- bs * 1.4, y from -bs to bs * 1.8, as with scale 0.40."""
    recipe = CropRecipe(side=1.4, down=0.2)
    x, y, side = recipe.squares(track_at([[100, 50, 180, 150]] * 5))[2]
    assert (x, side) == (140, pytest.approx(2 * 50 * 1.4))
    assert y - side / 2 == pytest.approx(100 - 50) and y + side / 2 == pytest.approx(100 + 50 * 1.8)


def test_a_median_takes_outliers_away_and_the_mouth_is_an_anchor():
    boxes = np.tile([100.0, 50, 180, 150], (40, 1))
    boxes[20] += 30
    steady = CropRecipe(median=13).squares(track_at(boxes))
    assert np.ptp(steady, axis=0).max() == 0
    mouth = CropRecipe(anchor="mouth", side=0.5, down=0.1).squares(track_at(boxes[:5]))
    np.testing.assert_allclose(mouth[0], (140, 100 + 30 + 10, 50))


@pytest.mark.parametrize("degrees", [-20, 0, 10])
def test_a_square_turns_with_the_eyes(degrees):
    track = track_at([[100, 50, 180, 150]] * 9)
    angle = np.radians(degrees)
    track.landmarks[:, 0] = (140 - 20 * np.cos(angle), 90 - 20 * np.sin(angle))
    track.landmarks[:, 1] = (140 + 20 * np.cos(angle), 90 + 20 * np.sin(angle))
    x, y, side, turned = CropRecipe(roll=True, side=0.5, down=0.2).squares(track)[4]
    assert np.degrees(turned) == pytest.approx(degrees, abs=0.01)
    assert side == 50
    # below the centre of the box along the turned face's own axis
    assert x == pytest.approx(140 - 20 * np.sin(angle), abs=1e-3)
    assert y == pytest.approx(100 + 20 * np.cos(angle), abs=1e-3)


def test_a_profile_says_little_of_the_roll():
    track = track_at([[100, 50, 180, 150]] * 9)
    track.landmarks[:, 0], track.landmarks[:, 1] = (139, 88), (141, 92)  # a steep line, 4.5 pixels
    assert np.degrees(CropRecipe(roll=True).squares(track)[4, 3]) < 10


@pytest.mark.parametrize(
    "options",
    [{"anchor": "nose"}, {"side": 0}, {"median": 4}, {"smooth": -1}, {"smooth_roll": -1}],
)
def test_recipes_without_meaning(options):
    with pytest.raises(ValueError, match="must"):
        CropRecipe(**options)
