"""Tracks from synthetic detections."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from avforensics.faces.crops import CropRecipe
from avforensics.faces.settings import FaceSettings
from avforensics.faces.shots import THUMB, ShotCuts
from avforensics.faces.track import FaceTrack
from avforensics.faces.tracking import (
    Detections,
    assigned,
    associate,
    intersection_over_union,
    tracks_of,
)

SETTINGS = FaceSettings(smooth=0)


def face(x, y=100.0, size=60.0):
    """Make a detection whose box has its top left corner at x, y."""
    points = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    landmarks = [value for u, v in points for value in (x + u * size, y + v * size)]
    return np.array([x, y, x + size, y + size, *landmarks, 0.9], np.float32)


def detect(frame, *faces):
    return Detections(frame, np.array(faces, np.float32).reshape(-1, 15))


def tracked(frames, n_frames, cuts=(), settings=SETTINGS):
    return tracks_of(associate(frames, cuts, settings), cuts, n_frames, settings)


def test_positions_between_looks_lie_on_a_line():
    frames = [detect(n, face(100 + 2 * n)) for n in range(0, 51, 5)]
    (track,), dropped = tracked(frames, 51)
    assert not dropped and len(track) == 51
    np.testing.assert_allclose(track.boxes[:, 0], 100 + 2 * np.arange(51))
    np.testing.assert_allclose(track.landmarks[:, 2, 0], 130 + 2 * np.arange(51))
    assert track.seen.nonzero()[0].tolist() == list(range(0, 51, 5))
    assert (track.start, track.end) == (0, 51 / 25)


def test_smoothing_shifts_nothing_in_time():
    random = np.random.default_rng(0)
    frames = [detect(n, face(100 + n + random.normal(0, 3))) for n in range(0, 201, 5)]
    (rough,), _ = tracked(frames, 201)
    (smooth,), _ = tracked(frames, 201, settings=FaceSettings(smooth=0.3))
    inner = slice(25, -25)
    rough, smooth = (t.boxes[inner, 0] - (100 + np.arange(201))[inner] for t in (rough, smooth))
    assert smooth.std() < 0.7 * rough.std()
    assert abs(smooth.mean()) < 1.5, "a lag would show as an offset"


def test_two_faces_keep_apart_whatever_their_order():
    frames = [
        detect(n, *[face(100), face(300 + n)][:: -1 if n % 2 else 1]) for n in range(0, 41, 5)
    ]
    tracks, _ = tracked(frames, 41)
    assert [track.name for track in tracks] == ["1", "2"]
    assert sorted(np.ptp(track.boxes[:, 0]) for track in tracks) == [0, 40]


def test_pairs_have_the_least_cost_as_in_scipy():
    random = np.random.default_rng(0)
    for shape in [(0, 2), (2, 0), (1, 3), (2, 2), (3, 5), (6, 4), (7, 7)] * 5:
        costs = random.random(shape)
        assert sorted(assigned(costs)) == list(zip(*linear_sum_assignment(costs), strict=True))


def test_gaps_are_bridged_up_to_their_limit():
    seen = [0, 5, 10, 15, 20, 45, 50, 55, 60, 65]
    (track,), _ = tracked([detect(n, *[face(100)] * (n in seen)) for n in range(0, 66, 5)], 66)
    assert len(track) == 66
    settings = FaceSettings(smooth=0, gap=0.9, min_seconds=0.8)
    tracks, _ = tracked([detect(n, face(100)) for n in seen], 66, settings=settings)
    assert [(t.first_frame, t.end_frame) for t in tracks] == [(0, 21), (45, 66)]


def test_a_track_ends_at_a_cut_and_fills_its_shot():
    frames = [detect(n, face(100)) for n in (0, 5, 10, 15, 20, 25, 30, 31, 35, 40, 45, 50, 55, 60)]
    tracks, _ = tracked(frames, 62, cuts=(31,))
    assert [(t.first_frame, t.end_frame) for t in tracks] == [(0, 31), (31, 62)]


def test_reasons():
    frames = [detect(n, face(100, size=30), face(300)) for n in range(0, 51, 5)]
    frames += [detect(n, face(500)) for n in range(55, 71, 5)]
    tracks, dropped = tracked(frames, 200)
    assert len(tracks) == 1
    assert dropped == {"smaller than 40 pixels": 1, "shorter than 1 s": 1}
    seldom = [detect(n, *[face(100)] * (n % 25 == 0)) for n in range(0, 201, 5)]
    assert tracked(seldom, 201)[1] == {"detected in fewer than 40 % of searched frames": 1}


def weak(*where, confidence=0.4):
    found = face(*where)
    found[14] = confidence
    return found


@pytest.mark.parametrize("count", [6, 10, 18, 24])
def test_a_face_in_all_of_a_short_video_is_kept(count):
    frames = [detect(n, face(100)) for n in range(0, count, 5)]
    (track,), dropped = tracked(frames, count)
    assert len(track) == count and not dropped
    assert tracked(frames, 60) == ((), {"shorter than 1 s": 1}), "elsewhere it is too short"


def test_a_fast_turn_is_one_track():
    """The head turns from profile to front between two detections; its box moves far and grows."""
    frames = [detect(n, face(100, size=50)) for n in (0, 5, 10)]
    frames += [detect(n, face(148, y=96, size=66)) for n in range(15, 34, 5)]
    (track,), dropped = tracked(frames, 34)
    assert (track.first_frame, len(track)) == (0, 34) and not dropped


@pytest.mark.parametrize("x, size", [(230, 60), (165, 150)], ids=["far", "another size"])
def test_who_comes_while_another_goes_is_another_track(x, size):
    frames = [detect(n, face(100)) for n in range(0, 31, 5)]
    frames += [detect(n, face(x, size=size)) for n in range(35, 66, 5)]
    tracks, _ = tracked(frames, 66)
    assert len(tracks) == 2


def test_neighbours_keep_apart_while_one_is_not_seen():
    """Of two heads side by side, one turns away for a while."""
    seen = [n for n in range(0, 66, 5) if not 20 <= n <= 35]
    frames = [detect(n, face(100), *[face(165)] * (n in seen)) for n in range(0, 66, 5)]
    tracks, _ = tracked(frames, 66)
    assert [(t.first_frame, len(t)) for t in tracks] == [(0, 66), (0, 66)]
    assert [np.ptp(t.boxes[:, 0]) for t in tracks] == [0, 0]


def test_doubtful_faces_continue_tracks_both_ways_and_begin_none():
    frames = [detect(n, weak(100) if n < 20 or 35 < n < 70 else face(100)) for n in range(0, 90, 5)]
    (track,), dropped = tracked(frames, 86)
    assert (track.first_frame, len(track)) == (0, 86) and not dropped
    alone = [detect(n, weak(100)) for n in range(0, 90, 5)]
    assert tracked(alone, 86) == ((), {})
    cut, _ = tracked(frames, 86, cuts=(20,))
    assert [(t.first_frame, t.end_frame) for t in cut] == [(20, 86)]
    elsewhere = [detect(n, face(100) if n < 35 else weak(300)) for n in range(0, 90, 5)]
    assert [len(t) for t in tracked(elsewhere, 86)[0]] == [31]


def test_overlap():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 20, 30]], float)
    found = intersection_over_union(boxes, boxes[:2])
    np.testing.assert_allclose(found, [[1, 1 / 3], [1 / 3, 1], [0, 0]])
    assert intersection_over_union(boxes[:0], boxes).shape == (0, 3)


def test_a_caption_is_no_cut():
    plain = thumbs(50)[0]
    found = []
    for rows in (12, 16):
        captioned = plain.copy()
        captioned[-rows:] = 240  # of 64
        shots = ShotCuts()
        for thumb in [plain] * 20 + [captioned] * 20:
            shots.add(thumb)
        found.append(shots.cuts())
    assert found == [(), (20,)]


def thumbs(*levels):
    """Make frames of a textured picture, one for each brightness level."""
    texture = np.random.default_rng(0).integers(0, 20, (THUMB, THUMB, 3))
    return [np.clip(texture + level, 0, 255).astype(np.uint8) for level in levels]


@pytest.mark.parametrize(
    "levels, cuts",
    [
        ([50] * 20 + [120] * 20, (20,)),
        ([50] * 20 + [240] + [50] * 20, ()),  # a flash
        ([50] * 20 + [240] * 2 + [50] * 20, ()),
        (list(range(20, 220, 5)), ()),  # a fade
        ([50] * 20 + [120] * 12 + [50] * 20, ()),  # a hand before the camera
        ([50] * 20 + [120] * 13 + [50] * 20, (20, 33)),
        ([50] * 20 + [120] * 3 + [200] * 3 + [50] * 20, ()),
        ([50] * 20 + [120] * 5 + [200] * 20, (20, 25)),
        ([50] * 10 + [120] * 10 + [75] * 10, (10, 20)),
        ([50, 120] * 20, ()),  # a strobe
        ([level for level in range(20, 220, 15) for _ in range(3)], ()),  # a fade at 8.3 fps
        ([50] * 9 + [50, 53, 50, 53, 120, 117, 120, 117] + [120] * 9, (13,)),
        ([50] * 30, ()),
        ([50], ()),
    ],
)
def test_cuts(levels, cuts):
    shots, asked = ShotCuts(), ShotCuts()
    for thumb in thumbs(*levels, *[levels[-1]] * 30):
        shots.add(thumb)
        asked.add(thumb)
        asked.cuts()  # asking must not change later cuts
    assert asked.cuts() == shots.cuts() == cuts
    assert shots.n_frames == len(levels) + 30


@pytest.mark.parametrize("count", range(1, 14))
def test_cuts_of_a_few_frames(count):
    for levels in ([50] * count, [50, 120] * 7, list(range(20, 160, 10))):
        shots = ShotCuts()
        for thumb in thumbs(*levels[:count]):
            shots.add(thumb)
        assert shots.cuts() == () and shots.n_frames == count


def track_at(boxes):
    boxes = np.asarray(boxes, np.float32)
    landmarks = np.zeros((len(boxes), 5, 2), np.float32)
    landmarks[:, 3:] = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2 + [[-10, 30], [10, 30]]
    return FaceTrack("1", 0, boxes, landmarks, np.ones(len(boxes), bool))


def test_the_square_of_the_published_preprocessing():
    """With bs = half the longer side: x +- 1.4 bs, y from -bs to 1.8 bs, as with scale 0.40."""
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
    # below the centre of the box, along the axis of the turned face
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
