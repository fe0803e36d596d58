import pytest

from avforensics.data.sources.avlips import avlips
from avforensics.data.sources.deepfake_timit import deepfake_timit
from avforensics.data.sources.dfdc import dfdc
from avforensics.data.sources.kodf import kodf
from avforensics.data.sources.lavdf import lavdf
from avforensics.errors import ManifestError

UUID = "1a2b3c4d-0000-1111-2222-333344445555"


def columns(manifest, *names):
    return [tuple(getattr(row, name) for name in names) for row in manifest]


# --- KoDF ---------------------------------------------------------------------------------------

KODF = [
    f"original_videos/{UUID}/{UUID}_022.mp4",
    "audio-driven/20200820/169273/169273_103564_5_0680.mp4",
    "dffs/20200820/111111/111111_222222_1_0001.mp4",
    "dfl/222222/a.mp4",
    "fo/20200821/333333/b.mp4",
    "fsgan/444444/c.mp4",
]


def test_kodf(tree, tmp_path):
    manifest = kodf(tree(KODF, tmp_path / "all"))
    assert columns(manifest, "label", "category", "identity") == [
        (0, "real", UUID),
        (1, "audio-driven", "169273"),
        (1, "dffs", "111111"),
        (1, "dfl", "222222"),
        (1, "fo", "333333"),
        (1, "fsgan", "444444"),
    ]
    assert len(manifest) - len(manifest.missing()) == 6
    few = tree(KODF[:2], tmp_path / "few")
    assert len(kodf(few)) == len(kodf(few, kinds=["audio-driven"])) == 2
    for kind, said in (("fo", "no folder fo"), ("dubbed", "no kind dubbed")):
        with pytest.raises(ManifestError, match=said):
            kodf(few, kinds=[kind])


# --- LAV-DF -------------------------------------------------------------------------------------


def lavdf_entry(file, split, periods=(), video=False, audio=False, original=None, **changes):
    entry = {
        "file": file,
        "n_fakes": len(periods),
        "fake_periods": [list(p) for p in periods],
        "duration": 7.232,
        "original": original,
        "modify_video": video,
        "modify_audio": audio,
        "split": split,
        "video_frames": 180,
        "audio_channels": 1,
        "audio_frames": 115712,
    }
    return {**entry, **changes}


LAVDF = [
    lavdf_entry("train/000001.mp4", "train"),
    lavdf_entry("test/000002.mp4", "test", [(0.5, 1.25), (3, 4.1)], True, True, "train/000001.mp4"),
    lavdf_entry("000003.mp4", "dev", [(2.0, 2.5)], audio=True, original="000001.mp4"),
    lavdf_entry("dev/000004.mp4", "dev", [(2.0, 2.5)], video=True, original="train/000009.mp4"),
]


@pytest.mark.parametrize("name", ["metadata.json", "metadata.min.json"])
def test_lavdf(tree, name):
    root = tree({name: LAVDF, "train/000001.mp4": "", "dev/000003.mp4": ""})
    manifest = lavdf(root)
    assert columns(manifest, "label", "category", "identity", "split", "segments") == [
        (0, "real", "000001", "train", ()),
        (1, "both_modified", "000001", "test", ((0.5, 1.25), (3.0, 4.1))),
        (1, "audio_modified", "000001", "dev", ((2.0, 2.5),)),
        (1, "visual_modified", "000009", "dev", ((2.0, 2.5),)),
    ]
    assert manifest[2].path == str(root / "dev" / "000003.mp4")
    assert {row.duration for row in manifest} == {7.232}
    assert len(manifest.missing()) == 2


def test_lavdf_mistakes(tree):
    with pytest.raises(ManifestError, match="entry 1: no field 'fake_periods'"):
        lavdf(tree({"metadata.json": [{"file": "a.mp4", "split": "test"}]}))
    wrong = lavdf_entry("test/1.mp4", "test", [(0, 1)], n_fakes=0)
    with pytest.raises(ManifestError, match="contradict each other"):
        lavdf(tree({"metadata.json": [wrong]}))
    with pytest.raises(ManifestError, match="not a JSON file"):
        lavdf(tree({"metadata.json": "{"}))


# --- DFDC ---------------------------------------------------------------------------------------


def test_dfdc_training_parts(tree):
    root = tree(
        {
            "dfdc_train_part_10/metadata.json": {"z.mp4": {"label": "REAL", "split": "train"}},
            "dfdc_train_part_2/metadata.json": {
                "b.mp4": {"label": "FAKE", "split": "train", "original": "a.mp4"},
                "a.mp4": {"label": "REAL", "split": "train", "original": None},
            },
            "dfdc_train_part_2/a.mp4": "",
        }
    )
    manifest = dfdc(root)
    assert columns(manifest, "label", "category", "identity", "split") == [
        (0, "real", "a", "train"),
        (1, "fake", "a", "train"),
        (0, "real", "z", "train"),
    ]
    assert len(manifest) - len(manifest.missing()) == 1
    assert len(dfdc(root / "dfdc_train_part_2")) == 2


@pytest.mark.parametrize("place", ["", "test_videos/", "videos/"])
def test_dfdc_test_set(tree, place):
    root = tree({"test/labels.csv": "filename,label\na.mp4,1\nb.mp4,0\n", f"test/{place}a.mp4": ""})
    for top in (root, root / "test"):
        manifest = dfdc(top)
        assert columns(manifest, "label", "split") == [(1, "test"), (0, "test")]
        assert manifest.missing() == (str(root / "test" / "b.mp4"),)


def test_dfdc_mistakes(tree):
    with pytest.raises(ManifestError, match=r"no dfdc_train_part_N/metadata\.json and no labels"):
        dfdc(tree(["x/a.mp4"]))
    with pytest.raises(ManifestError, match=r"a\.mp4: label must be .*, got 'MAYBE'"):
        dfdc(tree({"dfdc_train_part_0/metadata.json": {"a.mp4": {"label": "MAYBE"}}}))


# --- AVLips -------------------------------------------------------------------------------------


def test_avlips(tree):
    videos = ["AVLips/0_real/10.mp4", "AVLips/0_real/9.mp4", "AVLips/1_fake/9.mp4"]
    root = tree([*videos, "AVLips/wav/0_real/9.wav", "AVLips/wav/1_fake/9.wav"])
    manifest = avlips(root)
    assert columns(manifest, "label", "category", "identity") == [
        (0, "real", "9"),
        (0, "real", "10"),
        (1, "fake", "9"),
    ]
    assert manifest[2].audio == str(root / "AVLips/wav/1_fake/9.wav")
    assert manifest.missing() == (str(root / "AVLips/wav/0_real/10.wav"),)


def test_avlips_without_wav(tree):
    assert {row.audio for row in avlips(tree(["0_real/0.mp4", "1_fake/0.mp4"]))} == {""}


# --- DeepfakeTIMIT ------------------------------------------------------------------------------


def test_deepfake_timit(tree, tmp_path):
    fakes = [
        "higher_quality/fadg0/sa1-video-fram1.avi",
        "lower_quality/fadg0/sa1-video-fram1.avi",
        "lower_quality/mccs0/si2198-video-mwbt0.avi",
    ]
    root = tree(fakes, tmp_path / "DeepfakeTIMIT")
    reals = tree(["fadg0/sa1.avi", "mccs0/si2198.mp4"], tmp_path / "VidTIMIT")
    manifest = deepfake_timit(root, vidtimit=reals)
    assert columns(manifest, "label", "category", "identity") == [
        (0, "real", "fadg0"),
        (0, "real", "mccs0"),
        (1, "higher_quality", "fadg0"),
        (1, "lower_quality", "fadg0"),
        (1, "lower_quality", "mccs0"),
    ]
    assert len(deepfake_timit(root)) == 3
    with pytest.raises(ManifestError, match="no video of VidTIMIT"):
        deepfake_timit(root, vidtimit=tree(["x.txt"], tmp_path / "none"))
    tree(["higher_quality/fadg0/sa1.avi"], root)
    with pytest.raises(ManifestError, match=r"expected SUBJECT/UTTERANCE-video-SOURCE\.avi"):
        deepfake_timit(root)
