"""Tables in common formats, all of which give the same rows."""

import csv
import io
import logging
import os
from pathlib import Path

import pytest

from avforensics.data.labels import Labels
from avforensics.data.lists import Entry, read_list
from avforensics.data.manifest import Manifest
from avforensics.data.tables import read_table, write_table
from avforensics.errors import ManifestError
from avforensics.evaluation.rows import read_scores

ROWS = [("a b/é.mp4", "1", "0.75"), ("Ünder; x.mp4", "0", "-1.5"), ("c.mp4", "1", "2e-3")]
EXPECTED = [("a b/é.mp4", 1, 0.75), ("Ünder; x.mp4", 0, -1.5), ("c.mp4", 1, 0.002)]

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"]


def spelled(header=("path", "label", "score"), rows=ROWS, separator=",", **options):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, **options)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def read(tmp_path, content, name="scores.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(row.path, row.label, row.score) for row in read_scores(path)]


def with_labels(real, fake):
    return spelled(rows=[(path, fake if label == "1" else real, s) for path, label, s in ROWS])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-16-be", b"\xfe\xff"), *((name, b"") for name in ENCODINGS)],
)
def test_encodings_and_separators(tmp_path, separator, encoding, mark):
    assert read(tmp_path, mark + spelled(separator=separator).encode(encoding)) == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        spelled(quoting=csv.QUOTE_ALL),
        spelled(quoting=csv.QUOTE_ALL).replace('","', '" , "'),
        spelled().replace(",", ", "),
        spelled().replace(",", " ,\t"),
        spelled(header=("Path", " LABEL", "Score ")),
        spelled(header=("FileName", "label", "score")),
        spelled(header=("Video Path", "LABEL", "Score")),
        spelled(header=("file-name", "Label", "SCORE"), separator=";"),
        spelled(lineterminator="\r"),
        spelled(lineterminator="\n\n"),
        "\n\n" + spelled() + ",,\n",
        "# made by detector 3\n" + spelled(),
        "# scores, higher = fake\n# " + spelled(),
        "# path,label,score\n" + spelled(),
        "\ufeff\ufeff" + spelled(),
        "sep=;\n" + spelled(separator=";"),
        spelled(("", "path", "label", "score"), [(i, *row) for i, row in enumerate(ROWS)]),
        spelled(("path", "label", "score", "", ""), [(*row, "", "") for row in ROWS]),
        spelled(("score", "remark", "label", "path"), [(s, "?", n, p) for p, n, s in ROWS]),
    ],
)
def test_layouts(tmp_path, text):
    assert read(tmp_path, text) == EXPECTED


def test_a_decimal_comma_where_the_separator_is_none(tmp_path):
    rows = [("a,1.mp4", "1,0", "0,25"), ("b.mp4", "0,0", "-1,5e1"), ("c.mp4", "0", "3.5")]
    for separator in ";\t":
        found = read(tmp_path, spelled(rows=rows, separator=separator))
        assert found == [("a,1.mp4", 1, 0.25), ("b.mp4", 0, -15.0), ("c.mp4", 0, 3.5)]
    with pytest.raises(ManifestError, match=r"row 1: label must be .* got '1,0'"):
        read(tmp_path, spelled(rows=rows))
    path = tmp_path / "m.csv"
    path.write_text("path;label;start;duration;segments\nx,y.mp4;1;0,5;2,25;0,5-1,25\n")
    (row,) = Manifest.read(path)
    assert (row.path, row.start, row.duration) == (str(tmp_path / "x,y.mp4"), 0.5, 2.25)
    assert row.segments == ((0.5, 1.25),)


WORDS = [("REAL", "FAKE"), ("Real", "Spoof"), ("bona-fide", "spoof"), ("bonafide", "Spoofed")]
WORDS += [("bona fide", "deepfake"), ("BONA_FIDE", "fake"), ("genuine", "forged")]
WORDS += [("authentic", "manipulated"), ("pristine", "tampered"), ("original", "Generated")]
WORDS += [("False", "True"), ("0.0", "1.0"), ("00", "1e0"), ("'0'", "'1'")]


@pytest.mark.parametrize(("real", "fake"), WORDS)
def test_labels(tmp_path, caplog, real, fake):
    caplog.set_level(logging.INFO)
    assert read(tmp_path, with_labels(real, fake)) == EXPECTED
    assert "label 1 means fake" in caplog.text
    assert f"{fake} as 1" in caplog.text
    assert f"{real} as 0" in caplog.text


def test_plain_labels_need_no_word(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    assert read(tmp_path, spelled()) == EXPECTED
    assert not caplog.text


def test_the_polarity_of_numbers_is_said_and_words_say_their_own(tmp_path, caplog):
    path = tmp_path / "scores.csv"
    caplog.set_level(logging.INFO)
    for real, fake in (("1", "0"), ("True", "false"), ("1.0", "0.0"), ("real", "fake")):
        path.write_text(with_labels(real, fake), encoding="utf-8")
        assert [row.label for row in read_scores(path, fake=0)] == [1, 0, 1]
        assert f"{fake} as 1, {real} as 0" in caplog.text or f"{real} as 0" in caplog.text
        assert [entry.label for entry in read_list(path, fake=0)] == [1, 0, 1]
    with pytest.raises(ManifestError, match="fake must be 0 or 1"):
        Labels(fake=2)


@pytest.mark.parametrize("label", ["", "maybe", "2", "0.5", "-1", "nan", "yes", "positive", "0,1"])
def test_what_is_no_label_names_the_row_and_what_may_stand_there(tmp_path, label):
    rows = [ROWS[0], ("x.mp4", label, "0.5")]
    for reader in (read_scores, Manifest.read):
        path = tmp_path / "t.csv"
        header = ("path", "label", "score" if reader is read_scores else "category")
        path.write_text(spelled(header, rows), encoding="utf-8")
        with pytest.raises(ManifestError) as error:
            reader(path)
        said = str(error.value)
        assert said.startswith(f"{path}, line 3, row 2: label must be 0 (real) or 1 (fake)")
        assert "bona-fide" in said
        assert said.endswith(f"got {label!r}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,score\na.mp4,1,high\n", "line 2, row 1: score must be a number such as 0.25"),
        ("path,label,score\n\na.mp4,1\n", "line 3, row 1: 2 cells, but the header has 3"),
        ("path;label;score\na.mp4,1,0\n", "row 1: 1 cells, but the header has 3"),
        ("path,label,score\n'a, b.mp4',1,0\n", "row 1: 4 cells, but the header has 3"),
        ("name,label,score\na,1,1\n", "no column path; the columns in its first line: name, "),
        ("a.mp4,1,0.5\n", "no column path, label, score"),
        ("path,label,score,Label\na,1,1,1\n", "column 'label' occurs twice"),
        ("path,label,score\na\0b,1,1\n", "binary data, not text (a NUL in line 2)"),
        (b"PK\x03\x04 a workbook", "a workbook, not a CSV file"),
        ("", "the file is empty"),
    ],
)
def test_one_sentence(tmp_path, text, message):
    with pytest.raises(ManifestError) as error:
        read(tmp_path, text)
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_cells_that_other_programs_leave_empty(tmp_path):
    rows = [(f"{i}.mp4", "1", text) for i, text in enumerate(("", "NA", "null", "None", "nan"))]
    scores = [score for _, _, score in read(tmp_path, spelled(rows=rows))]
    assert scores[:4] == [None] * 4
    assert scores[4] != scores[4]


def test_a_table_of_detect_with_labels_holds_videos_and_their_faces(tmp_path):
    header = ("path", "status", "score", "track", "label")
    rows = [
        ("a.mp4", "scored", "1.5", "", "fake"),
        ("a.mp4", "scored", "1.5", "1", "fake"),
        ("a.mp4", "scored", "0.5", "2", ""),
        ("b.mp4", "no face", "", "", "real"),
    ]
    assert read(tmp_path, spelled(header, rows)) == [("a.mp4", 1, 1.5), ("b.mp4", 0, None)]
    # another track of a challenge
    other = [(f"{i}.mp4", "", "1", track, "1") for i, track in enumerate(("LA", "LA", ""))]
    assert len(read(tmp_path, spelled(header, other))) == 3


@pytest.mark.parametrize("name", ["list.csv", "list.txt", "list.tsv"])
@pytest.mark.parametrize(
    "text",
    [
        "a b/x.mp4,1\ny, z.mp4,0\n",
        "a b/x.mp4, fake\ny, z.mp4, real\n",
        "a b/x.mp4;1\ny, z.mp4;0\n",
        "a b/x.mp4\tSpoof\ny, z.mp4\tbona-fide\n",
        "a b/x.mp4 1.0\ny, z.mp4 0.0\n",
        "# list\nFile;Class;Label\na b/x.mp4;k;TRUE\ny, z.mp4;k;FALSE\n",
    ],
)
def test_lists(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-16")
    assert read_list(tmp_path / name) == [Entry("a b/x.mp4", 1), Entry("y, z.mp4", 0)]


def test_names_in_an_8_bit_encoding_are_those_of_files_that_exist(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes("path,label,category\ncafé.mp4,1,Fälschung\n".encode("latin-1"))
    raw = os.fsdecode(b"caf\xe9.mp4")
    assert Manifest.read(path)[0].path == str(tmp_path / raw)  # neither exists
    assert Manifest.read(path)[0].category == "Fälschung"
    Path(tmp_path, "café.mp4").touch()
    assert Manifest.read(path)[0].path == str(tmp_path / "café.mp4")
    name = "表.mp4".encode("cp932")  # its second byte is a backslash
    path.write_bytes(b"path,label\n" + name + b",1\n")
    Path(tmp_path, os.fsdecode(name)).touch()
    assert Manifest.read(path)[0].path == str(tmp_path / os.fsdecode(name))


def test_bytes_that_are_no_utf_8_come_back_from_what_is_written(tmp_path):
    raw = os.fsdecode(b"caf\xe9.mp4")
    for names in ([raw], [raw, "é.mp4"], ["é.mp4"]):
        write_table(tmp_path / "t.csv", ("path", "n"), [(name, None) for name in names])
        assert [row[0] for row in read_table(tmp_path / "t.csv").rows] == names
    assert (tmp_path / "t.csv").read_bytes() == "path,n\né.mp4,\n".encode()
