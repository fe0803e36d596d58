"""Every benchmark on a tree laid out like the real set, with clips that are read and scored."""

import json
import shutil

import numpy as np
import pytest
from runs import composed

from avforensics.checkpoints import load_models
from avforensics.evaluation.rows import read_scores
from avforensics.evaluation.segments import localise
from avforensics.evaluation.summary import summarise
from avforensics.lightning.evaluation import Evaluation
from avforensics.media import write_clip

UUID = "1a2b3c4d-0000-1111-2222-333344445555"
HEADER = "source,target1,target2,method,category,type,race,gender,path,"
TYPES = {
    "A": "RealVideo-RealAudio",
    "B": "RealVideo-FakeAudio",
    "C": "FakeVideo-RealAudio",
    "D": "FakeVideo-FakeAudio",
}
KINDS = {
    "real": ("A", "real"),
    "RVFA": ("B", "rtvc"),
    "FVRA-WL": ("C", "wav2lip"),
    "FVFA-FS": ("D", "faceswap-wav2lip"),
    "FVFA-GAN": ("D", "fsgan-wav2lip"),
    "FVFA-WL": ("D", "wav2lip"),
    "FVRA-faceswap": ("C", "faceswap"),
    "FVRA-fsgan": ("C", "fsgan"),
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A clip of half a second with sound, and one without."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (13, 32, 32, 3), np.uint8)
    write_clip(folder / "sound.mp4", frames, rng.integers(-9000, 9000, 13 * 640).astype(np.int16))
    write_clip(folder / "mute.mp4", frames, None)
    return folder


@pytest.fixture
def tree(clips, tmp_path):
    """Return a function that makes a set of clips, some ``mute``, and of tables as text or JSON."""

    def make(names=(), mute=(), root=tmp_path / "set", **tables):
        for source, those in (("sound", names), ("mute", mute)):
            for name in those:
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(clips / f"{source}.mp4", path)
        for name, content in tables.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return root

    return make


@pytest.fixture
def evaluated(tiny_bundle, tmp_path):
    """Return a function that gives rows, summary and store of a benchmark, as in the command."""

    def run(name, root, *words):
        cfg = composed(
            "evaluate", f"benchmark={name}", f"root='{root}'", f"checkpoint.bundle='{tiny_bundle}'",
            f"features='{tmp_path / 'store'}'", "extract.workers=1", "extract.device=cpu",
            "scoring.max_len=5", f"output_dir='{tmp_path / 'out'}'", *words,
        )  # fmt: skip
        stage = Evaluation(cfg, load_models({"bundle": tiny_bundle}))
        outcome = stage.run(stage.asked)
        return outcome, summarise(outcome.rows, resamples=5)

    return run


def lavdf_entry(file, split, periods, original, picture=False, sound=False):
    return {
        "file": file, "n_fakes": len(periods), "fake_periods": periods, "duration": 0.52,
        "original": original, "modify_video": picture, "modify_audio": sound, "split": split,
        "video_frames": 13, "audio_channels": 1, "audio_frames": 8320,
    }  # fmt: skip


REAL = f"original_videos/{UUID}/{UUID}_022.mp4"
DFDC = {
    "dfdc_train_part_2/metadata.json": {
        "a b.mp4": {"label": "REAL", "split": "train", "original": None},
        "b.mp4": {"label": "FAKE", "split": "train", "original": "a b.mp4"},
    },
    "test/labels.csv": "filename,label\nc.mp4,0\nd.mp4,1\n",
}
# Per benchmark: clips with sound, silent clips, tables, words of the command line, and tested
# categories. Reading of each set is tested in tests/data/sources.
SETS = {
    "kodf": (  # clips of its last kind have no sound; they are counted, not dropped
        [REAL, "audio-driven/20200820/169273/1.mp4", "dfl/20200821/222222/a.mp4"],
        ["fsgan/20200901/444444/c.mp4"],
        {},
        ["benchmark.sample={real: 1, fake: 1}"],
        ["real", "audio-driven", "dfl", "fsgan"],
    ),
    "lavdf": (  # one clip of the test split is listed, but missing
        ["test/1.mp4", "test/2.mp4", "test/3.mp4"],
        [],
        {
            "metadata.min.json": [
                lavdf_entry("test/1.mp4", "test", [], None),
                lavdf_entry("test/2.mp4", "test", [[0.2, 0.36]], "1.mp4", sound=True),
                lavdf_entry("test/3.mp4", "test", [[0.1, 0.3]], "1.mp4", True, True),
                lavdf_entry("test/4.mp4", "test", [], None),
                lavdf_entry("train/5.mp4", "train", [], None),
            ]
        },
        ["scoring.windows=all"],
        ["real", "audio_modified", "both_modified", "real"],
    ),
    "dfdc": (
        [f"dfdc_train_part_2/{name}.mp4" for name in ("a b", "b")]
        + [f"test/test_videos/{name}.mp4" for name in "cd"],
        [],
        DFDC,
        [],
        ["real", "fake", "real", "fake"],
    ),
    "avlips": (  # the sound is next to the pictures
        ["wav/0_real/7.wav", "wav/1_fake/7.wav"],
        ["0_real/7.mp4", "1_fake/7.mp4"],
        {},
        [],
        ["real", "fake"],
    ),
    "deepfake_timit": (
        [f"{quality}_quality/fadg0/sa1-video-fram1.avi" for quality in ("higher", "lower")],
        [],
        {},
        ["benchmark.source.vidtimit='{root}/../VidTIMIT'"],
        ["real", "higher_quality", "lower_quality"],
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_and_scored(tree, evaluated, tmp_path, name):
    clips, mute, tables, words, categories = SETS[name]
    root = tree(clips, mute=mute, **tables)
    tree(["fadg0/sa1.avi"], root=tmp_path / "VidTIMIT")
    outcome, summary = evaluated(name, root, *(word.replace("{root}", str(root)) for word in words))
    assert [row.category for row in outcome.rows] == categories
    lost = [row for row in outcome.rows if not row.scored]
    paths = [item["path"] for item in summary["coverage"]["not_scored"]]
    assert paths == [row.path for row in lost]
    expected = {"kodf": [f"{root}/{mute[0]}"] if mute else [], "lavdf": [f"{root}/test/4.mp4"]}
    assert paths == expected.get(name, [])
    tested = {row.category for row in outcome.rows if row.scored} - {"real"}
    assert set(summary["categories"]) == tested
    if name == "kodf":
        assert "audio" in summary["coverage"]["not_scored"][0]["reason"]
    if name == "lavdf":
        segments = [entry.segments for entry in outcome.store]
        assert segments == [(), ((0.2, 0.36),), ((0.1, 0.3),), ()]
        metrics = localise(outcome.store, outcome.found, 0.0)["step_loss"]
        assert (metrics["n_videos"], metrics["n_segments"]) == (3, 2)
        assert metrics.keys() >= {"ap_50", "ap_75", "ap_95", "ar_5", "ar_100", "window_auc"}
    if name == "dfdc":
        assert len(evaluated("dfdc", root, "benchmark.split=test")[0].rows) == 2


# --- FakeAVCeleb, and the paper's table of it -----------------------------------------------------


@pytest.fixture
def fakeavceleb(tree):
    """Three people with a clip of each kind, a row without a file, and a file with two rows.

    The table writes ``Asian (East)`` and the disk has ``Asian_East``.
    """
    names, lines = [], [HEADER]

    def add(person, letter, method, name, *, there=True):
        place = f"{TYPES[letter]}/{{}}/women/{person}"
        lines.append(
            f"{person},id00001,-,{method},{letter},{TYPES[letter]},Asian (East),women,{name},"
            f"FakeAVCeleb/{place.format('Asian (East)')}"
        )
        if there:
            names.append(f"{place.format('Asian_East')}/{name}")

    for number in range(3):
        for letter, method in KINDS.values():
            add(f"id{number:05d}", letter, method, f"0{number}_{letter}_{method}.mp4")
    add("id00000", "C", "fsgan", "00_C_faceswap.mp4", there=False)  # exists with another method
    add("id00002", "A", "real", "absent.mp4", there=False)
    return tree(names, **{"meta_data.csv": "\n".join(lines) + "\n"})


def test_whole_frames_are_said(tree, avforensics, tiny_bundle, tmp_path, capsys):
    names = ["test/test_videos/c.mp4", "test/test_videos/d.mp4"]
    root = tree(names, **{"test/labels.csv": "filename,label\nc.mp4,0\nd.mp4,1\n"})
    words = paper(root, tmp_path / "out", tiny_bundle, "table2")[2:]
    assert avforensics("evaluate", "benchmark=dfdc", *words) == 0
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert "whole frames" in " ".join(metrics["notes"])
    assert "whole frames" in (tmp_path / "out/metrics.md").read_text()
    assert "whole frames" in " ".join(capsys.readouterr().out.split())


def paper(root, out, tiny_bundle, experiment):
    """Command line of an experiment, with existing weights."""
    return [
        "evaluate", f"experiment=paper/{experiment}", f"root={root}", f"output_dir={out}",
        "checkpoint=bundle", f"checkpoint.bundle={tiny_bundle}", "scoring.max_len=5",
        f"features={root.parent / 'store'}", "extract.workers=1", "extract.device=cpu",
        "intervals.resamples=20",
    ]  # fmt: skip


def test_table_1_on_a_tree_of_fakeavceleb(fakeavceleb, avforensics, tiny_bundle, tmp_path, capsys):
    words = paper(fakeavceleb, tmp_path / "out", tiny_bundle, "table1_lrs2")
    assert avforensics(*words, "benchmark.sample={real: 3, fake: 2}") in (0, 1)
    said = capsys.readouterr().out
    assert "Table 1, FakeAVCeleb, trained on LRS2" in said
    assert "difference" in said
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert list(metrics["categories"]) == list(KINDS)[1:]  # the paper's five, then others
    assert {block["n_fake"] for block in metrics["categories"].values()} == {2}
    assert "1 files are listed more than once" in " ".join(metrics["notes"])
    assert len(metrics["made_with"]["manifest"]) == 64
    numbers = json.loads((tmp_path / "out/reproduction.json").read_text())["numbers"]
    assert len(numbers) == 12
    for item in numbers:
        averages = metrics["averages"] | metrics["categories"]
        ours = averages[item["result"]][item["metric"]]
        assert item["ours"] == ours
        assert item["difference"] == pytest.approx(ours - item["paper"])
        low, high = item["interval"]
        assert item["inside"] == (low - 0.0005 <= item["paper"] <= high + 0.0005)
    rows = read_scores(tmp_path / "out/scores.csv")
    assert len(rows) == metrics["coverage"]["listed"] == 3 + 7 * 2
    assert all("Asian_East" in row.path for row in rows if row.scored)


def test_a_split_list_in_either_polarity(fakeavceleb, evaluated, tmp_path):
    """A public list with other leading folders, the table's spelling, and 0 for fakes."""
    lines = [
        "FakeAVCeleb/RealVideo-RealAudio/Asian (East)/women/id00001/01_A_real.mp4",
        "FakeAVCeleb/FakeVideo-FakeAudio/Asian (East)/women/id00001/01_D_wav2lip.mp4",
    ]
    for fake in (0, 1):
        text = "".join(f"{line},{place ^ 1 ^ fake}\n" for place, line in enumerate(lines))
        (tmp_path / "test.csv").write_text(f"path,label\n{text}")
        words = (f"benchmark.list.path='{tmp_path / 'test.csv'}'", f"benchmark.list.fake={fake}")
        outcome, _ = evaluated("fakeavceleb", fakeavceleb, *words)
        assert [(row.label, row.category) for row in outcome.rows] == [(0, "real"), (1, "FVFA-WL")]


def test_a_sweep_of_the_paper(fakeavceleb, avforensics, tiny_bundle, tmp_path, capsys):
    """Fig. 5, left: one run per length, each with its own model, in one table and one figure."""
    models = tmp_path / "models"
    models.mkdir()
    for length in (3, 6):
        shutil.copyfile(tiny_bundle, models / f"length_{length}.safetensors")
    code = avforensics(
        "evaluate", "experiment=paper/fig5_length", f"root={fakeavceleb}", f"models={models}",
        f"output_dir={tmp_path / 'runs'}", "hydra.sweeper.params.length='3,6'",
        f"features={tmp_path / 'store'}", "extract.workers=1", "extract.device=cpu",
        "intervals.resamples=5", "benchmark.sample={real: 2, fake: 1}",
    )  # fmt: skip
    assert code in (0, 1)
    assert "collected 2 runs" in capsys.readouterr().out
    assert (tmp_path / "runs/sweep.png").stat().st_size > 5000
    lines = (tmp_path / "runs/sweep.md").read_text().splitlines()
    assert lines[0].startswith("| length |")
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["3", "6"]
