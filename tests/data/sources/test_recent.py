"""The sets of 2024 to 2026, each from a small tree laid out as its paper describes."""

import pytest

from avforensics.data.manifest import Manifest
from avforensics.data.sources.av_deepfake1m import av_deepfake1m
from avforensics.data.sources.deepfake_eval_2024 import deepfake_eval_2024
from avforensics.data.sources.deepspeak import deepspeak
from avforensics.data.sources.hifi_avdf import hifi_avdf
from avforensics.data.sources.mavos_dd import mavos_dd
from avforensics.data.sources.polyglotfake import polyglotfake
from avforensics.data.sources.talkingheadbench import talkingheadbench
from avforensics.errors import ManifestError


def columns(manifest, *names):
    return [tuple(getattr(row, name) for name in names) for row in manifest]


def known(manifest, *names):
    return [tuple(dict(row.about).get(name, "") for name in names) for row in manifest]


def names(manifest, root):
    return [row.path.removeprefix(f"{root}/") for row in manifest]


# --- AV-Deepfake1M and AV-Deepfake1M++ ----------------------------------------------------------


def entry(file, kind, segments=(), **changes):
    values = {"file": file, "modify_type": kind, "split": "val", "original": None}
    values |= {"video_frames": 150, "audio_frames": 96_000, "fake_segments": segments}
    return values | changes


def test_av_deepfake1m_and_its_successor(tree, caplog):
    vox, parts = "vox_celeb_2/id01358/1_nATum8x78/00030", [[0.2, 0.4], [2, 2.6]]
    both = {"audio_model": "yourtts", "video_model": "diff2lip"}
    rows = {
        "train": [
            entry("id01591/q7LU-D4bH_c/00167/real.mp4", "real", split="train"),
            entry("id2/x/1/fake.mp4", "both_modified", [[1, 1.5]], split="train", **both),
            entry("id2/x/1/real_video_fake_audio.mp4", "audio_modified", [[0, 0.4]], split="train"),
        ],
        "val": [
            entry(f"{vox}/real.mp4", "real"),
            entry(f"{vox}/fake.mp4", "visual_modified", [[1.0, 1.5]], video_model="Talklip"),
            entry("lrs3/0Fi83BHQsMA/00002/both.mp4", "both_modified", parts, **both),
            entry("silent_videos/subject_12_ab12_vid_3_4/real.mp4", "real"),
        ],
    }
    files = [f"{split}/{one['file']}" for split, ones in rows.items() for one in ones]
    root = tree({f"{split}_metadata.json": ones for split, ones in rows.items()})
    tree({"testA_files.txt": "a.mp4\nb.mp4\n", "testB_files.txt": "c.mp4\n"})
    tree([files[0], files[3]])
    manifest = av_deepfake1m(root)
    assert names(manifest, root) == files
    assert columns(manifest, "label", "category", "method", "identity", "split") == [
        (0, "real", "real", "id01591", "train"),
        (1, "both_modified", "yourtts", "id2", "train"),
        (1, "audio_modified", "audio_modified", "id2", "train"),
        (0, "real", "real", "vox_celeb_2/id01358", "val"),
        (1, "visual_modified", "Talklip", "vox_celeb_2/id01358", "val"),
        (1, "both_modified", "yourtts", "lrs3/0Fi83BHQsMA", "val"),
        (0, "real", "real", "silent_videos/subject_12", "val"),
    ]
    assert manifest[5].segments == ((0.2, 0.4), (2.0, 2.6)) and manifest[0].segments == ()
    assert {row.duration for row in manifest} == {6.0}
    facts = known(manifest, "source", "audio_model", "video_model")
    assert facts[5] == ("lrs3", "yourtts", "diff2lip")
    assert manifest.missing() == tuple(f"{root}/{file}" for file in files[1:3] + files[4:])
    assert "testA_files.txt: 2 files without public labels are skipped" in caplog.text
    assert "testB_files.txt: 1 files without public labels" in caplog.text
    tree({"val_metadata.json": [entry("a/b/c.mp4", "dubbed")]})
    with pytest.raises(ManifestError, match="entry 1: unknown modify_type 'dubbed'"):
        av_deepfake1m(root)


# --- PolyGlotFake -------------------------------------------------------------------------------


def test_polyglotfake(tree, caplog):
    video = {"filename": "es_1.mp4", "source": "URL:https://example.org/v/1", "duration": "10"}
    video["characters"] = [{"age": 30, "sex": "male"}]
    root = tree(
        {
            "real/es/es_1.mp4": "",
            "real/en/en_7.mp4": "",
            "fake/to_ru/es_1_to_ru_Xtts_Wav2Lip.mp4": "",
            "fake/to_es/en_7_to_es_Bark.mp4": "",
            "fake/to_ru/zh_3_to_ru.mp4": "",
            "fake/to_ru/notes about this.mp4": "",
            "json/es.json": {"language": "es", "videos": [video]},
            "json/others.json": [1, 2],
        }
    )
    manifest = polyglotfake(root)
    assert columns(manifest, "label", "category", "method", "identity") == [
        (1, "to_es", "Bark", "en_7"),
        (1, "to_ru", "Xtts", "URL:https://example.org/v/1"),
        (1, "to_ru", "fake", "zh_3"),
        (0, "real", "real", "en_7"),
        (0, "real", "real", "URL:https://example.org/v/1"),
    ]
    assert known(manifest, "language", "original_language", "lips", "gender", "age") == [
        ("es", "en", "", "", ""),
        ("ru", "es", "Wav2Lip", "male", "30"),
        ("ru", "zh", "", "", ""),
        ("en", "en", "", "", ""),
        ("es", "es", "", "male", "30"),
    ]
    assert "1 files with unexpected names are skipped" in caplog.text
    assert "fake/to_ru/notes about this.mp4" in caplog.text
    (root / "json/es.json").write_text('{"videos": [{"source": "x"}]}')
    with pytest.raises(ManifestError, match=r"es\.json: an entry of `videos` has no `filename`"):
        polyglotfake(root)


# --- DeepSpeak ----------------------------------------------------------------------------------

SPEAK = {
    "annotations-split-def.csv": "identity,split\n87,train\n11,test\n10,test\n",
    "annotations-real.csv": "video-file,identity,gender\n87-0.mp4,87,female\n11-4.mp4,11,male\n",
    "annotations-fake.csv": (
        "video-file,kind,engine,identity-source,identity-target,recording-source,"
        "recording-target,audio-config\n"
        "diff2lip-68-60-playht.mp4,lip-sync,diff2lip,11,11,68,60,playht\n"
        "facefusion-1-2-real.mp4,face-swap,facefusion,87,10,1,2,real\n"
    ),
}


def test_deepspeak_v2(tree):
    root = tree(SPEAK | {"deepspeak-v2-0/videos/87-0.mp4": "", "x/diff2lip-68-60-playht.mp4": ""})
    manifest = deepspeak(root)
    assert names(manifest, root) == [
        "deepspeak-v2-0/videos/87-0.mp4",  # archives may be unpacked anywhere
        "11-4.mp4",
        "x/diff2lip-68-60-playht.mp4",
        "facefusion-1-2-real.mp4",
    ]
    assert columns(manifest, "label", "category", "method", "identity", "split") == [
        (0, "real", "real", "87", "train"),
        (0, "real", "real", "11", "test"),
        (1, "lip-sync", "diff2lip", "11", "test"),
        (1, "face-swap", "facefusion", "10", "test"),
    ]
    assert known(manifest, "gender", "voice", "source_identity") == [
        ("female", "", ""),
        ("male", "", ""),
        ("", "playht", "11"),
        ("", "real", "87"),
    ]
    assert len(manifest.missing()) == 2
    (root / "annotations-fake.csv").write_text("video-file,engine\na.mp4,x\n")
    with pytest.raises(ManifestError, match=r"annotations-fake\.csv: no column identity_target"):
        deepspeak(root)


def test_deepspeak_v1_by_its_names(tree, caplog):
    clips = ["87-0", "facefusion_gan--10-11--4100-4897--0", "wav2lip--87-87--1-2", "readme clip"]
    tree([f"dataset/{clip}.mp4" for clip in clips])
    root = tree({"annotations-split-def.csv": SPEAK["annotations-split-def.csv"]})
    manifest = deepspeak(root)
    assert columns(manifest, "label", "method", "identity", "split") == [
        (0, "real", "87", "train"),
        (1, "facefusion_gan", "11", "test"),
        (1, "wav2lip", "87", "train"),
    ]
    assert known(manifest, "source_identity") == [("",), ("10",), ("87",)]
    assert "1 files with unexpected names" in caplog.text
    (root / "empty").mkdir()
    with pytest.raises(ManifestError, match="no file has a name as in DeepSpeak"):
        deepspeak(root / "empty")


# --- TalkingHeadBench ---------------------------------------------------------------------------


def test_talkingheadbench(tree, tmp_path, caplog):
    files = [
        "fake/hallo/train/00012--clip_3--hallo.mp4",
        "fake/hallo/test/00099--clip [4]--hallo.mp4",
        "fake/LivePortrait/test/odd name.mp4",
        "fake/additional_dataset/MAGI-1/00001--clip_9--MAGI-1.mp4",
        "fake/stray.mp4",
        "audio/fake/clip [4].wav",
    ]
    split = {"train": ["celebv/a.mp4"], "test": ["celebv/b.mp4", "ff/001.mp4"]}
    tree(files, tmp_path / "set")
    root = tree({"true/true_dataset_split.json": split}, tmp_path / "set")
    tree(["celebv/b.mp4"], tmp_path / "reals")
    manifest = talkingheadbench(root, reals=tmp_path / "reals")
    assert columns(manifest, "label", "category", "identity", "split") == [
        (0, "real", "a", "train"),
        (0, "real", "b", "test"),
        (0, "real", "001", "test"),
        (1, "LivePortrait", "", "test"),
        (1, "MAGI-1", "00001", "test"),
        (1, "hallo", "00099", "test"),
        (1, "hallo", "00012", "train"),
    ]
    facts = known(manifest, "protocol", "signals")[4:6]
    assert facts == [("additional", "clip_9"), ("", "clip [4]")]
    assert [row.audio for row in manifest if row.audio] == [f"{root}/audio/fake/clip [4].wav"]
    assert "1 files with unexpected names are skipped: fake/stray.mp4" in caplog.text
    assert len(manifest.missing()) == 2
    (root / "true/true_dataset_split.json").write_text('["a.mp4"]')
    with pytest.raises(ManifestError, match="expected lists of file names by split"):
        talkingheadbench(root)
    (root / "true/true_dataset_split.json").unlink()
    assert {row.label for row in talkingheadbench(root)} == {1}
    assert "the manifest has no real videos" in caplog.text


# --- MAVOS-DD -----------------------------------------------------------------------------------

MAVOS = [
    # video_path, label, split, open_set_model, open_set_language, language, generative_method
    ("arabic/real/a.mp4", "real", "train", False, False, "arabic", "real"),
    ("arabic/memo/b.mp4", "fake", "test", False, False, "arabic", "memo"),
    ("arabic/sonic/c.mp4", "fake", "test", True, False, "arabic", "sonic"),
    ("german/memo/d.mp4", "fake", "test", False, True, "german", "memo"),
    ("german/roop/e.mp4", "fake", "test", True, True, "german", "roop"),
    ("german/x.mp4", "", "test", True, True, "german", "roop"),
]
MAVOS_HEADER = ["video_path", "label", "split", "open_set_model", "open_set_language"]
MAVOS_HEADER += ["language", "generative_method"]


def as_csv(rows):
    return "\n".join(",".join(map(str, row)) for row in [MAVOS_HEADER, *rows])


def as_arrow(path):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(dict(zip(MAVOS_HEADER, zip(*MAVOS, strict=True), strict=True)))
    with pyarrow.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("form", ["csv", "arrow"])
def test_mavos_dd(tree, form, caplog):
    root = tree(["arabic/real/a.mp4"])
    if form == "csv":
        tree({"metadata.csv": as_csv(MAVOS)})
    else:
        tree({"state.json": {}, "dataset_info.json": {}})
        as_arrow(root / "data-00000-of-00001.arrow")
    manifest = mavos_dd(root)
    assert columns(manifest, "label", "category", "method", "identity", "split")[:2] == [
        (0, "real", "real", "a", "train"),
        (1, "memo", "memo", "b", "test"),
    ]
    protocols = ["", "closed-set", "open-model", "open-language", "open-set"]
    assert [one for (one,) in known(manifest, "protocol")] == protocols
    assert known(manifest, "language", "open_set_model")[3] == ("german", "False")
    assert "MAVOS-DD: entries without a usable label are skipped: (empty) (1)" in caplog.text
    assert len(manifest.missing()) == 4
    if form == "arrow":
        (root / "data-00000-of-00001.arrow").write_bytes(b"not arrow")
        with pytest.raises(ManifestError, match="not an Arrow file"):
            mavos_dd(root)


# --- HiFi-AVDF ----------------------------------------------------------------------------------


def test_hifi_avdf(tree):
    header = "video_path,audio_label,visual_label,overall_label\n"
    rows = "reals/p1.mp4,0,0,0\nVeo3.1/p1_generated.mp4,1,1,1\n"
    root = tree(
        {
            "Veo3.1.csv": header + rows,
            "Kling2.5.csv": header + rows.replace("Veo3.1", "Kling2.5").replace("1,1,1", "0,1,1"),
            "reals/p1.mp4": "",
        }
    )
    manifest = hifi_avdf(root)
    assert columns(manifest, "label", "category", "method", "identity") == [
        (0, "real", "real", "p1"),
        (1, "Kling2.5", "Kling2.5", "p1"),
        (0, "real", "real", "p1"),
        (1, "Veo3.1", "Veo3.1", "p1"),
    ]
    assert [one for (one,) in known(manifest, "sound")] == ["real", "real", "real", "fake"]
    assert manifest.doubled() == (f"{root}/reals/p1.mp4",)
    with pytest.raises(ManifestError, match=r"does not contain the table \*\.csv of HiFi-AVDF"):
        hifi_avdf(root / "reals")
    (root / "train.csv").write_text(header + rows)
    with pytest.raises(ManifestError, match=r"train\.csv is not a table of a single generator"):
        hifi_avdf(root)


# --- Deepfake-Eval-2024 -------------------------------------------------------------------------


def test_deepfake_eval_2024(tree, caplog):
    header = "Filename,Video Ground Truth,Audio Ground Truth,Finetuning Set,Media Source\n"
    lines = [
        "a b.mp4,Real,Real,test,x.com",
        "c.mp4,Fake,Real,test,x.com",
        "d.mp4,Real,Fake,train,x.com",
        "e.mp4,Fake,Fake,test,x.com",
        "f.mp4,Fake,Unknown,test,x.com",
        "g.mp4,Unknown,Fake,test,x.com",
        "h.mp4,Real,Unknown,test,x.com",
        "a b.mp4,Real,Real,test,y.com",
    ]
    root = tree(
        {
            "video-metadata-publish-with-links.csv": header + "\n".join(lines),
            "video-data/a b.mp4": "",
        }
    )
    manifest = deepfake_eval_2024(root)
    assert columns(manifest, "label", "category", "identity", "split") == [
        (0, "real", "a b", "test"),
        (1, "visual_modified", "c", "test"),
        (1, "audio_modified", "d", "train"),
        (1, "both_modified", "e", "test"),
        (1, "fake", "f", "test"),
        (1, "fake", "g", "test"),
        (0, "real", "a b", "test"),
    ]
    assert "entries without a usable label are skipped: Real/Unknown (1)" in caplog.text
    assert manifest.doubled() == (f"{root}/video-data/a b.mp4",)
    assert len(manifest.missing()) == 5


def test_facts_are_columns_of_a_manifest(tree, tmp_path):
    manifest = deepspeak(tree(SPEAK))
    manifest.write(tmp_path / "m.csv")
    header = (tmp_path / "m.csv").read_text().splitlines()[0].split(",")
    assert header[-3:] == ["gender", "source_identity", "voice"]
    again = Manifest.read(tmp_path / "m.csv")
    assert (again.rows, again.digest) == (manifest.rows, manifest.digest)
    plain = Manifest(row._replace(about=()) for row in manifest)
    assert plain.digest != manifest.digest
