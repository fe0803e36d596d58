from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from media_files import decoded, lag, noise, numbered, numbers

from avforensics.errors import MediaError
from avforensics.media.audio import read_audio
from avforensics.media.wav import read_wav, wav_samples, write_wav
from avforensics.media.writer import write_clip


def test_what_is_written_can_be_read_back(tmp_path):
    path, sound = tmp_path / "new" / "clip.mp4", noise(2)
    assert write_clip(path, (numbered(k) for k in range(50)), sound) == 50
    frames = decoded(path)
    assert numbers(frames) == list(range(50))
    assert np.abs(frames[7].astype(int) - numbered(7)).mean() < 4
    read = read_audio(path)
    assert lag(read, sound) == 0
    assert np.corrcoef(read[: len(sound)], sound)[0, 1] > 0.98
    assert [file.name for file in path.parent.iterdir()] == ["clip.mp4"]


def test_a_file_is_the_same_on_every_run_and_begins_with_its_index(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, [numbered(k) for k in range(30)], noise(1.2))
    data = (tmp_path / "a.mp4").read_bytes()
    assert data == (tmp_path / "b.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_small_pictures_are_the_same_on_every_run(tmp_path):
    """If x264 reads uninitialised memory, half of these files differ."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 255, (30, 8, 10, 3), np.uint8)
    frames = list(blocks.repeat(8, 1).repeat(8, 2))
    path, written = tmp_path / "a.mp4", set()
    for _ in range(40):
        write_clip(path, frames, None, crf=30, preset="medium", b_frames=3)
        written.add(path.read_bytes())
        decoded(path)  # leaves other pictures in that memory
    assert len(written) == 1


def test_key_frames_come_at_least_every_second(tmp_path):
    write_clip(tmp_path / "a.mp4", [numbered(k) for k in range(60)], None)
    with av.open(str(tmp_path / "a.mp4")) as container:
        keys = [i for i, p in enumerate(container.demux(video=0)) if p.size and p.is_keyframe]
        assert not container.streams.audio
        assert container.streams.video[0].format.name == "yuv420p"
    assert keys[0] == 0 and max(np.diff([*keys, 60])) <= 25


def test_rate_sample_rate_and_b_frames_are_kept(tmp_path):
    sound = noise(1, rate=44_100)
    rates = {"fps": Fraction(30_000, 1001), "sample_rate": 44_100}
    write_clip(tmp_path / "a.mp4", map(numbered, range(30)), sound, b_frames=2, **rates)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(30_000, 1001)
        assert container.streams.audio[0].rate == 44_100
        kinds = {PictureType(frame.pict_type).name for frame in container.decode(video=0)}
    assert "B" in kinds


def test_a_failure_leaves_the_older_file(tmp_path):
    path = tmp_path / "a.mp4"
    write_clip(path, [numbered(1)] * 10, None)
    before = path.read_bytes()

    def breaks():
        yield numbered(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_clip(path, breaks(), None)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("frames", "sound", "what"),
    [
        ([], None, "no frames"),
        ([np.zeros((95, 96, 3), np.uint8)], None, "an even width and height"),
        ([np.zeros((96, 96), np.uint8)], None, "uint8"),
        ([np.zeros((96, 96, 3))], None, "uint8"),
        ([numbered(0), numbered(0, 64, 64)], None, "frame 1 must have size"),
        ([numbered(0)], np.zeros(640, np.float32), "int16"),
        ([numbered(0)], np.zeros((640, 2), np.int16), "int16"),
    ],
)
def test_nonsense_is_refused(tmp_path, frames, sound, what):
    with pytest.raises(ValueError, match=what):
        write_clip(tmp_path / "a.mp4", frames, sound)
    assert not list(tmp_path.iterdir())


def test_wav_goes_round(tmp_path):
    sound = noise(1)
    write_wav(tmp_path / "a.wav", sound)
    assert wav_samples(tmp_path / "a.wav") == 16_000
    assert np.array_equal(read_wav(tmp_path / "a.wav"), sound)
    assert np.array_equal(read_wav(tmp_path / "a.wav", 1000, 640), sound[1000:1640])
    assert np.array_equal(read_wav(tmp_path / "a.wav", 15_900, 640), sound[15_900:])
    assert len(read_wav(tmp_path / "a.wav", 20_000, 5)) == 0


def test_wav_of_another_kind_is_refused(tmp_path):
    write_wav(tmp_path / "a.wav", noise(1), sample_rate=8000)
    (tmp_path / "b.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(MediaError, match="16000 Hz"):
        read_wav(tmp_path / "a.wav")
    with pytest.raises(MediaError, match="not a readable WAV"):
        read_wav(tmp_path / "b.wav")
    with pytest.raises(MediaError, match="no such file"):
        read_wav(tmp_path / "c.wav")
    with pytest.raises(ValueError, match="int16"):
        write_wav(tmp_path / "d.wav", np.zeros(5))
