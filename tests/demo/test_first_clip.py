"""The first part of `avforensics demo`: a clip and forgeries of it, side by side."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from media_files import pictures

from avforensics import cli
from avforensics.commands import demo
from avforensics.data.versions import LEAST, versions_of
from avforensics.detection import showcase
from avforensics.detection.showcase import Showcase
from avforensics.faces.track import Faces
from avforensics.media import write_clip
from avforensics.media.audio import read_audio
from avforensics.synthetic.forge import make_clip
from avforensics.synthetic.plan import Split, plan

NAME = "-my clip, [take 1] é.mp4"


def head(path, n_frames, size=112):
    job = plan({"test": Split(identities=1, clips=1)}, seed=3, n_frames=n_frames)[0]
    frames, sound = make_clip(job, seed=3, n_frames=n_frames, size=size)
    write_clip(path, frames, sound)
    return path


def run(*words):
    before, sys.argv = sys.argv, ["avforensics", "demo", "train=false", *words]
    try:
        return cli.main()
    finally:
        sys.argv = before


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Folder `clip` of a demo with a three-second video that has an odd name."""
    folder = tmp_path_factory.mktemp("a [demo]")
    head(folder / NAME, 75)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert run(f"video={NAME}", "output_dir=out") == 0
    finally:
        os.chdir(before)
    return folder / "out" / "clip"


def test_every_version_has_a_score_and_a_place_on_one_page(shown):
    results = json.loads((shown / "results.json").read_text())
    versions = results["versions"]
    assert [version["version"] for version in versions] == ["original", "jump", "swap", "partial"]
    assert all(np.isfinite(version["score"]) for version in versions)
    assert [version["forged"] is None for version in versions] == [True, False, False, False]
    page = (shown / "index.html").read_text(encoding="utf-8")
    assert page.count('class="card version"') == page.count("data:video/mp4;base64,") == 4
    assert page.count("Observed delays of") == 4 and page.count("<polyline") == 4
    assert page.count('class="forged"') == 6  # on the map and the curve of each forgery
    assert "take 1] é.mp4, 3.0 s from 0.0 s on" in page
    for version in versions:
        assert f"{version['score']:.4g}" in page
        assert f'href="./reports/{version["version"]}.html"' in page
        assert (shown / "reports" / f"{version['version']}.html").is_file()
    assert "://" not in re.sub(r"data:[^\"]*", "", page)


def test_forgeries_have_the_pictures_of_the_clip_and_other_sound(shown):
    videos = shown / "videos"
    original, sound = pictures(videos / "original.mp4"), read_audio(videos / "original.mp4")
    assert len(original) == 75
    for name in ("jump", "swap", "partial"):
        np.testing.assert_array_equal(pictures(videos / f"{name}.mp4"), original)
        other = read_audio(videos / f"{name}.mp4")
        assert abs(len(other) - len(sound)) <= 2048  # AAC pads to whole chunks
        count = min(len(other), len(sound))
        correlation = np.corrcoef(sound[:count].astype(float), other[:count].astype(float))[0, 1]
        assert correlation < 0.9


def test_an_earlier_demo_stays_where_the_video_is_wrong(shown, tmp_path, refusal):
    out = shown.parent
    for video, said in (
        (tmp_path / "none.mp4", "none.mp4: no such file"),
        (shown / "videos" / "jump.mp4", "which demo deletes and rewrites"),
    ):
        assert said in refusal(f"video={video}", f"output_dir={out}", by=run)
    assert (shown / "index.html").is_file()


def test_a_video_without_a_face_or_too_short_is_one_sentence(tmp_path, make_video, refusal):
    for frames, said in ((50, "no face was found"), (LEAST - 1, "too short: 1.16 s with sound")):
        video = make_video(n_frames=frames)
        output = f"output_dir={tmp_path / 'out'}"
        assert f"{video}: {said}" in refusal(f"video={video}", output, by=run)


def test_without_a_video_a_synthetic_head_stands_in(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "HEAD_FRAMES", 40)
    monkeypatch.setattr(demo, "HEAD_SIDE", 96)
    assert run(f"output_dir={tmp_path / 'out'}") == 0
    assert "a synthetic head is used" in capsys.readouterr().out
    page = (tmp_path / "out/clip/index.html").read_text(encoding="utf-8")
    assert "A synthetic head, not a real person" in page
    assert "Not made: other sound: needs 2 s, but the clip has 1.60 s." in page


def tone(n_frames):
    return (np.arange(n_frames * 640) % 30_000).astype(np.int16)


def test_what_is_made_of_clips_of_any_length():
    made = {n: [version.name for version in versions_of(tone(n))[0]] for n in (30, 50, 60)}
    assert made[30] == ["original", "jump"]
    assert made[50] == ["original", "jump", "swap"]
    assert made[60] == ["original", "jump", "swap", "partial"]
    assert len(versions_of(tone(30))[1]) == 2
    assert all(len(version.sound) == 60 * 640 for version in versions_of(tone(60))[0])


def test_where_each_sound_comes_from():
    sound, other = tone(100), (-1 - tone(100)).astype(np.int16)
    original, moved, swapped, partial = versions_of(sound, other)[0]
    assert original.sound is not None and original.forged is None
    late = 8 * 640
    np.testing.assert_array_equal(moved.sound[: 50 * 640], sound[: 50 * 640])
    after = 50 * 640 + 160  # past the cross-fade
    np.testing.assert_array_equal(moved.sound[after:], sound[after - late : -late])
    assert (moved.forged, "320 ms too late" in moved.done) == ((2.0, 4.0), True)
    np.testing.assert_array_equal(swapped.sound, other)
    assert partial.forged == (1.32, 2.64)
    first, last = 33 * 640, 66 * 640
    np.testing.assert_array_equal(partial.sound[first + 160 : last - 160],
                                  other[first + 160 : last - 160])  # fmt: skip
    np.testing.assert_array_equal(partial.sound[:first], sound[:first])
    own = versions_of(sound)[0][2]
    np.testing.assert_array_equal(own.sound, np.concatenate([sound[32_000:], sound[:32_000]]))
    assert "halves of the audio" in own.done


def test_a_long_video_begins_where_a_face_is_and_lends_its_own_sound(
    make_video, tmp_path, monkeypatch
):
    video = make_video(n_frames=150)
    looked = []

    def find(path, *, start_frame=0, max_frames=None):
        looked.append((start_frame, max_frames))
        tracks = (range(max_frames),) if start_frame == 50 else ()
        return Faces(96, 96, 150, tracks, {}, detector="00")

    monkeypatch.setattr(showcase, "find_faces", find)
    case = Showcase(video, tmp_path / "out", seconds=2)
    versions, paths = case._write()
    assert looked == [(0, 50), (25, 50), (50, 50)] and case.start == 2.0
    whole = read_audio(video)
    parts = {version.name: version.sound for version in versions}
    np.testing.assert_array_equal(parts["original"], whole[32_000:64_000])
    np.testing.assert_array_equal(parts["swap"], whole[64_000:96_000])
    assert all(path.is_file() for path in paths) and case.left_out == [
        "other sound in a part: needs 2.4 s, but the clip has 2.00 s"
    ]


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
@pytest.mark.parametrize("name", [None, NAME, "it's $(HOME) & `b`; #1.mp4"])
def test_make_demo_hands_the_name_on_as_typed(name, tmp_path):
    bin_folder = tmp_path / "venv" / "bin"
    bin_folder.mkdir(parents=True)
    command = bin_folder / "avforensics"
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    command.chmod(0o755)
    (tmp_path / "installed").touch()
    words = ["make", "-s", "-f", str(Path(__file__).parents[2] / "Makefile"), "demo"]
    words += [f"VENV={tmp_path / 'venv'}", f"STAMP={tmp_path / 'installed'}"]
    words += [] if name is None else [f"VIDEO={name}"]
    ended = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    expected = ["demo"] if name is None else ["demo", f"video={name}"]
    assert ended.stdout.splitlines() == expected
