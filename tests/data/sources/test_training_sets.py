from collections import Counter

import pytest

from avforensics.data.sources.folder import folder
from avforensics.data.sources.lrs import lrs2, lrs3
from avforensics.data.sources.table import table
from avforensics.data.sources.voxceleb2 import voxceleb2
from avforensics.data.splits import split_by_identity
from avforensics.errors import ManifestError

SHARED, ONLY_PRETRAIN = "6330311066473698535", "5535415699068794046"
ONLY_TRAIN, IN_VAL, IN_TEST = "5536038039829982468", "5537504403229996208", "6000000000000000001"
LISTS = {
    "pretrain.txt": f"{SHARED}/00001\n{ONLY_PRETRAIN}/00002\n",
    "train.txt": f"{SHARED}/00011\n{ONLY_TRAIN}/00007\n",
    "val.txt": f"{IN_VAL}/00003\n",
    "test.txt": f"{IN_TEST}/00011 NF\n{IN_TEST}/00012 MV\n\n",
}
LRS2_CLIPS = [
    f"mvlrs_v1/pretrain/{SHARED}/00001.mp4",
    f"mvlrs_v1/pretrain/{ONLY_PRETRAIN}/00002.mp4",
    f"mvlrs_v1/main/{SHARED}/00011.mp4",
    f"mvlrs_v1/main/{ONLY_TRAIN}/00007.mp4",
    f"mvlrs_v1/main/{IN_VAL}/00003.mp4",
    f"mvlrs_v1/main/{IN_TEST}/00011.mp4",
    f"mvlrs_v1/main/{IN_TEST}/00011.txt",
]


@pytest.mark.parametrize("inside", ["", "mvlrs_v1/"])
def test_lrs2(tree, inside):
    root = tree([*LRS2_CLIPS]), tree({inside + name: text for name, text in LISTS.items()})
    for place in (root[0], root[0] / "mvlrs_v1"):
        manifest = lrs2(place)
        splits = ["pretrain"] * 2 + ["train"] * 2 + ["val"] + ["test"] * 2
        assert [row.split for row in manifest] == splits
        assert {row.label for row in manifest} == {0}
        assert manifest[5].identity == IN_TEST
        assert manifest[5].path == str(root[0] / LRS2_CLIPS[5])
        assert len(manifest) == 7 and len(manifest.missing()) == 1
        assert manifest.missing()[0].endswith(f"main/{IN_TEST}/00012.mp4")


def test_lrs2_lists_elsewhere_and_none(tree, tmp_path):
    tree(LRS2_CLIPS, tmp_path / "videos")
    tree(LISTS, tmp_path / "lists")
    assert len(lrs2(tmp_path / "videos", lists=tmp_path / "lists")) == 7
    with pytest.raises(ManifestError, match=r"source\.lists=FOLDER"):
        lrs2(tmp_path / "videos")
    tree({"test.txt": "00011\n"}, tmp_path / "lists")
    with pytest.raises(ManifestError, match=r"test\.txt, line 1: expected FOLDER/CLIP"):
        lrs2(tmp_path / "videos", lists=tmp_path / "lists")


def test_lrs2_folders_in_both_parts_are_seen_and_go_to_one_split(tree):
    manifest = lrs2(tree({**dict.fromkeys(LRS2_CLIPS, ""), **LISTS}))
    with pytest.raises(ManifestError, match=f"share 1 identity: {SHARED} "):
        manifest.check_disjoint()
    split = split_by_identity(manifest, {"sync": 1, "anomaly": 1}, keep=["val", "test"])
    split.check_disjoint("sync", "anomaly", "val", "test")
    assert len({row.split for row in split if row.identity == SHARED}) == 1
    assert Counter(row.split for row in split)["test"] == 2


def test_lrs3_with_ids_that_begin_with_dashes_and_dots(tree):
    files = ["pretrain/-0OwyLg8zjE/00001.mp4", "pretrain/-0OwyLg8zjE/00001.txt"]
    files += ["trainval/_2a.b'c d/50002.mp4"]
    files += ["test/0Fi83BHQsMA/00002.mp4", "test/0Fi83BHQsMA/._00002.mp4"]
    root = tree([f"lrs3/{file}" for file in files])
    manifest = lrs3(root)
    assert [(row.identity, row.split) for row in manifest] == [
        ("-0OwyLg8zjE", "pretrain"),
        ("_2a.b'c d", "trainval"),
        ("0Fi83BHQsMA", "test"),
    ]
    assert lrs3(root / "lrs3").digest == manifest.digest
    assert len(manifest) - len(manifest.missing()) == 3


def test_voxceleb2_sound_in_a_tree_of_its_own(tree, tmp_path):
    clips = ["dev/{}/id00019/Cv-Yz_0/00121.{}", "dev/{}/id00019/Cv-Yz_0/00122.{}"]
    clips += ["test/{}/id00017/01dfn2spqyE/00001.{}"]
    videos = [clip.format("mp4", "mp4") for clip in clips]
    sounds = [clip.format("aac", "m4a") for clip in clips[:1] + clips[2:]]
    root = tree([*videos, *sounds, "vox2_meta.csv"], tmp_path / "vox2")
    manifest = voxceleb2(root)
    people = [(row.identity, row.split) for row in manifest]
    assert people == [("id00019", "dev")] * 2 + [("id00017", "test")]
    assert manifest[0].audio == str(root / "dev/aac/id00019/Cv-Yz_0/00121.m4a")
    assert manifest.missing() == (str(root / "dev/aac/id00019/Cv-Yz_0/00122.m4a"),)
    wav = voxceleb2(root, sound=tmp_path / "sound", suffix=".wav")
    assert wav[2].audio == str(tmp_path / "sound/test/aac/id00017/01dfn2spqyE/00001.wav")


def test_plain_folder(tree):
    root = tree(["p1/a.MP4", "p1/deep/b.mov", "p 2/fake/c.avi", "p 2/notes.txt", ".x/d.mp4"])
    names = ["p 2/fake/c.avi", "p1/a.MP4", "p1/deep/b.mov"]
    manifest = folder(root)
    assert [row.path for row in manifest] == [str(root / name) for name in names]
    assert [row.identity for row in manifest] == ["fake", "p1", "deep"]
    assert [row.identity for row in folder(root, identity="stem")] == ["c", "a", "b"]
    by_top = folder(root, identity=r"^([^/]+)/", fake="/fake/", method="dub")
    assert [row.identity for row in by_top] == ["p 2", "p1", "p1"]
    assert [(row.label, row.category) for row in by_top] == [(1, "dub"), (0, "real"), (0, "real")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"identity": "q(\\d)"}, "matches nothing in x/a.mp4"),
        ({"identity": "p\\d"}, "in parentheses"),
        ({"identity": "(p"}, "is not a regular expression"),
        ({"fake": "*"}, "is not a regular expression"),
    ],
)
def test_plain_folder_mistakes(tree, options, message):
    with pytest.raises(ManifestError, match=message):
        folder(tree(["x/a.mp4"]), **options)


def test_no_set_and_two_sets_in_one_folder(tree):
    with pytest.raises(ManifestError, match="no video in this folder"):
        folder(tree(["x/a.txt"]))
    with pytest.raises(ManifestError, match="this folder and its subfolders lack pretrain or"):
        lrs3(tree(["x/a.txt"]))
    with pytest.raises(ManifestError, match=r"several folders .*: one, two"):
        lrs3(tree(["one/test/a/1.mp4", "two/test/a/1.mp4"]))


def test_table_is_a_manifest(tree):
    root = tree({"m.csv": "path,label\nx.mp4,1\n"})
    assert table(root / "m.csv")[0].path == str(root / "x.mp4")
