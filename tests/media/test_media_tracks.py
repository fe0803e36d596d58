"""Choice of the tracks that are read, and mixing of channels."""

import av
import numpy as np
import pytest
from av.stream import Disposition
from media_files import RATE, frames_at, lag, mux, noise, number_of, numbered, numbers, read

from avforensics.media.tracks import file_tracks

TIMES = frames_at(25, 40)
SOUND, OTHER = noise(1.6), noise(1.6, seed=7)


def with_track_first(source, path, pictures, *, codec, rate, pix_fmt="yuv420p"):
    """Write a file with an additional picture track in front, which is not marked as a still."""
    with av.open(str(source)) as src, av.open(str(path), "w") as out:
        extra = out.add_stream(codec, rate=rate)
        extra.height, extra.width = pictures[0].shape[:2]
        extra.pix_fmt = pix_fmt
        packets = []
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            packets += extra.encode(frame)
        packets += extra.encode(None)
        copies = {stream.index: out.add_stream_from_template(stream) for stream in src.streams}
        for packet in src.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                packets.append(packet)
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            out.mux(packet)
    return path


POSTER = numbered(0b10101010, 160, 120)
STILLS = {
    "one picture in MP4": ("a.mp4", [POSTER], {"codec": "mjpeg", "rate": 1, "pix_fmt": "yuvj420p"}),
    "one in Matroska": ("a.mkv", [POSTER], {"codec": "mjpeg", "rate": 1, "pix_fmt": "yuvj420p"}),
    "a still as long as the film": ("a.mkv", [POSTER] * 40, {"codec": "libx264", "rate": 25}),
    "a slide show": ("a.mov", [POSTER, numbered(1, 160, 120)] * 4, {"codec": "mpeg4", "rate": 1}),
}


@pytest.mark.parametrize(("name", "pictures", "options"), STILLS.values(), ids=STILLS)
def test_a_still_before_the_film_is_not_read(tmp_path, name, pictures, options):
    film = mux(tmp_path / f"film-{name}", times=TIMES, sounds=[[(0, SOUND)]])
    path = with_track_first(film, tmp_path / name, pictures, **options)
    frames, sound, report = read(path)
    expected, heard, _ = read(film)
    assert np.array_equal(frames, expected) and np.array_equal(sound, heard)
    poster, chosen, _ = report.tracks
    assert (poster.chosen, chosen.chosen, chosen.detail) == (False, True, "128 × 96")
    assert "still picture" in poster.note
    (warning,) = report.warnings
    assert warning.startswith("2 video tracks: track 1") and "not track 0" in warning
    assert number_of(read(path, video_stream=0)[0][0]) == number_of(pictures[0])


def test_the_first_of_two_films_is_read(tmp_path):
    film = mux(tmp_path / "film.mkv", times=TIMES, sounds=[[(0, SOUND)]])
    other = [numbered(255 - number, 160, 120) for number in range(40)]
    path = with_track_first(film, tmp_path / "a.mkv", other, codec="libx264", rate=25)
    frames, _, report = read(path)
    assert numbers(frames) == [255 - k for k in range(len(frames))]
    assert report.warnings[0].startswith("2 video tracks: track 0")


D = Disposition
HISS = np.random.default_rng(0).normal(0, 8, len(SOUND)).astype(np.int16)  # 72 dB below full scale
CHOICES = {
    "the default is second": ("a.mkv", (0, D.default), (OTHER, SOUND), 1),
    "the first is silent": ("a.mp4", (D.default, 0), (np.zeros_like(SOUND), SOUND), 1),
    "the first is the noise of a recorder": ("a.mkv", (D.default, 0), (HISS, SOUND), 1),
    "the first is a constant level": ("a.mkv", (D.default, 0), (np.full_like(SOUND, 40), SOUND), 1),
    "the first is empty": ("a.mkv", (D.default, 0), (SOUND[:0], SOUND), 1),
    "a commentary first": ("a.mkv", (D.default | D.comment, 0), (OTHER, SOUND), 1),
    "a description first": ("a.mkv", (D.visual_impaired, 0), (OTHER, SOUND), 1),
    "all alike": ("a.mov", (0, 0), (SOUND, OTHER), 0),
    "the default is third": ("a.mkv", (0, D.comment, D.default), (OTHER, OTHER, SOUND), 2),
}


@pytest.mark.parametrize(("name", "flags", "sounds", "number"), CHOICES.values(), ids=CHOICES)
def test_the_track_that_a_player_plays(tmp_path, name, flags, sounds, number):
    path = mux(
        tmp_path / name,
        times=TIMES,
        sounds=[[(0, sound)] if len(sound) else [] for sound in sounds],
        audio_codec="pcm_s16le" if name != "a.mp4" else "aac",
        flags=[int(flag) for flag in flags],
        titles=[{"language": "eng"}, {"language": "fra", "title": "Deuxième"}, {}],
    )
    frames, sound, report = read(path)
    assert len(frames) >= 39 and abs(lag(sound, SOUND)) == 0
    audio = [track for track in report.tracks if track.kind == "audio"]
    assert [track.chosen for track in audio] == [k == number for k in range(len(sounds))]
    assert [track.language for track in audio[:2]] == ["eng", "fra"]
    warning = next(text for text in report.warnings if "audio tracks" in text)
    assert f"track {number} (" in warning.split("was read")[0]
    for other in range(len(sounds)):
        assert other == number or f"track {other} (" in warning.split("was read")[1]
    assert np.array_equal(read(path, audio_stream=number)[1], sound)


@pytest.mark.parametrize("title", ["Director's Commentary", "M&E"])
def test_a_title_tells_a_commentary(tmp_path, title):
    path = mux(
        tmp_path / "a.mkv",
        times=TIMES,
        sounds=[[(0, OTHER)], [(0, SOUND)]],
        flags=[int(D.default)] * 2,
        titles=[{"title": title}, {"title": "Main"}],
    )
    assert [track.chosen for track in file_tracks(path) if track.kind == "audio"] == [False, True]


def channels(*sounds):
    return np.stack([np.asarray(sound) for sound in sounds], axis=1).astype(np.int16)


HALF = np.where(np.arange(len(SOUND)) < len(SOUND) // 2, 1.0, -1.0)
ZERO = np.zeros_like(SOUND)
SURROUND = (ZERO, ZERO, SOUND, OTHER, ZERO, ZERO)  # FL FR FC LFE BL BR
BOOM = (OTHER // 100, OTHER // 100, ZERO, SOUND, ZERO, ZERO)  # its channels have other names
RUMBLE = (ZERO, ZERO, SOUND, 2 * OTHER, ZERO, ZERO)
MIXES = {
    "antiphase": ("a.mkv", "pcm_s16le", "stereo", channels(SOUND, -SOUND), "FL"),
    "nearly antiphase": ("a.mkv", "flac", "stereo", channels(SOUND, -0.95 * SOUND), "FL"),
    "louder on the right": ("a.mkv", "flac", "stereo", channels(-0.8 * SOUND, SOUND), "FR"),
    "antiphase in one half": ("a.mkv", "flac", "stereo", channels(SOUND, HALF * SOUND), "FL"),
    "speech in the centre": ("a.mkv", "flac", "5.1", channels(*SURROUND), "FC"),
    "centre without names": ("a.mkv", "pcm_s16le", "5.1", channels(*RUMBLE), "FC"),
    "bass channel of six microphones": ("a.mkv", "pcm_s16le", "5.1", channels(*BOOM), "LFE"),
    "antiphase in MP4": ("a.mp4", "aac", "stereo", channels(SOUND, -SOUND), "FL"),
    "AAC of eight channels": ("b.mp4", "aac", "7.1", channels(*SURROUND, ZERO, ZERO), "FC"),
}


@pytest.mark.parametrize(("name", "codec", "layout", "sound", "word"), MIXES.values(), ids=MIXES)
def test_channels_that_a_mix_would_lose(tmp_path, name, codec, layout, sound, word):
    options = {"audio_codec": codec, "times": TIMES}
    path = mux(tmp_path / name, sounds=[[(0, sound)]], layout=layout, **options)
    _, heard, report = read(path)
    if codec == "aac":
        assert lag(heard, SOUND) == 0
        assert np.corrcoef(heard, SOUND[: len(heard)])[0, 1] > 0.95
    else:
        assert np.array_equal(heard, SOUND[: len(heard)])
    number = {"FL": 1, "FR": 2, "FC": 3, "LFE": 4}[word]
    assert report.warnings == [report.channels]
    assert report.channels.startswith((f"channel {word} of", f"channel {number} of"))


@pytest.mark.parametrize("right", [SOUND, OTHER, ZERO, SOUND // 3], ids=range(4))
def test_common_stereo_is_mixed(tmp_path, right):
    options = {"layout": "stereo", "audio_codec": "pcm_s16le"}
    path = mux(tmp_path / "a.mkv", times=TIMES, sounds=[[(0, channels(SOUND, right))]], **options)
    _, heard, report = read(path)
    mean = (SOUND.astype(int) + right)[: len(heard)] / 2
    assert np.abs(heard - mean).max() <= 1
    assert report.channels == "" and report.warnings == []


@pytest.mark.parametrize(
    ("decibels", "faint"), [(0, False), (-10, False), (-20, True), (-50, True)]
)
def test_faint_sound_is_told_with_its_level(tmp_path, decibels, faint):
    sound = np.round(SOUND * 10 ** (decibels / 20)).astype(np.int16)
    full = 10 * np.log10(np.square(SOUND / 32768).mean())
    path = mux(tmp_path / "a.mkv", times=TIMES, sounds=[[(0, sound)]], audio_codec="pcm_s16le")
    _, heard, report = read(path)
    assert np.array_equal(heard, sound[: len(heard)]), "it is not made louder"
    assert report.level == pytest.approx(full + decibels, abs=1.5)
    assert any("faint" in warning for warning in report.warnings) == faint
    assert not faint or f"{-report.level:.0f} dB" in report.warnings[0]


def test_a_pause_does_not_make_sound_faint(tmp_path):
    sound = np.concatenate([SOUND[: RATE // 5], np.zeros(7 * RATE // 5, np.int16)])
    path = mux(tmp_path / "a.mkv", times=TIMES, sounds=[[(0, sound)]], audio_codec="pcm_s16le")
    level = read(path)[2].level
    assert level == pytest.approx(10 * np.log10(np.square(SOUND / 32768).mean()), abs=1.5)
