import pytest
from runs import composed, table

from avforensics.commands.manifest import run
from avforensics.data.manifest import Manifest
from avforensics.errors import AVForensicsError


def call(*overrides):
    return run(composed("manifest", *overrides))


@pytest.fixture
def tree(tmp_path):
    for person in range(12):
        for clip in range(3):
            for part in ("real", "fake"):
                path = tmp_path / "set" / part / f"id{person:02d}" / f"{clip}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    return tmp_path / "set"


def test_splits_of_a_plain_folder(tree, tmp_path, capsys):
    output = tmp_path / "out" / "m.csv"
    shares = "split.shares={sync: 2, anomaly: 1, test: 1}"
    options = (f"root={tree}", 'source.fake="^fake/"', shares)
    assert call(*options, f"output={output}") == 0
    manifest = Manifest.read(output)
    assert len(manifest) == 72
    manifest.check_disjoint("sync", "anomaly", "test")
    assert len(manifest.select(split="sync", label=0)) == 18
    printed = capsys.readouterr().out
    assert "anomaly" in printed
    assert call(*options, f"output={tmp_path / 'again.parquet'}") == 0
    assert Manifest.read(tmp_path / "again.parquet").digest == manifest.digest
    assert call(*options, f"output={tmp_path / 'other.csv'}", "seed=1") == 0
    assert Manifest.read(tmp_path / "other.csv").digest != manifest.digest


def test_list_selection_and_sample(tree, tmp_path):
    entries = [f"real/id{i:02d}/1.mp4,1" for i in range(9)]
    entries += [f"fake/id{i:02d}/1.mp4,0" for i in range(9)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *entries]))
    output = tmp_path / "m.csv"
    options = (f"root={tree}", f"output={output}", 'source.fake="^fake/"')
    options += (f"list.path={tmp_path / 'list.csv'}",)
    with pytest.raises(AVForensicsError, match=r"list\.fake=0"):
        call(*options)
    assert call(*options, "list.fake=0", "sample.real=4", "sample.fake=5") == 0
    manifest = Manifest.read(output)
    assert (len(manifest.select(label=0)), len(manifest.select(label=1))) == (4, 5)
    assert call(*options, "list.fake=0", "select.label=1") == 0
    assert {row.label for row in Manifest.read(output)} == {1}


def test_missing_files_are_listed_and_may_be_dropped(tree, tmp_path):
    output = tmp_path / "m.csv"
    assert call(f"root={tree}", f"output={output}") == 0
    (tree / "real" / "id03" / "1.mp4").unlink()
    again = ("source=table", f"root={output}", f"output={tmp_path / 'n.csv'}")
    assert call(*again) == 1
    assert len(Manifest.read(tmp_path / "n.csv")) == 72
    (problem,) = table(tmp_path / "n.problems.csv")
    assert problem == {"path": str(tree / "real/id03/1.mp4"), "reason": "no such file"}
    assert call(*again, "drop=true", "sample.real=71") == 1
    assert len(Manifest.read(tmp_path / "n.csv")) == 71


def test_unreadable_files_are_found_by_probing(tree, tmp_path):
    assert call(f"root={tree}", f"output={tmp_path / 'm.csv'}", "probe=true", "hash=true") == 1
    problems = table(tmp_path / "m.problems.csv")
    assert len(problems) == 72
    assert problems[0]["reason"] == "the file is empty"


def test_shared_identities_are_warned_of(tree, tmp_path, caplog):
    output = tmp_path / "m.csv"
    lines = [f"{tree}/real/id0{i}/0.mp4,0,id0{i % 2},{'ab'[i > 1]}" for i in range(4)]
    (tmp_path / "in.csv").write_text("\n".join(["path,label,identity,split", *lines]))
    assert call("source=table", f"root={tmp_path / 'in.csv'}", f"output={output}") == 0
    assert "splits share 2 identities" in caplog.text
    with pytest.raises(AVForensicsError, match="requires split"):
        call("source=table", f"root={tmp_path / 'in.csv'}", f"output={output}", "split.keep=[a]")
