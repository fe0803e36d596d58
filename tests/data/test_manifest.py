import os
import subprocess
import sys
from pathlib import Path

import pytest

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row, format_segments, parse_segments
from avforensics.errors import ManifestError

FULL = (
    "path,label,category,method,identity,split,start,duration,hash,audio,segments\n"
    "a b (c)/1.mp4,0,,real,p1,sync,0.04,2.96,aa,sound/1.m4a,\n"
    "/elsewhere/é,2.mp4,1,RVFA,rtvc,p2,test,,,,,0.5-1.25;3-4\n"
).replace("/elsewhere/é,2.mp4", '"/elsewhere/é,2.mp4"')


def write(folder, text, name="manifest.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rows(folder, n, **changes):
    return [Row(str(folder / f"{i:06d}.mp4"), i % 2, identity=f"p{i}", **changes) for i in range(n)]


def test_odd_names_and_splits_come_back(tmp_path):
    names = [" lead.mp4", "a,b.mp4", 'q"u.mp4', "new\nline.mp4", "-dash.mp4", "#x.mp4"]
    names.append(os.fsdecode(b"caf\xe9.mp4"))
    made = Manifest(Row(str(tmp_path / name), 0, split="2024") for name in names)
    made.write(tmp_path / "m.csv")
    again = Manifest.read(tmp_path / "m.csv")
    assert (again.rows, again.digest) == (made.rows, made.digest)
    assert len(made.select(split=2024)) == len(made.select(split=[2024, "x"])) == len(names)


def test_reads_every_column(tmp_path):
    real, fake = Manifest.read(write(tmp_path, FULL))
    assert real == Row(
        path=str(tmp_path / "a b (c)" / "1.mp4"),
        label=0,
        method="real",
        identity="p1",
        split="sync",
        start=0.04,
        duration=2.96,
        hash="aa",
        audio=str(tmp_path / "sound" / "1.m4a"),
    )
    assert fake.path == "/elsewhere/é,2.mp4"
    assert (fake.label, fake.category, fake.duration) == (1, "RVFA", None)
    assert fake.segments == ((0.5, 1.25), (3.0, 4.0))


def test_only_path_and_label_are_needed_and_order_of_columns_is_free(tmp_path):
    (row,) = Manifest.read(write(tmp_path, "\ufefflabel,path\n1,../x.mp4\n"))
    assert row == Row(str(tmp_path.parent / "x.mp4"), 1)


def test_end_without_start_is_a_fact(tmp_path):
    (row,) = Manifest.read(write(tmp_path, "path,label,begin,end\na.mp4,1,5,9\n"))
    assert row.duration is None and dict(row.about) == {"begin": "5", "end": "9"}


def test_a_table_of_detect_lists_videos_not_faces(tmp_path):
    text = "path,label,track,start,end\na.mp4,1,,0.5,2\na.mp4,,1,0.6,2\nb.mp4,0,,,\nc.mp4,0,2,1,\n"
    assert list(Manifest.read(write(tmp_path, text))) == [
        Row(str(tmp_path / "a.mp4"), 1, start=0.5, duration=1.5),
        Row(str(tmp_path / "b.mp4"), 0),
        Row(str(tmp_path / "c.mp4"), 0, start=1.0, about=(("track", "2"),)),
    ]


def test_backslashes_separate_folders_unless_a_file_has_them(tmp_path):
    (tmp_path / "a\\b.mp4").touch()
    found = Manifest.read(write(tmp_path, "path,label\na\\b.mp4,1\nc\\d.mp4,0\n"))
    assert [row.path for row in found] == [str(tmp_path / name) for name in ("a\\b.mp4", "c/d.mp4")]


@pytest.mark.parametrize("name", ["out.csv", "deep/out.csv", "out.parquet", "out.arrow"])
def test_written_and_read_back(tmp_path, name):
    manifest = Manifest.read(write(tmp_path, FULL))
    manifest.write(tmp_path / name)
    again = Manifest.read(tmp_path / name)
    assert again.rows == manifest.rows
    assert again.digest == manifest.digest


def test_paths_beneath_the_manifest_are_written_relative(tmp_path):
    Manifest([Row(str(tmp_path / "clips" / "1.mp4"), 0), Row("/other/2.mp4", 1)]).write(
        tmp_path / "manifest.csv"
    )
    lines = (tmp_path / "manifest.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["path", "clips/1.mp4", "/other/2.mp4"]


def test_digest_names_the_rows_and_not_the_place(tmp_path):
    here = Manifest(rows(tmp_path / "a" / "set", 4))
    assert Manifest(rows(tmp_path / "b" / "set", 4)).digest == here.digest
    assert Manifest(rows(tmp_path / "a" / "tes", 4)).digest != here.digest
    assert Manifest(reversed(here.rows)).digest != here.digest
    assert Manifest([*here.rows[:3], here[3]._replace(label=0)]).digest != here.digest
    assert len(here.digest) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,lable\nx,1\n", "unknown column 'lable'; did you mean label?"),
        ("path\nx\n", "no column label; the columns in its first line: path"),
        ("path,label\n,0\n", "row 1: the path is empty"),
        ("path,label,start\nx,0,soon\n", "row 1: start and duration must be numbers of seconds"),
        ("path,label,start\nx,0,-1\n", "row 1: start and duration must be numbers of seconds"),
        ("path,label,duration\nx,0,nan\n", "row 1: start and duration must be numbers of seconds"),
        ("path,label,start,end\nx,0,2,1\n", "row 1: end must be a number of seconds > start, got"),
        ("path,label,segments\nx,0,1.5\n", "row 1: segments must look like"),
        ("path,label,segments\nx,0,2-1\n", "row 1: segments must look like"),
    ],
)
def test_mistakes_give_one_sentence(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ManifestError) as error:
        Manifest.read(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_be_selected_names_the_file(tmp_path):
    path = write(tmp_path, "path,label\n")
    with pytest.raises(ManifestError, match=f"^{path}: the manifest is empty$"):
        Manifest.read(path).select()
    path = write(tmp_path, "path,label,split\nx,0,test\n")
    with pytest.raises(ManifestError, match=f"^{path}: no clip has label 1$"):
        Manifest.read(path).select(split="test").select(label=1)


def test_no_file_and_no_parquet(tmp_path):
    with pytest.raises(ManifestError, match="no such file"):
        Manifest.read(tmp_path / "none.csv")
    (tmp_path / "video.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(ManifestError, match="not a Parquet file"):
        Manifest.read(tmp_path / "video.parquet")


def test_parquet_of_another_program_with_numbers_and_nulls(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(
        {"path": ["1.mp4", "2.mp4"], "label": [0, 1], "start": [0.5, None], "split": [None, "x"]}
    )
    pyarrow.parquet.write_table(table, tmp_path / "m.parquet")
    first, second = Manifest.read(tmp_path / "m.parquet")
    assert (first.label, first.start, first.split) == (0, 0.5, "")
    assert (second.label, second.start, second.split) == (1, 0.0, "x")


def test_without_pyarrow_parquet_is_one_sentence(tmp_path):
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from avforensics.data.manifest import Manifest\n"
        "from avforensics.errors import ManifestError\n"
        "try: Manifest([]).write(sys.argv[1])\n"
        "except ManifestError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "m.parquet")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "pip install 'avforensics[parquet]'" in output
    assert not list(tmp_path.iterdir())


def test_select(tmp_path):
    real = rows(tmp_path, 3, split="val")
    fakes = [Row(str(tmp_path / f"f{i}.mp4"), 1, category=c) for i, c in enumerate("AAB")]
    manifest = Manifest([*real, *fakes])
    assert manifest.select(split="val").rows == tuple(real)
    assert manifest.select(category=["A", "B"], label=1).rows == tuple(fakes)
    assert manifest.select(category="B").rows == (fakes[2],)
    with pytest.raises(
        ManifestError, match=r"no clip has split test; available: \(empty\) \(3\), v"
    ):
        manifest.select(split="test")


def test_missing_and_doubled_files_are_named(tmp_path):
    manifest = Manifest(rows(tmp_path, 9))
    for row in manifest.rows[:2]:
        Path(row.path).touch()
    no_sound = manifest[0]._replace(audio=str(tmp_path / "0.m4a"), start=1.0)
    manifest = Manifest([*manifest, manifest[1], no_sound])
    assert len(manifest) == 11 and len(manifest.missing()) == 8
    assert manifest.missing()[-1] == no_sound.audio
    assert manifest.doubled() == (manifest[1].path,)
    with pytest.raises(ManifestError, match=r"files of 8 of 11 clips are missing: .*000002\.mp4"):
        manifest.require_files()
    Manifest(manifest.rows[:2]).require_files()


def test_splits_must_not_share_identities(tmp_path):
    sync, anomaly = rows(tmp_path, 3, split="sync"), rows(tmp_path, 5, split="anomaly")[3:]
    manifest = Manifest([*sync, *anomaly])
    manifest.check_disjoint()
    manifest.check_disjoint("sync", "anomaly")
    shared = Manifest([*manifest, sync[1]._replace(split="anomaly")])
    with pytest.raises(ManifestError, match=r"share 1 identity: p1 \(p1 is in anomaly and sync"):
        shared.check_disjoint()
    shared.check_disjoint("sync")
    with pytest.raises(ManifestError, match="no clip has split test"):
        manifest.check_disjoint("sync", "test")
    with pytest.raises(ManifestError, match="has no identity"):
        Manifest([*sync, sync[0]._replace(identity="")]).check_disjoint("sync")


def test_segments_survive_the_way_through_text():
    segments = ((0.0, 0.000001), (1.5, 10.0), (100.123457, 2e6))
    assert parse_segments(format_segments(segments)) == segments
    assert format_segments(()) == ""


def test_relative_rows_are_refused():
    with pytest.raises(ValueError, match="absolute"):
        Manifest([Row("1.mp4", 0)])
