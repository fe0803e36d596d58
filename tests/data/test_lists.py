import pytest

from avforensics.data.lists import Entry, pick, read_list
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ManifestError

ROWS = [
    Row("/d/FAC/RealVideo-RealAudio/Asian_East/men/id1/00001.mp4", 0),
    Row("/d/FAC/RealVideo-FakeAudio/Asian_East/men/id1/00001_fake.mp4", 1),
    Row("/d/FAC/FakeVideo-FakeAudio/Asian_East/men/id2/00001.mp4", 1),
    Row("/d/FAC/FakeVideo-RealAudio/Asian_East/men/id2/00001.mp4", 1),
]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("path,label\na b/x.mp4,1\ny.mp4,0\n", [Entry("a b/x.mp4", 1), Entry("y.mp4", 0)]),
        ("a/x.mp4,1\n", [Entry("a/x.mp4", 1)]),
        ('"a, b/x.mp4",1\n', [Entry("a, b/x.mp4", 1)]),
        ("a b/x.mp4\n\n./y.mp4\n", [Entry("a b/x.mp4", None), Entry("y.mp4", None)]),
        ("a b/x.mp4 1\ny.mp4\t0\n", [Entry("a b/x.mp4", 1), Entry("y.mp4", 0)]),
        ("path\na\\x.mp4\n", [Entry("a/x.mp4", None)]),
        ("\ufeffa, b/x.mp4\n", [Entry("a, b/x.mp4", None)]),
    ],
)
def test_forms_of_lists(tmp_path, text, entries):
    path = tmp_path / "list.txt"
    path.write_text(text, encoding="utf-8")
    assert read_list(path) == entries


def test_mistakes_in_lists(tmp_path):
    path = tmp_path / "list.csv"
    with pytest.raises(ManifestError, match="no such file"):
        read_list(path)
    path.write_text("path,label\n")
    with pytest.raises(ManifestError, match="the list is empty"):
        read_list(path)
    path.write_text("a.mp4,0\nb.mp4\n")
    with pytest.raises(ManifestError, match=r"others have none, e\.g\. b\.mp4"):
        read_list(path)


def test_pick_by_the_end_of_the_path_and_in_the_order_of_the_list():
    entries = [
        Entry("FakeAVCeleb/FakeVideo-RealAudio/Asian_East/men/id2/00001.mp4", 1),
        Entry("id1/00001_fake.mp4", None),
        Entry("/elsewhere/Asian_East/men/id1/00001.mp4", 0),
        Entry("00001_fake.mp4", 1),
    ]
    picked = pick(Manifest(ROWS), entries)
    assert picked.rows == (ROWS[3], ROWS[1], ROWS[0], ROWS[1])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Entry("men/id2/00001.mp4", 1), r"matches several clips, e\.g\. (\S+) and (?!\1$)"),
        (
            Entry("id1/00001.mp4", 1),
            "id1/00001.mp4 is fake in the list, but real in the data set; .*benchmark.list.fake=0",
        ),
        (Entry("id9/00001.mp4", 1), "1 of 1 entries of the list match no clip: id9/00001.mp4"),
        (Entry("nobody.mp4", None), "1 of 1 entries"),
    ],
)
def test_pick_mistakes(entry, message):
    twice = [clip for row in ROWS for clip in (row, row._replace(start=1.0))]
    with pytest.raises(ManifestError, match=message):
        pick(Manifest(twice), [entry])


REAL, FAKE = (
    "RealVideo-RealAudio/Asian (South)/men/id1",
    "FakeVideo-FakeAudio/Asian (South)/men/id1",
)
CODED = "id1/ab-c/00167"
FORMS = {  # text, meaning of its 0 and 1, clips that it names (real first)
    "SSR-DFD and AVH-Align: labels as floats, folders with underscores": (
        f"path,label\n{REAL}/1.mp4,0.0\n{FAKE}/1.mp4,1.0\n".replace(" (South)", "_South"),
        1, (f"{REAL}/1.mp4", f"{FAKE}/1.mp4"),
    ),
    "AVH-Align: the folder and the file in a column each, and no label": (
        f"source,category,filename,path\nid1,A,1.mp4,FakeAVCeleb/{REAL}\n"
        f"id1,D,1.mp4,FakeAVCeleb/{FAKE}\n",
        1, (f"{REAL}/1.mp4", f"{FAKE}/1.mp4"),
    ),
    "AVH-Align's loader: the whole path in a column, a category instead of a label": (
        f"path,category,full_path\n1.mp4,A,FakeAVCeleb/{REAL}/1.mp4\n"
        f"1.mp4,D,FakeAVCeleb/{FAKE}/1.mp4\n",
        1, (f"{REAL}/1.mp4", f"{FAKE}/1.mp4"),
    ),
    "SpeechForensics: text, blanks within paths, 1 = real": (
        f"{REAL}/1.mp4 1\n{FAKE}/1.mp4 0\n", 0, (f"{REAL}/1.mp4", f"{FAKE}/1.mp4")
    ),
    "AV-Deepfake1M": (
        f"path,label\n{CODED}/real.mp4,0.0\n{CODED}/fake_video_fake_audio.mp4,1.0\n",
        1, (f"{CODED}/real.mp4", f"{CODED}/fake_video_fake_audio.mp4"),
    ),
    "AVLips": ("path,label\n0_real/7.mp4,0\n1_fake/7.mp4,1\n", 1, ("0_real/7.mp4", "1_fake/7.mp4")),
}  # fmt: skip


@pytest.mark.parametrize(("text", "fake", "named"), FORMS.values(), ids=FORMS)
def test_lists_of_others(tmp_path, text, fake, named):
    path = tmp_path / ("list.csv" if "," in text else "list.txt")
    path.write_text(text)
    rows = [Row(f"/d/{file}", label) for label, file in enumerate(named)]
    other = Row("/d/FakeVideo-RealAudio/Asian (South)/men/id1/1.mp4", 1)
    assert pick(Manifest([rows[1], other, rows[0]]), read_list(path, fake=fake)).rows == tuple(rows)


def test_pick_leniently_counts_what_is_lost(caplog):
    picked = pick(Manifest(ROWS), [Entry("id9/0.mp4", 1), Entry("id1/00001.mp4", 0)], strict=False)
    assert picked.rows == (ROWS[0],)
    assert "1 of 2 entries of the list match no clip: id9/0.mp4" in caplog.text


def test_doubled_rows_of_one_file_are_one_clip():
    twice = [ROWS[1], ROWS[1]._replace(method="other")]
    assert pick(Manifest(twice), [Entry("id1/00001_fake.mp4", 1)]).rows == (ROWS[1],)


def test_all_clips_of_a_named_file_are_picked():
    parts = [ROWS[0]._replace(start=start, duration=2.0) for start in (0.0, 2.0, 4.0)]
    other = ROWS[0]._replace(label=1, audio="/swapped.wav")
    manifest = Manifest([parts[0], other, parts[0], *parts[1:]])
    assert pick(manifest, [Entry("id1/00001.mp4", 0)]).rows == tuple(parts)
    assert pick(manifest, [Entry("id1/00001.mp4", 1)]).rows == (other,)
    every = pick(manifest, [Entry("id1/00001.mp4", None)]).rows
    assert every == (parts[0], other, *parts[1:])
