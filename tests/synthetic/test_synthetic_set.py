"""The generated set: names, metadata, segments, repeatability and measurable sync."""

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from media_files import read
from sync_measures import best_delay, loudness

from avforensics.data.manifest import Manifest
from avforensics.data.sources.fakeavceleb import fakeavceleb
from avforensics.data.sources.lavdf import lavdf
from avforensics.errors import ConfigError
from avforensics.evaluation.baselines import leading_silence
from avforensics.media.types import HOP
from avforensics.synthetic.forge import make_clip
from avforensics.synthetic.generate import generate
from avforensics.synthetic.plan import PARTIAL_MANNERS, Split, person, plan

SEED = 3
FAKES = {"RVFA": 4, "FVRA-WL": 4, "FVFA-WL": 4, "FVRA-faceswap": 4, "partial": 3}
SPLITS = {
    "sync": {"identities": 2, "clips": 1},
    "val": {"identities": 2, "clips": 1, "fakes": {"partial": 1}},
    "test": {"identities": 5, "clips": 2, "fakes": FAKES},
}
SMALL = {
    "a": {"identities": 1, "clips": 1},
    "b": {"identities": 2, "clips": 1, "fakes": {"partial": 2}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("set"), splits=SPLITS, seed=SEED, workers=1)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def mouth_moves(frames: np.ndarray) -> np.ndarray:
    """Contrast in the region of the mouth without slow changes; an open mouth has contrast."""
    contrast = frames[:, 67:99, 33:79, 1].astype(float).std((1, 2))
    return contrast - np.convolve(np.pad(contrast, 12, "edge"), np.ones(25) / 25, "valid")


def test_counts(made):
    assert made.counts == {"real": 14, **FAKES, "partial": 4}
    assert made.made == sum(made.counts.values())
    assert "SYNTHETIC" in (made.folder / "README.txt").read_text()


def test_fakeavceleb_table_has_its_odd_header_and_finds_every_file(made):
    root = made.folder / "SyntheticAVCeleb"
    with (root / "meta_data.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert ",".join(header) == "source,target1,target2,method,category,type,race,gender,path,"
    listed = set()
    for source, target, _, method, letter, kind, race, gender, name, folder in rows:
        assert folder == f"FakeAVCeleb/{kind}/{race}/{gender}/{source}"
        listed.add(str(root / folder.removeprefix("FakeAVCeleb/") / name))
        assert (letter == "A") == (method == "real") == (target == "-")
        assert target != source
    assert len(listed) == len(rows)
    assert listed == {str(path) for path in root.rglob("*.mp4")}
    assert {"Asian (East)", "Caucasian (American)"} <= {row[6] for row in rows}
    assert len({row[8] for row in rows}) == len(rows), "file names are unique too"


def test_the_adapters_for_the_real_sets_read_it(made):
    rows = fakeavceleb(made.folder / "SyntheticAVCeleb")
    assert rows.missing() == ()
    wanted = Counter(made.counts) - Counter({"partial": 4})
    assert Counter(row.category for row in rows) == wanted
    parts = lavdf(made.folder / "SyntheticLAVDF")
    assert parts.missing() == ()
    assert Counter(row.label for row in parts) == {1: 4, 0: 4}


def test_manifest_lists_every_clip_once_with_disjoint_splits(made):
    manifest = Manifest.read(made.manifest)
    manifest.check_disjoint()
    assert manifest.missing() == () and manifest.doubled() == ()
    assert Counter(row.category for row in manifest) == Counter(made.counts)
    assert {row.split for row in manifest} == set(SPLITS)
    assert all(row.label == (row.category != "real") for row in manifest)
    assert all(bool(row.segments) == (row.category == "partial") for row in manifest)
    assert manifest[0].duration == 3.0
    assert manifest[0].hash == hashlib.sha256(Path(manifest[0].path).read_bytes()).hexdigest()


def test_fakes_come_from_real_clips_of_their_own_and_stay_in_their_split():
    jobs = plan({k: Split(**v) for k, v in SPLITS.items()}, seed=SEED, n_frames=75)
    home = {job.source.identity: job.split for job in jobs}
    for category in FAKES:
        fakes = [job for job in jobs if job.category == category and job.split == "test"]
        assert len({job.source for job in fakes}) == len(fakes)
        assert all(home[job.target.identity] == job.split for job in fakes)
        assert all(job.target.identity != job.source.identity for job in fakes)
    assert {job.manner for job in jobs if job.category == "partial"} == set(PARTIAL_MANNERS)


def test_lavdf_entries(made):
    root = made.folder / "SyntheticLAVDF"
    entries = json.loads((root / "metadata.min.json").read_text())
    assert {entry["split"] for entry in entries} == {"dev", "test"}
    found = digests(made.folder / "SyntheticAVCeleb")
    reals = {digest for name, digest in found.items() if "Real" in name}
    for entry in entries:
        assert (root / entry["file"]).exists() and entry["file"].startswith(entry["split"])
        assert entry["video_frames"] == 75 and entry["audio_frames"] == 48_000
        assert entry["duration"] == 3.0 and entry["audio_channels"] == 1
        assert entry["n_fakes"] == len(entry["fake_periods"]) == int(entry["original"] is not None)
        assert (entry["modify_video"] or entry["modify_audio"]) == bool(entry["n_fakes"])
        for start, end in entry["fake_periods"]:
            assert 0 <= start < end <= 3.0 and 0.28 * 3 <= end - start <= 0.62 * 3
        if entry["original"] is None:
            assert hashlib.sha256((root / entry["file"]).read_bytes()).hexdigest() in reals


@pytest.mark.parametrize("manner", PARTIAL_MANNERS)
def test_a_partial_forgery_is_genuine_outside_its_segment(manner):
    jobs = plan({"t": Split(identities=2, clips=2, fakes={"partial": 3})}, seed=1, n_frames=50)
    job = next(job for job in jobs if job.manner == manner)
    real = next(j for j in jobs if j.source == job.source and j.category == "real")
    settings = {"seed": 1, "n_frames": 50, "size": 48}
    frames, audio = make_clip(job, **settings)
    true_frames, true_audio = make_clip(real, **settings)
    first, last = job.span
    outside = np.r_[0 : max(first - 1, 0), last + 1 : 50]
    np.testing.assert_array_equal(frames[outside], true_frames[outside])
    np.testing.assert_array_equal(audio[: first * HOP], true_audio[: first * HOP])
    np.testing.assert_array_equal(audio[last * HOP :], true_audio[last * HOP :])
    changed = (frames != true_frames).any((1, 2, 3))
    assert changed[first:last].mean() > 0.9 if manner != "RVFA" else not changed.any()
    heard = (audio != true_audio)[first * HOP : last * HOP].mean()
    assert heard == 0 if manner == "FVRA-WL" else heard > 0.9


def test_decoded_clips_are_in_sync_at_their_identitys_offset_unless_forged(made):
    found = {"real": [], "FVRA-faceswap": [], "RVFA": [], "FVRA-WL": []}
    for row in Manifest.read(made.manifest).select(split="test"):
        if row.category in found:
            frames, audio, _ = read(row.path, size=112)
            assert frames.shape == (75, 112, 112, 3)
            delay = best_delay(mouth_moves(frames), loudness(audio))
            offset = person(SEED, int(row.identity[2:]) - 1).habits.offset
            found[row.category].append(delay == offset)
    assert np.mean(found["real"]) >= 0.9
    assert np.mean(found["FVRA-faceswap"]) >= 0.75
    assert np.mean(found["RVFA"] + found["FVRA-WL"]) <= 0.3


def test_a_swap_keeps_the_sound_and_the_moves_and_changes_the_face():
    splits = {"t": Split(identities=3, clips=1, fakes={"FVRA-faceswap": 1})}
    jobs = plan(splits, seed=2, n_frames=50)
    job = next(job for job in jobs if job.category != "real")
    real = next(j for j in jobs if j.source == job.source and j.category == "real")
    settings = {"seed": 2, "n_frames": 50, "size": 64}
    (frames, audio), (true_frames, true_audio) = (make_clip(j, **settings) for j in (job, real))
    np.testing.assert_array_equal(audio, true_audio)
    change = np.abs(frames.astype(float) - true_frames).mean((0, 3))
    assert change[24:56, 20:44].mean() > 4 * change[:8].mean() + 2


def test_same_seed_same_bytes_whatever_the_workers(tmp_path):
    settings = {"splits": SMALL, "seed": 5, "seconds": 1.0, "size": 48}
    one = generate(tmp_path / "one", workers=1, **settings)
    two = generate(tmp_path / "two (again)", workers=2, **settings)
    assert digests(one.folder) == digests(two.folder)
    other = generate(tmp_path / "other", workers=1, **(settings | {"seed": 6}))
    clips = {digest for name, digest in digests(other.folder).items() if name.endswith(".mp4")}
    assert not clips & set(digests(one.folder).values())


def test_a_second_call_makes_only_what_is_missing(tmp_path):
    settings = {"splits": SMALL, "seconds": 1.0, "size": 48, "workers": 1}
    before = digests(generate(tmp_path, **settings).folder)
    clip = next((tmp_path / "SyntheticAVCeleb").rglob("*.mp4"))
    clip.unlink()
    steps = []
    again = generate(tmp_path, progress=lambda done, total: steps.append((done, total)), **settings)
    assert again.made == 1 and steps == [(5, 5)]
    assert digests(tmp_path) == before
    for other in ({"seed": 1}, {"silence": 0.2}):
        with pytest.raises(ConfigError, match="other settings"):
            generate(tmp_path, **(settings | other))


def test_silence_at_the_start_of_fakes_is_there_on_purpose_only():
    """Fakes get silence, which controls can expose; real clips and partial fakes do not change."""
    fakes = {"RVFA": 1, "FVRA-WL": 1, "FVFA-WL": 1, "FVRA-faceswap": 1, "partial": 1}
    jobs = plan({"test": Split(identities=2, clips=1, fakes=fakes)}, seed=1, n_frames=25)
    for job in jobs:
        same = {"seed": 1, "n_frames": 25, "size": 32}
        frames, sound = make_clip(job, **same)
        again, silenced = make_clip(job, silence=0.2, **same)
        whole = job.category not in ("real", "partial")
        assert (frames == again).all()
        assert (silenced[3200:] == sound[3200:]).all()
        assert (not silenced[:3200].any()) == whole, job.category
        assert leading_silence(sound) < 0.1
        assert (leading_silence(silenced) >= 0.2) == whole


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"silence": 3.0}, "silence must be >= 0 and < 3"),
        ({"splits": {}}, "at least one split"),
        ({"splits": {"a": {"identities": 0, "clips": 1}}}, "needs identities >= 1"),
        ({"splits": {"a": {"identities": 1, "clips": 1, "fakes": {"RVFA": 1}}}}, "two identities"),
        ({"splits": {"a": {"identities": 2, "clips": 1, "fakes": {"XY": 1}}}}, "category 'XY'"),
        ({"splits": {"a": {"identities": 2, "clips": 1, "fakes": {"RVFA": -1}}}}, ">= 0"),
        ({"splits": {"a": {"people": 2}}}, "must have identities, clips"),
        ({"seconds": 0.5}, "seconds must be >= 1"),
        ({"size": 111}, "even"),
        ({"workers": 0}, "workers"),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(tmp_path, change, words):
    with pytest.raises(ConfigError, match=words):
        generate(tmp_path, **({"splits": SMALL, "workers": 1} | change))
    assert list(tmp_path.iterdir()) == []
