import numpy as np

from avforensics.data.manifest import Manifest
from avforensics.data.probe import probe
from avforensics.data.row import Row
from avforensics.files import sha256_file
from avforensics.media.writer import write_clip


def make(path, sound=True):
    frames = np.zeros((25, 16, 16, 3), np.uint8)
    write_clip(path, frames, np.zeros(16_000, np.int16) if sound else None)
    return str(path)


def test_probe_fills_in_and_names_what_cannot_be_used(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    fine, mute = make(tmp_path / "fine.mp4"), make(tmp_path / "mute.mp4", sound=False)
    manifest = Manifest(
        [
            Row(fine, 0),
            Row(str(tmp_path / "gone.mp4"), 0),
            Row(str(tmp_path / "text.mp4"), 0),
            Row(mute, 0),
            Row(mute, 0, audio=fine, start=0.4),
            Row(mute, 0, audio=str(tmp_path / "gone.m4a")),
            Row(fine, 1, duration=0.5, hash="old"),
        ]
    )
    steps = []
    looked, problems = probe(manifest, hashes=True, workers=2, advance=lambda: steps.append(1))
    assert len(steps) == len(manifest)
    assert [(p.index, p.path.rsplit("/", 1)[1], p.reason) for p in problems] == [
        (1, "gone.mp4", "no such file"),
        (2, "text.mp4", "not a media file, or damaged beyond recognition"),
        (3, "mute.mp4", "no audio stream"),
        (5, "gone.m4a", "no such file"),
    ]
    assert 1.0 <= looked[0].duration < 1.1
    assert 0.6 <= looked[4].duration < 0.7
    assert looked[6].duration == 0.5
    assert looked[0].hash == looked[6].hash == sha256_file(fine)
    assert looked[1] == manifest[1]


def test_without_opening_only_missing_files_are_found(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    manifest = Manifest([Row(str(tmp_path / "text.mp4"), 0), Row(str(tmp_path / "gone.mp4"), 0)])
    looked, problems = probe(manifest, media=False)
    assert looked.rows == manifest.rows
    assert [problem.index for problem in problems] == [1]
