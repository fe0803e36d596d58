"""Finding and tracking faces in real pictures."""

import sys
from itertools import chain, pairwise

import numpy as np
import pytest
from media_files import damage
from PIL import Image, ImageFilter

from avforensics.errors import ConfigError
from avforensics.faces import detector, find
from avforensics.faces.crops import MOUTH, RECIPES
from avforensics.faces.find import find_faces
from avforensics.faces.settings import FaceSettings
from avforensics.media.video import DECODERS, VideoReader
from avforensics.media.writer import write_clip

pytest.importorskip("cv2", reason="the extra `faces` is not installed")

A, B, C = "grid_s1/bbaf2n.mp4", "grid_s1/lwae9s.mp4", "wild/hdtf_WDA_KatieHill_000.mp4"
# Centres of both eyes and corners of the mouth in frame 40, measured by hand.
HAND_READ = {
    "released_clip.mp4": [(71, 57), (132, 57), (83, 124), (123, 123)],
    "grid_s1/bbaf2n.mp4": [(130, 153), (178, 152), (139, 213), (175, 213)],
    "wild/hdtf_RD_Radio2_000.mp4": [(249, 263), (356, 258), (256, 395), (346, 395)],
    "wild/hdtf_WDA_KatieHill_000.mp4": [(205, 210), (311, 212), (198, 323), (287, 331)],
    "wild/portrait_30fps.mp4": [(523, 612), (614, 608), (550, 702), (604, 702)],
    "wild/web_22fps.mp4": [(368, 200), (464, 208), (372, 303), (443, 303)],
}


@pytest.mark.reference
@pytest.mark.parametrize("name, points", HAND_READ.items(), ids=HAND_READ)
def test_one_face_over_the_whole_clip(shared, name, points):
    faces = find_faces(shared / "media" / name)
    (track,) = faces.tracks
    assert (track.first_frame, len(track)) == (0, faces.n_frames)
    assert faces.cuts == () and not faces.dropped
    assert len(track.boxes) == len(track.landmarks) == len(track.seen)
    assert track.seen[::5].all() and track.seen[-1]
    left, top, right, bottom = track.boxes[40]
    points = np.array(points)
    found = track.landmarks[40][[0, 1, 3, 4]]
    assert np.abs(found.mean(0) - points.mean(0)).max() < 0.1 * (right - left)
    assert np.abs(found - points).max() < 0.1 * (right - left)
    assert left < points[:, 0].min() and right > points[:, 0].max()
    assert top < points[:, 1].min() and bottom > points[:, 1].max()


@pytest.mark.reference
def test_two_people_in_a_frame_are_two_tracks(pictures, write_video):
    both = [
        np.hstack(pair) for pair in zip(pictures(A, 360, 288), pictures(B, 360, 288), strict=True)
    ]
    alone = find_faces(write_video("one.mp4", pictures(A, 360, 288)))
    faces = find_faces(write_video("two.mp4", both))
    assert [(track.first_frame, len(track)) for track in faces.tracks] == [(0, 75), (0, 75)]
    left, right = sorted(faces.tracks, key=lambda track: track.boxes[0, 0])
    assert right.boxes[:, 0].min() > 360 > left.boxes[:, 2].max()
    assert np.abs(left.boxes - alone.tracks[0].boxes).max() < 10


@pytest.mark.reference
def test_no_track_reaches_across_a_cut(pictures, write_video):
    shots = (pictures(name, 256, 256)[:n] for name, n in ((A, 43), (C, 36), (A, 31)))
    faces = find_faces(write_video("cuts.mp4", chain(*shots)))
    assert faces.cuts == (43, 79)
    assert [(t.first_frame, t.end_frame) for t in faces.tracks] == [(0, 43), (43, 79), (79, 110)]
    for before, after in pairwise(faces.tracks):
        assert np.abs(before.boxes[-1] - after.boxes[0]).max() > 20


@pytest.mark.reference
def test_a_part_is_searched_alone_and_counted_on_the_whole_clock(pictures, write_video):
    shots = (pictures(name, 256, 256)[:n] for name, n in ((A, 43), (C, 36), (A, 31)))
    path = write_video("cuts.mp4", chain(*shots))
    looked = []
    part = {"start_frame": 30, "max_frames": 60, "progress": looked.append}
    faces = find_faces(path, FaceSettings(min_seconds=0.4), **part)
    assert (faces.n_frames, faces.cuts) == (90, (43, 79))
    assert [(t.first_frame, t.end_frame) for t in faces.tracks] == [(30, 43), (43, 79), (79, 90)]
    assert min(looked) == 30 and max(looked) == 89
    middle = find_faces(path).tracks[1]
    assert np.abs(faces.tracks[1].boxes - middle.boxes).max() < 3
    assert find_faces(path, start_frame=500).n_frames == 500


@pytest.fixture
def scene(pictures):
    """Return a function that makes frames of a room, some of them with a small head."""
    head = pictures(A, 180, 144)

    def make(shows, scale=1):
        frames = []
        for n, shown in enumerate(shows):
            frame = np.full((360, 640, 3), (90, 120, 130), np.uint8)
            frame[::7] = 70
            if shown:
                picture = head[n % len(head)][::scale, ::scale]
                frame[100 : 100 + len(picture), 200 : 200 + picture.shape[1]] = picture
            frames.append(frame)
        return frames

    return make


@pytest.mark.reference
def test_a_face_that_leaves_and_returns(scene, write_video):
    away = [True] * 40 + [False] * 40 + [True] * 40
    faces = find_faces(write_video("away.mp4", scene(away)))
    assert [(t.first_frame, t.end_frame) for t in faces.tracks] == [(0, 36), (80, 120)]
    blink = [True] * 40 + [False] * 15 + [True] * 40
    (track,) = find_faces(write_video("blink.mp4", scene(blink))).tracks
    assert len(track) == 95 and not track.seen[40:55].any()


@pytest.mark.reference
def test_what_is_left_out_is_counted(scene, write_video):
    short = find_faces(write_video("short.mp4", scene([True] * 18 + [False] * 42)))
    assert short.tracks == () and short.dropped == {"shorter than 1 s": 1}
    small = find_faces(write_video("small.mp4", scene([True] * 40, scale=3)))
    assert small.tracks == () and small.dropped == {"smaller than 40 pixels": 1}
    settings = FaceSettings(min_size=10)
    assert len(find_faces(write_video("small.mp4", scene([True] * 40, 3)), settings).tracks) == 1
    empty = find_faces(write_video("empty.mp4", scene([False] * 40)))
    assert (empty.tracks, empty.dropped) == ((), {})
    assert (empty.width, empty.height, empty.n_frames) == (640, 360, 40)


@pytest.mark.reference
@pytest.mark.parametrize("count", [1, 3, 6, 18])
def test_a_short_video_of_one_face(pictures, write_video, count):
    faces = find_faces(write_video("short.mp4", pictures(A, 180, 144)[:count]))
    (track,) = faces.tracks
    assert (track.first_frame, len(track), faces.n_frames) == (0, count, count)
    two = [
        np.hstack([a, b]) for a, b in zip(pictures(A, 180, 144), pictures(B, 180, 144), strict=True)
    ]
    both = find_faces(write_video("both.mp4", two[:count]))
    assert [len(track) for track in both.tracks] == [count, count]


@pytest.mark.reference
def test_a_face_that_shows_badly_for_a_while_is_one_track(pictures, write_video):
    """In mid-video, the face is blurred as by a fast turn, and a hand covers the mouth."""
    frames = pictures(A, 360, 288)[:60]
    for n in range(20, 50):
        blurred = Image.fromarray(frames[n]).filter(ImageFilter.BoxBlur(20))
        frames[n] = np.array(blurred)
        frames[n][195:235, 130:190] = (200, 150, 130)
    path = write_video("bad.mp4", frames)
    (track,) = find_faces(path).tracks
    assert (track.first_frame, len(track)) == (0, 60)
    only_sure = FaceSettings(score_on=FaceSettings().score)
    assert not find_faces(path, only_sure).tracks, "the parts before and after are too short"


@pytest.mark.reference
def test_phones_ten_bits_and_odd_rates(pictures, write_video):
    upright = pictures(A, 180, 144)
    (plain,) = find_faces(write_video("plain.mp4", upright)).tracks
    lying = [np.rot90(picture, -1) for picture in upright]
    faces = find_faces(write_video("phone.mp4", lying, rotation=90))
    assert (faces.width, faces.height) == (180, 144)
    assert np.abs(faces.tracks[0].boxes - plain.boxes).max() < 5
    (deep,) = find_faces(write_video("deep.mp4", upright, pix_fmt="yuv420p10le")).tracks
    assert np.abs(deep.boxes - plain.boxes).max() < 5
    steps = np.random.default_rng(0).uniform(0.02, 0.08, len(upright))
    faces = find_faces(write_video("vfr.mkv", upright, times=np.cumsum(steps).tolist()))
    (odd,) = faces.tracks
    assert len(odd) == faces.n_frames == pytest.approx(25 * steps.sum(), abs=3)


@pytest.mark.reference
@pytest.mark.parametrize("rate", [25, 10])
def test_a_ground_that_runs_past_is_no_cut_at_any_rate(pictures, write_video, rate):
    """At 10 fps, most pictures are repeats, but the median step must not be zero."""
    random = np.random.default_rng(0)
    ground = np.kron(random.integers(0, 255, (6, 60, 3)), np.ones((48, 32, 1))).astype(np.uint8)
    frames = []
    for n, face in enumerate(pictures(A, 180, 144)[: 3 * rate]):
        picture = ground[:, n * 480 // rate :][:, :480].copy()
        picture[100:244, 150:330] = face
        frames.append(picture)
    times = [n / rate for n in range(len(frames))]
    faces = find_faces(write_video("pan.mp4", frames, times=times))
    assert faces.cuts == ()
    assert [(t.first_frame, t.end_frame) for t in faces.tracks] == [(0, faces.n_frames)]


@pytest.mark.reference
def test_small_faces_in_large_pictures(pictures, write_video):
    """Faces are found at full size, then only searched near their place until another appears."""
    head = pictures(A, 120, 96)  # its face has 34 of 1920 pixels
    frames = []
    for n in range(75):
        picture = np.full((1080, 1920, 3), (90, 120, 130), np.uint8)
        picture[300:396, 400 + 2 * n : 520 + 2 * n] = head[n]
        if n >= 40:
            picture[600:696, 1500:1620] = head[n - 40]
        frames.append(picture)
    path = write_video("far.mp4", frames)
    settings = FaceSettings(min_size=20)
    always = FaceSettings(min_size=20, usual_every=1)
    (first, second), (plain, _) = (find_faces(path, s).tracks for s in (settings, always))
    assert (first.first_frame, len(first)) == (0, 75)
    assert 40 <= second.first_frame <= 50 and second.end_frame == 75, "a second late at most"
    assert np.abs(first.boxes - plain.boxes).max() < 8


@pytest.mark.reference
def test_recipes_on_the_clips_they_were_made_for(shared):
    """Named recipes reproduce the crops of the data sets that they are named after."""
    (track,) = find_faces(shared / "media" / "released_clip.mp4").tracks
    x, y, side = RECIPES["lrs"].squares(track).T
    assert np.abs(side - 224).max() < 4, "the clip is such a crop of 224 pixels"
    assert np.abs(x - 112).mean() < 5 and np.abs(y - 112).mean() < 3
    squares = []
    for name in ("bbal9a", "bram3s", "lwae9s", "sgii5a"):
        (track,) = find_faces(shared / "media" / "grid_s1" / f"{name}.mp4").tracks
        squares.append(RECIPES["mouth"].squares(track).mean(0))
        mouth = track.landmarks[:, MOUTH].mean((0, 1))
        assert np.abs(squares[-1][:2] - mouth).max() < 0.15 * squares[-1][2]
    # lips, and the chin up to the nose: 66 of the 360 x 288 pixels, around the lips
    np.testing.assert_allclose(np.mean(squares, 0), (157, 209, 66), atol=6)


def test_a_missing_package_is_one_sentence(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cv2", None)
        with pytest.raises(ConfigError, match="reinstall avforensics"):
            detector.FaceDetector()
    monkeypatch.setattr(detector, "WHEEL", "no-such-wheel")
    with pytest.raises(ConfigError, match="reinstall avforensics"):
        detector.FaceDetector()


def test_thin_pictures_show_the_same_each_time():
    """YuNet reads uninitialised memory if a side is 32 pixels or less."""
    eye = detector.FaceDetector()
    random = np.random.default_rng(0)
    for height, width in ((10, 640), (16, 640), (640, 20), (8, 8)):
        picture = random.integers(0, 255, (height, width, 3), np.uint8)
        found = set()
        for _ in range(6):
            eye.find(random.integers(0, 255, (200, 300, 3), np.uint8))
            found.add(eye.find(picture).tobytes())
        assert len(found) == 1


def test_another_model_is_refused(tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(b"something else")
    with pytest.raises(ConfigError, match="unexpected face detector"):
        detector.FaceDetector(model=path)


WRONG = [("every", 0), ("every", 1.5), ("score", 1.5), ("score", float("nan")), ("gap", -1)]
WRONG += [("long_side", 4000), ("smooth", 1e9), ("min_seen", 2), ("score_on", 0.8)]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_settings_without_meaning(name, value):
    with pytest.raises(ValueError, match=r"must|cannot"):
        FaceSettings(**{name: value})


def test_what_several_threads_found_in_a_damaged_video_does_not_count(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (40, 96, 96, 3), np.uint8)
    video = tmp_path / "video.mp4"
    write_clip(video, noise, None)
    tried = []

    class Reader(VideoReader):
        def __init__(self, *arguments, threads, **options):
            tried.append(threads)
            super().__init__(*arguments, threads=threads, **options)

    monkeypatch.setattr(find, "VideoReader", Reader)
    monkeypatch.setattr(find, "LONG", 1)
    monkeypatch.setattr(find, "cores", lambda: 2)
    whole = find_faces(video)
    assert tried == [DECODERS] and whole.n_frames == 40 and whole.warnings == ()
    damage(video, "video", slice(20, 21))
    torn = find_faces(video)
    assert tried == [DECODERS, DECODERS, 1] and torn.n_frames == 40 and torn.warnings
