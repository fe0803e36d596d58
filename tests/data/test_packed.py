"""Steps of whole clips contain every frame once, for any number of processes."""

import numpy as np
import pytest

from avforensics.data.manifest import Manifest
from avforensics.data.packed import (
    ClipMemory,
    PackedClips,
    Piece,
    Tape,
    clip_weights,
)
from avforensics.data.row import Row
from avforensics.errors import ManifestError
from avforensics.media.types import HOP
from avforensics.media.wav import write_wav
from avforensics.media.writer import write_clip

LENGTHS = (31, 20, 44)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Clips whose sound encodes its frame: sample = 1000 * clip + frame."""
    folder, rows = tmp_path_factory.mktemp("clips"), []
    for clip, count in enumerate(LENGTHS):
        frames = np.full((count, 32, 32, 3), 40 * clip, np.uint8)
        audio = np.repeat(1000 * clip + np.arange(count), HOP).astype(np.int16)
        path = folder / f"{clip}.mp4"
        write_clip(path, frames, audio, crf=18, preset="ultrafast", gop=12)
        write_wav(path.with_suffix(".wav"), audio)
        rows.append(Row(str(path), 0, category="even" if clip % 2 == 0 else "odd"))
    return rows


@pytest.fixture(scope="module")
def memory(rows):
    return ClipMemory(Manifest(rows))


def told(item):
    """Read the clip and frame number of each frame in a step from its sound."""
    samples = item["audio"].reshape(-1, HOP)
    assert (samples == samples[:, :1]).all()
    return samples[:, 0]


def test_an_epoch_holds_every_frame_once_but_the_rest_of_the_last_step(memory):
    tape = Tape(memory.lengths, frames=19, longest=75, seed=1)
    clips = PackedClips(memory, tape, size=16, seed=1)
    assert len(clips) == sum(LENGTHS) // 19
    seen = np.concatenate([told(clips[0, step]) for step in range(len(clips))])
    assert len(set(seen)) == len(seen) == 19 * len(clips)
    other = np.concatenate([told(clips[1, step]) for step in range(len(clips))])
    assert not np.array_equal(seen, other), "the order must change from epoch to epoch"


def test_a_step_says_which_clip_each_frame_is_of(memory):
    item = PackedClips(memory, Tape(memory.lengths, frames=60), size=16)[0]
    assert item["frames"].shape == (60, 16, 16, 3)
    changes = np.flatnonzero(np.diff(told(item)) != 1) + 1
    assert (np.flatnonzero(np.diff(item["clip"])) + 1).tolist() == changes.tolist()
    brightness = item["frames"].mean(axis=(1, 2, 3))
    for number, clip in enumerate(item["index"]):
        assert np.allclose(brightness[item["clip"] == number], 40 * clip, atol=4)


def test_processes_share_a_step(memory):
    tape = Tape(memory.lengths, frames=40)
    whole = PackedClips(memory, tape, size=16)[0, 1]
    parts = [PackedClips(memory, tape, size=16, rank=rank, world=2)[0, 1] for rank in (0, 1)]
    assert np.array_equal(np.concatenate([told(part) for part in parts]), told(whole))
    with pytest.raises(ValueError, match="40 frames cannot be divided among 3 processes"):
        PackedClips(memory, tape, size=16, world=3)


def test_a_long_clip_comes_in_parts_from_random_places(memory):
    tape = Tape(memory.lengths, frames=30, longest=10, seed=3)
    pieces = [piece for epoch in range(30) for step in tape.epoch(epoch) for piece in step]
    assert max(piece.count for piece in pieces) <= 10
    starts = {piece.start for piece in pieces if piece.clip == 2}
    assert min(starts) < 8
    assert max(starts) > 30


def test_weights_say_how_often_a_category_comes_up(memory):
    weights = clip_weights(memory.rows, {"odd": 3, "even": 0.5})
    assert weights.tolist() == [0.5, 3, 0.5]
    tape = Tape(memory.lengths, frames=20, weights=weights)
    assert tape.steps == int(31 * 0.5 + 20 * 3 + 44 * 0.5) // 20
    frames = np.zeros(3)
    for epoch in range(200):
        for step in tape.epoch(epoch):
            for piece in step:
                frames[piece.clip] += piece.count
    share = frames / frames.sum()
    assert share[1] == pytest.approx(60 / 97.5, abs=0.06)
    with pytest.raises(ManifestError, match="`weights` contains unknown categories: often"):
        clip_weights(memory.rows, {"often": 1})


def test_edges_reach_into_silence_and_belong_to_a_clip(memory):
    item = PackedClips(memory, Tape(memory.lengths, frames=60), size=16, edges=24)[0]
    heard = told(item)
    assert item["edges"].shape == (24, 5 * HOP)
    for crop, owner in zip(
        item["edges"].reshape(24, 5, HOP)[..., 0], item["edge_clip"], strict=True
    ):
        own = heard[item["clip"] == owner]
        silent = int((crop == 0).sum()) - int((own[:1] == 0).any() and crop[-1] != 0)
        assert silent >= 1
        kept = crop[crop != 0]
        assert set(kept) <= set(own)


def test_a_recordings_delay_is_taken_back(rows):
    late = [rows[0]._replace(delay=3), rows[0]._replace(delay=-2)]
    memory = ClipMemory(Manifest(late))
    assert memory.lengths.tolist() == [LENGTHS[0] - 3, LENGTHS[0] - 2]
    first = [int(memory.audio(Piece(clip, 0, 1))[0]) for clip in (0, 1)]
    assert first == [3, 0], "sound that is late by three frames is heard three frames earlier"


def test_broken_clips_are_left_out_and_counted(rows, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    memory = ClipMemory(Manifest([rows[0], Row(str(broken), 0)]))
    assert len(memory) == 1
    assert "broken.mp4" in memory.broken[0]
    with pytest.raises(ManifestError, match="none of the 1 clips can be read"):
        ClipMemory(Manifest([Row(str(broken), 0)]))


def test_too_few_frames_for_a_step(memory):
    with pytest.raises(ValueError, match="do not fill one step of 1000 frames"):
        Tape(memory.lengths, frames=1000)
