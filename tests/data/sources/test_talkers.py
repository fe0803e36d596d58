"""The table of the talkers set: categories, methods, and splits that share no source."""

import pytest

from avforensics.data.sources.talkers import talkers
from avforensics.errors import ManifestError

HEADER = "path,label,category,identity,source,language,pair,licence,note\n"
ROWS = [
    "real/a_1.mp4,0,real,Ann,page-a,en,,CC BY,",
    "real/a_2.mp4,0,real,Bob,page-a,en,,CC BY,",
    "real/b_1.mp4,0,real,Eve,page-b,en,,CC BY,",
    "fake/b_1.mp4,1,Wav2Lip,Eve,page-b,en,7,CC BY,lips only",
    *(f'news/{n:05d}.mp4,0,real,"news, nobody",arabic news,ar,,,' for n in range(0, 6000, 75)),
]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "talkers"
    folder.mkdir()
    (folder / "talkers.csv").write_text(HEADER + "\n".join(ROWS) + "\n")
    return folder


def test_rows_and_held_out_sources(root, tmp_path):
    (tmp_path / "grid_s1").mkdir()
    for n in range(60):
        (tmp_path / "grid_s1" / f"clip{n}.mp4").touch()
    rows = list(talkers(root, held_out={"test": ["page-b"]}, anomaly=0.5))
    by_path = {row.path.removeprefix(f"{tmp_path}/"): row for row in rows}
    fake = by_path["talkers/fake/b_1.mp4"]
    assert fake[1:6] == (1, "page-b", "Wav2Lip", "Eve", "fake")
    assert by_path["talkers/real/b_1.mp4"].split == "test"
    assert {by_path[f"talkers/real/a_{n}.mp4"].split for n in (1, 2)} <= {"sync", "anomaly"}
    news = [row for row in rows if row.category == "arabic news"]
    split_of = {}
    for row in news:
        assert split_of.setdefault(row.identity, row.split) == row.split
    assert {row.split for row in news} == {"sync", "anomaly", "val"} - (
        set() if "val" in split_of.values() else {"val"}
    )
    grid = [row.split for row in rows if row.category == "grid_s1"]
    assert len(grid) == 60
    assert 20 < grid.count("sync") < 40


def test_the_same_splits_every_time(root):
    assert list(talkers(root)) == list(talkers(root))


def test_mistakes(root, tmp_path):
    with pytest.raises(ManifestError, match="no source page-z"):
        talkers(root, held_out={"test": ["page-z"]})
    (root / "talkers.csv").write_text("path,label\nx.mp4,0\n")
    with pytest.raises(ManifestError, match="no column category, identity, source"):
        talkers(root)
    with pytest.raises(ManifestError):
        talkers(tmp_path / "elsewhere")
