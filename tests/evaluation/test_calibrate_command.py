"""avforensics calibrate, and what detect reports with its calibration."""

import json
from dataclasses import replace

import numpy as np
import pytest
from made_up_store import evaluated, make_store
from runs import table

from avforensics.checkpoints import Models, save_bundle
from avforensics.commands.calibrate import frames_read, properties
from avforensics.data.manifest import Manifest
from avforensics.detection.judging import media_properties
from avforensics.errors import ConfigError
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.populations import fit_segments
from avforensics.evaluation.setting import scoring_setting
from avforensics.features.shards import Extracted
from avforensics.features.store import Entry
from avforensics.media import open_media, write_wav
from avforensics.models.decoder import PublishedDecoder
from avforensics.report.sentences import percent
from avforensics.scoring.sequences import SequencePolicy


@pytest.fixture
def output(tmp_path):
    return tmp_path / "calibration.safetensors"


@pytest.fixture
def calibrate(avforensics, store, decoders_bundle, tmp_path, output):
    """Calibrate on the test split of a store; return the exit code."""

    def run(*words, of=store, bundle=decoders_bundle):
        where = (f"features={of.folder}", f"checkpoint.bundle={bundle}", f"output={output}")
        words = ("select.split=test", f"output_dir={tmp_path}", *words)
        return avforensics("calibrate", *where, *words)

    return run


def test_fits_on_real_videos_only(calibrate, store, decoders, output, capsys):
    check = (f"check.features={store.folder}", "check.split=anomaly")
    assert calibrate("scoring.lam=1", *check) == 1  # one real video of the split is broken
    rows, _ = evaluated(store, decoders, SequencePolicy(), lam=1.0)
    expected = sorted(row.score for row in rows if row.label == 0 and row.scored)
    calibration = Calibration.load(output)
    np.testing.assert_array_equal(calibration.scores, expected)
    assert calibration.setting["lam"] == 1
    assert calibration.setting["sync"] == store.info.network
    assert calibration.ranges == {"leading_silence": (0.0, 0.0)}
    said = capsys.readouterr().out
    assert "thresholds from 9 real videos" in said
    assert "needs at least 99 real videos" in said  # nine are too few for 1 %
    assert "of 20" in said  # the real videos of the other set
    assert "9 of 9 files could not be opened" in said


def test_properties_of_a_clip_with_sound_of_its_own(make_video, tmp_path):
    sound = tmp_path / "sound.wav"
    write_wav(sound, np.tile([3277, -3277], 25 * 320).astype(np.int16))
    clip = Extracted(key="clip", size=0, mtime_ns=0, silence=0.5)
    entry = Entry(path=str(make_video(n_frames=25, sound=False)), label=0, clip=clip)
    assert properties(entry) == {"leading_silence": 0.5}
    found = properties(replace(entry, audio=str(sound)))
    assert (found["width"], found["frames_per_second"], found["audio_level"]) == (96.0, 25.0, -20.0)


def test_the_level_is_that_of_the_part_that_detect_reads(make_video, tmp_path):
    """With windows=first, neither the later audio of a long video nor its level is known."""
    sound, video = tmp_path / "sound.wav", str(make_video(n_frames=200, sound=False))
    write_wav(
        sound,
        np.repeat([[1000, -1000], [20000, -20000]], 100 * 320, axis=0).astype(np.int16).ravel(),
    )
    clip = Extracted(key="clip", size=0, mtime_ns=0)
    entry = Entry(path=video, label=0, audio=str(sound), clip=clip)
    n_frames = frames_read(SequencePolicy(), 15)
    with open_media(video, max_frames=n_frames, audio_path=sound) as stream:
        assert sum(len(block.frames) for block in stream) == n_frames
        read = media_properties(stream.report)["audio_level"]
    assert properties(entry, n_frames=n_frames)["audio_level"] == read
    whole = properties(entry, n_frames=frames_read(SequencePolicy(windows="all"), 15))
    assert whole["audio_level"] > read + 20
    assert properties(replace(entry, duration=2.0))["audio_level"] == read


def test_one_model_alone_is_calibrated(calibrate, store, decoders, tmp_path, output):
    bundle = tmp_path / "m.safetensors"
    save_bundle(bundle, Models(distribution=decoders.distribution))
    assert calibrate("scoring.lam=1", bundle=bundle) == 2
    assert calibrate("part=distribution", "scoring.lam=1", bundle=bundle) == 1
    rows, _ = evaluated(store, decoders, SequencePolicy())
    expected = sorted(row.score for row in rows if row.label == 0 and row.scored)
    calibration = Calibration.load(output)
    np.testing.assert_array_equal(calibration.scores, expected)
    with pytest.raises(ConfigError, match=r"part='distribution' \(this run: 'both'\)"):
        calibration.check_setting(scoring_setting(decoders, SequencePolicy(), 1.0))


@pytest.mark.parametrize(
    "word, kept",
    [
        ("crop=lrs", "lrs"),
        ("crop={side: 1.41, down: 0.21, median: 13}", "lrs"),
        ("part=both", None),
    ],
)
def test_the_crop_of_its_clips_is_kept(calibrate, output, word, kept):
    assert calibrate(word) == 1  # one clip of the split cannot be read
    assert Calibration.load(output).setting.get("crop") == kept


def test_people_of_the_training_are_refused(calibrate, refusal):
    said = refusal("select.split=anomaly", by=calibrate)
    assert "10 identities are in both the calibration and a training" in said


def test_detect_says_how_unusual(
    avforensics, refusal, tiny_bundle, clips_manifest, make_video, tmp_path, capsys
):
    """Extract, calibrate and detect with one model: p-values follow from the calibration."""
    manifest = Manifest.read(clips_manifest)
    models, folder = f"checkpoint.bundle={tiny_bundle}", tmp_path / "store"
    code = avforensics(
        "extract", f"manifest={clips_manifest}", f"output_dir={folder}", "checkpoint=bundle",
        models, "device=cpu", "workers=1",
    )  # fmt: skip
    assert code == 1
    output = tmp_path / "calibration.safetensors"
    policy = ("scoring.max_len=20",)
    code = avforensics(
        "calibrate", f"features={folder}", models, f"output={output}", "select.split=null",
        f"output_dir={tmp_path / 'log'}", *policy,
    )  # fmt: skip
    assert code == 1
    calibration = Calibration.load(output)
    assert len(calibration.scores) == 4
    assert calibration.ranges["frames_per_second"] == (25.0, 25.0)
    assert calibration.ranges["width"] == (32.0, 32.0)
    detect = (
        "detect", f"input={manifest[0].path}", "checkpoint=bundle", models, "device=cpu",
        f"calibration={output}",
    )  # fmt: skip
    out = tmp_path / "out"
    code = avforensics(*detect, f"output_dir={out}", "false_positive_rate=0.25", *policy)
    assert code == 0
    (row,) = table(out / "scores.csv")
    assert float(row["p_value"]) == calibration.p_value(float(row["score"]))
    assert float(row["score"]) in calibration.scores  # same input as for the store
    (report,) = (out / "reports").glob("*.html")
    page = report.read_text()
    assert "calibration.safetensors" in page
    assert "the threshold of" in page
    share = percent(calibration.p_value(float(row["score"])))
    assert f"{share} of 4 real videos have a score at least as high" in page
    said = " ".join(capsys.readouterr().out.split())
    assert "p-value" in said and f"{float(row['p_value']):.2g}" in said
    other = make_video("other.mp4", n_frames=30, size=64, fps=30)
    words = (f"input={other}", f"output_dir={tmp_path / 'unlike'}", "false_positive_rate=0.25")
    assert avforensics(*detect, *words, *policy, "report=false") == 0
    (row,) = table(tmp_path / "unlike/scores.csv")
    assert "unlike the calibration videos: frames per second is 30, but" in row["warnings"]
    assert "width is 64, but theirs is 32" in row["warnings"]
    detect = (*detect, f"output_dir={tmp_path / 'other'}")
    said = refusal(*detect, "false_positive_rate=0.25")
    assert "was made with max_len=20 (this run: 50)" in said
    assert "needs at least 19 real videos; the calibration has 4" in refusal(*detect, *policy)


def test_evidence_and_ratios_from_stores(calibrate, many_people, output, tmp_path, capsys):
    """Real videos alone give evidence; forgeries of named kinds add ratios and their validation."""
    assert calibrate(of=many_people) == 0
    calibration = Calibration.load(output)
    assert calibration.likelihood is None and calibration.segments is None  # first windows only
    assert len(calibration.evidence.scores) == 40
    assert calibration.evidence.inner
    assert "evidence: min_p of mean_maximum, " in capsys.readouterr().out
    fakes = (
        f"fakes.features={many_people.folder}", "fakes.category=[RVFA,FVRA-WL,FVFA-FS]",
        "fakes.generator=category", "likelihood.fewest=40",
    )  # fmt: skip
    assert calibrate(*fakes, "evidence=fisher", of=many_people) == 0
    calibration = Calibration.load(output)
    assert calibration.evidence.kind == "fisher"
    likelihood = calibration.likelihood
    assert likelihood.refused is None
    assert likelihood.about["generators"] == ["FVFA-FS", "FVRA-WL", "RVFA"]
    assert (likelihood.about["n_real"], likelihood.about["n_fake"]) == (40, 120)
    assert likelihood.about["cllr"] < 0.5
    assert (tmp_path / "tippett.png").is_file() and (tmp_path / "reliability.png").is_file()
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "likelihood ratios for the evidence: fitted on 40 real videos of 40 people and 120" in said
    )
    scores = ("scoring.windows=all", "likelihood.fewest=41", "likelihood.of=score")
    assert calibrate(*fakes, *scores, of=many_people) == 0
    windows = sum(e.n_windows for e in many_people if e.split == "test" and e.label == 0)
    assert Calibration.load(output).segments.minutes == windows / 25 / 60
    assert "40 real videos (at least 41 are needed)" in Calibration.load(output).likelihood.refused
    part = ("part=activation", "likelihood.of=score")
    assert calibrate(*fakes, *part, of=many_people) == 0
    assert Calibration.load(output).likelihood.about["cllr"] > 0.9  # the activations are noise
    assert calibrate(fakes[0], "fakes.split=none", of=many_people) == 2
    assert "no forgeries in split none" in capsys.readouterr().err


def test_segments_are_fitted_to_the_delays_of_the_models(calibrate, many_people, output, tmp_path):
    bundle = tmp_path / "narrow.safetensors"
    save_bundle(bundle, Models(distribution=PublishedDecoder(inputs=21, outputs=21)))
    assert calibrate("scoring.windows=all", of=many_people, bundle=bundle) == 0
    reals = [i for i, e in enumerate(many_people) if e.label == 0 and e.split == "test"]
    policy = SequencePolicy(windows="all")
    expected = fit_segments(many_people.within(10), dict.fromkeys(reals), policy)
    np.testing.assert_array_equal(Calibration.load(output).segments.scores, expected.scores)


def test_too_few_real_videos_give_no_evidence_and_say_so(calibrate, output, capsys):
    assert calibrate() == 1
    assert Calibration.load(output).evidence is None
    said = " ".join(capsys.readouterr().out.split())
    assert "no evidence: min_p of 6 statistics needs 20 real videos of sufficient" in said


def test_evidence_is_evaluated_on_other_people_only(
    avforensics, refusal, calibrate, many_people, decoders_bundle, output, tmp_path
):
    assert calibrate(of=many_people) == 0
    words = (
        "evaluate", f"checkpoint.bundle={decoders_bundle}", f"calibration={output}",
        "intervals.resamples=20", f"output_dir={tmp_path / 'out'}", "select.split=test",
    )  # fmt: skip
    said = "160 of the tested videos share people, files or sources with the calibration"
    assert said in refusal(*words, f"features={many_people.folder}")
    largest = (f"features={many_people.folder}", "statistic=max")
    said = refusal(*words, *largest, f"breakdowns.calibration={output}")
    assert "cannot be combined with statistic=max" in said
    others = make_store(tmp_path / "others", people=8, categories=("RVFA",), failed=0, name="other")
    assert avforensics(*words, f"features={others.folder}") == 0
    found = json.loads((tmp_path / "out/metrics.json").read_text())
    assert found["categories"]["RVFA"]["statistics"]["evidence"]["auc"] > 0.9
    (row, *_) = table(tmp_path / "out/scores.csv")
    assert float(row["statistic_evidence"]) > 0
    compared = json.loads((tmp_path / "out/evidence.json").read_text())
    assert compared["results"]["RVFA"]["auc"]["b"] > 0.9
