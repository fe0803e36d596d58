import multiprocessing

import numpy as np
import pytest
from torch.utils.data import DataLoader

from avforensics.data.augment import Augment
from avforensics.data.clips import MOST_BROKEN, RandomClips, SpanClips, frame_range
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sampling import NumberedBatches
from avforensics.errors import ManifestError
from avforensics.media.wav import write_wav
from avforensics.media.writer import write_clip

SIZE, FRAMES, HOP = 32, 40, 640


def make_clip(path, n=FRAMES, tint=0):
    """Write a clip: frame i has grey level 4 i + 40 (red: + ``tint``), its samples 100 i + tint."""
    pictures = np.empty((n, SIZE, SIZE, 3), np.uint8)
    pictures[:] = (4 * np.arange(n) + 40).astype(np.uint8)[:, None, None, None]
    pictures[..., 0] += tint
    sound = np.repeat((100 * np.arange(n) + tint).astype(np.int16), HOP)
    write_clip(path, pictures, sound, crf=0)
    write_wav(path.with_suffix(".wav"), sound)
    return Row(str(path), 0, identity=path.stem)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return [make_clip(folder / f"clip {i}.mp4", tint=10 * i) for i in range(4)]


@pytest.fixture(scope="module")
def manifest(rows):
    return Manifest(rows)


def seen_frames(frames):
    return (frames[..., 1].mean((-1, -2)) - 40) / 4


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("clips", [1, 4])
def test_frames_and_sound_belong_together(manifest, clips):
    for index in range(len(manifest)):
        item = RandomClips(manifest, clips_per_video=clips)[index]
        assert item["frames"].shape == (clips, 5, SIZE, SIZE, 3)
        assert item["frames"].dtype == np.uint8
        assert item["audio"].shape == (clips, 3200)
        assert item["audio"].dtype == np.int16
        numbers = item["start"][:, None] + np.arange(5)
        assert np.abs(seen_frames(item["frames"]) - numbers).max() < 0.6
        heard = item["audio"].reshape(clips, 5, HOP)
        assert np.array_equal(
            heard, np.repeat(100 * numbers + 10 * index, HOP).reshape(heard.shape)
        )
        assert (item["index"], item["broken"]) == (index, "")


def test_seed_epoch_and_index_decide(manifest):
    clips = RandomClips(manifest, clips_per_video=2, seed=5)
    assert same(clips[(3, 1)], RandomClips(manifest, clips_per_video=2, seed=5)[(3, 1)])
    assert same(clips[1], clips[(0, 1)])
    starts = {tuple(clips[(epoch, 1)]["start"]) for epoch in range(8)}
    assert len(starts) > 4
    others = [RandomClips(manifest, clips_per_video=2, seed=s)[1]["start"] for s in range(8)]
    assert len({tuple(start) for start in others}) > 4


def test_all_places_are_drawn_and_kept_apart(manifest):
    clips = RandomClips(manifest, clips_per_video=4, gap=5)
    starts = np.stack(
        [clips._starts(np.random.default_rng(s), manifest[0], 36) for s in range(999)]
    )
    assert (np.diff(starts) >= 5).all()
    assert starts.min() == 0
    assert starts.max() == 35
    assert set(starts.ravel()) == set(range(36))
    tight = clips._starts(np.random.default_rng(0), manifest[0], 4)
    assert tight.tolist() == [0, 1, 2, 3]


def test_start_and_duration_of_a_row_bound_the_clips(manifest):
    row = manifest[0]._replace(start=0.4, duration=0.32)
    clips = RandomClips(Manifest([row]))
    assert {int(clips[(epoch, 0)]["start"][0]) for epoch in range(40)} == {10, 11, 12, 13}
    assert SpanClips(Manifest([row]), span=None)[0]["start"] == 10
    assert len(SpanClips(Manifest([row]), span=None)[0]["frames"]) == 8
    assert frame_range(row._replace(duration=None), 40) == (10, 30)
    assert frame_range(row._replace(start=9.0), 40) == (40, 0)


def test_broken_clips_are_replaced_by_the_next_and_named(manifest, tmp_path):
    short = make_clip(tmp_path / "short.mp4", n=7)
    (tmp_path / "garbage.mp4").write_bytes(b"no video")
    gone = Row(str(tmp_path / "gone.mp4"), 0)
    rows = [short, Row(str(tmp_path / "garbage.mp4"), 0), gone, manifest[2]]
    item = RandomClips(Manifest(rows), clips_per_video=4)[0]
    assert item["index"] == 3
    lines = item["broken"].splitlines()
    assert [line.split(":")[0] for line in lines] == [row.path for row in rows[:3]]
    assert "too short for 4 clips" in lines[0]
    assert same(item, RandomClips(Manifest(rows), clips_per_video=4)[0])
    assert RandomClips(Manifest(rows), clips_per_video=1)[0]["index"] == 0
    around = SpanClips(Manifest([*rows[1:], short]), span=30)[3]
    assert around["index"] == 2
    assert "too short: 7 frames (at least 30 needed)" in around["broken"]


def test_too_many_broken_clips_end_it(tmp_path):
    rows = [Row(str(tmp_path / f"{i}.mp4"), 0) for i in range(MOST_BROKEN + 5)]
    with pytest.raises(ManifestError, match=f"{MOST_BROKEN} consecutive clips cannot be read; la"):
        RandomClips(Manifest(rows))[0]


def test_span(manifest):
    spans = SpanClips(manifest, span=30)
    item = spans[(2, 3)]
    assert item["frames"].shape == (30, SIZE, SIZE, 3)
    numbers = item["start"] + np.arange(30)
    assert np.abs(seen_frames(item["frames"]) - numbers).max() < 0.6
    assert np.array_equal(item["audio"], np.repeat(100 * numbers + 30, HOP))
    assert item["audio"].flags.writeable  # torch warns about read-only arrays
    starts = {spans[(epoch, 0)]["start"] for epoch in range(60)}
    assert starts == set(range(11))


def test_fixed_span_begins_at_the_beginning_every_epoch(manifest):
    spans = SpanClips(manifest, span=30, fixed=True)
    assert {spans[(epoch, 1)]["start"] for epoch in range(9)} == {0}
    assert len(SpanClips(manifest, span=None, fixed=True)[0]["frames"]) == FRAMES


def test_size_and_augment(manifest):
    plain = SpanClips(manifest, span=20, size=24)[1]
    assert plain["frames"].shape == (20, 24, 24, 3)
    coloured = SpanClips(manifest, span=20, augment=Augment(colour=0.5))
    assert same(coloured[(0, 1)], coloured[(0, 1)])
    first, second = coloured[(0, 1)], coloured[(1, 1)]
    gain = [np.ptp(seen_frames(item["frames"])) / 19 for item in (first, second)]
    assert abs(gain[0] - gain[1]) > 0.05
    assert same(plain, SpanClips(manifest, span=20, size=24, augment=Augment())[1])


def test_loader_with_spawned_workers_gives_the_same_batches(manifest):
    clips = RandomClips(manifest, clips_per_video=2)

    def batches(**workers):
        order = NumberedBatches(4, batch_size=2, done=lambda: 6, seed=1)
        return list(DataLoader(clips, batch_sampler=order, **workers))

    spawn = multiprocessing.get_context("spawn")
    alone, apart = batches(), batches(num_workers=1, multiprocessing_context=spawn)
    assert len(alone) == len(apart) == 2
    for ours, theirs in zip(alone, apart, strict=True):
        assert ours["frames"].shape == (2, 2, 5, SIZE, SIZE, 3)
        assert ours.pop("broken") == theirs.pop("broken") == ["", ""]
        assert same(ours, theirs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: RandomClips(m, clips_per_video=0), "must be >= 1"),
        (lambda m: SpanClips(m, span=0), "must be >= 1"),
        (lambda m: SpanClips(m, fixed=True, augment=Augment(flip=0.5)), "validation"),
    ],
)
def test_nonsense(manifest, make, message):
    with pytest.raises(ValueError, match=message):
        make(manifest)
