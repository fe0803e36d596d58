"""The index of a batch: all rows, escaped, and consistent counts and histogram."""

import csv
import json
import math
import re
from html import unescape

import pytest

from avforensics.report.index import write_index

EVIL = """</script><img src=x onerror=alert(1)> "[ü]'.mp4"""


def row(path, score=math.nan, error="", **more):
    values = {"path": path, "status": "failed" if error else "scored", "error": error, "lam": 0.0}
    values |= dict.fromkeys(("score", "distribution_score", "activation_score"), score)
    counts = {"n_windows": 0, "fps": ""} if error else {"n_windows": 50, "fps": 25.0}
    return values | counts | {"sha256": "ab" * 32} | more


def embedded(page):
    return json.loads(re.search(r'id="rows">(.*?)</script>', page, re.S)[1])


def page_of(rows, folder, **provenance):
    path = write_index(rows, folder / "index.html", provenance=provenance)
    return path.read_text(encoding="utf-8")


@pytest.fixture
def rows():
    return [
        row("a b/10.mp4", 0.5, report="reports/10 #1?.html"),
        row("a b/9.mp4", 1.5, report="javascript:alert(1)//.html"),
        row(EVIL, error="no <audio> stream"),
    ]


def test_what_cannot_be_judged_has_no_p_value(tmp_path):
    rows = [
        row("a.mp4", 0.5, p_value=0.4),
        row("b.mp4", 0.9, p_value=0.01, status="not_applicable", not_applicable="song"),
    ]
    data = embedded(page_of(rows, tmp_path))
    keys = [column["key"] for column in data["columns"]]
    assert [line[keys.index("p_value")] for line in data["rows"]] == [0.4, None]
    assert [line[keys.index("error")] for line in data["rows"]] == [None, "song"]


def test_rows_keep_their_values_and_stay_text(rows, tmp_path):
    page = page_of(rows, tmp_path, version="1", a={"b": 2})
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]
    assert "<img" not in page and page.count("<script") == 2 == page.count("</script>")
    assert not re.search(r"https?://|url\(", page)
    data = embedded(page)
    keys = [column["key"] for column in data["columns"]]
    assert keys[:4] == ["path", "status", "score", "error"]
    assert "track" not in keys and "p_value" not in keys
    assert [line[keys.index("path")] for line in data["rows"]] == ["a b/10.mp4", "a b/9.mp4", EVIL]
    assert [line[keys.index("score")] for line in data["rows"]] == [0.5, 1.5, None]
    assert [line[-1] for line in data["rows"]] == [
        "./reports/10%20%231%3F.html",
        "./javascript%3Aalert%281%29//.html",
        None,
    ]
    assert "<strong>3</strong>rows" in page
    assert "<strong>2</strong>scored" in page and "<strong>1</strong>failed" in page
    assert "<td>2</td>" in page and 'role="alert"' not in page


def test_rows_read_back_from_csv_give_the_same_page(rows, tmp_path):
    rows = [{**line, "report": line.get("report", "")} for line in rows]
    with (tmp_path / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        again = list(csv.DictReader(file))
    assert page_of(rows, tmp_path) == page_of(again, tmp_path)


def test_optional_columns_appear_once_a_row_has_them(rows, tmp_path):
    rows[0] |= {"track": "face 1", "p_value": 0.01}
    page = page_of(rows, tmp_path, notice="Mind <this>.")
    keys = [column["key"] for column in embedded(page)["columns"]]
    assert keys[1] == "track" and "p_value" in keys
    assert '<p class="notice" role="alert">Mind &lt;this&gt;.</p>' in page


def test_the_histogram_counts_every_score_once(tmp_path):
    rows = [row(f"{i}.mp4", i / 100) for i in range(101)]
    rows += [row("other.mp4", 50.0, lam=1.0), row("bad.mp4", error="no such file")]
    svg = unescape(page_of(rows, tmp_path))
    counts = [int(count) for count in re.findall(r"<title>(\d+) with", svg)]
    assert sum(counts) == 101
    edges = [float(edge) for edge in re.findall(r'data-from="([^"]+)"', svg)]
    assert edges[0] == 0 and edges == sorted(edges)
    assert "score of 101 videos, λ = 0" in svg


@pytest.mark.parametrize("scores", [[0.3], [0.3, 0.3], [0.3, 0.3 + 2**-54], [-1e-9, 1e9]])
def test_the_histogram_of_few_or_extreme_scores_is_whole(scores, tmp_path):
    svg = page_of([row(f"{i}.mp4", score) for i, score in enumerate(scores)], tmp_path)
    svg = re.search(r"<svg.*?</figure>", svg, re.S)[0]
    counts = [int(count) for count in re.findall(r"<title>(\d+) with", svg)]
    assert sum(counts) == len(scores)
    assert "nan" not in svg and "inf" not in svg


def test_a_batch_without_a_score_says_so(tmp_path):
    assert "No video has a score." in page_of([row("a.mp4", error="empty")], tmp_path)
    assert "<strong>0</strong>rows" in page_of([], tmp_path)


def test_faces_are_listed_and_not_counted(rows, tmp_path):
    faces = [row("a b/10.mp4", 9.0, track="1"), row("a b/10.mp4", error="too short", track="2")]
    page = page_of([rows[0], *faces, rows[1]], tmp_path)
    assert len(embedded(page)["rows"]) == 4
    assert "<strong>2</strong>rows" in page and "score of 2 videos" in page
    assert 'data-status="failed"' in page and "<strong>1</strong>failed" not in page
