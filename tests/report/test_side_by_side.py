"""The page of a clip next to forgeries of it: its content, and its display in a browser."""

from dataclasses import replace

import pytest

from avforensics.report.side_by_side import Entry, verdict, write_side_by_side
from avforensics.scoring.result import Calibrated


@pytest.fixture
def entries(scored, clip):
    def entry(title, factor, forged=None):
        result = scored(lams=(0.0,))
        (score,) = result.scores
        result.scores = [replace(score, score=factor * score.score)]
        return Entry(
            title=title,
            done=f"<b>{title}</b>",
            result=result,
            forged=forged,
            clip=clip.read_bytes(),
            report="reports/a b.html",
        )

    return [entry("As it is", 1), entry("Moved", 3, (1.0, 2.5)), entry("Swapped", 1.01, (0.0, 9.0))]


def write(entries, tmp_path):
    return write_side_by_side(
        entries, tmp_path / "a # b.html", title="<i>clip</i>.mp4", lead="Lead.",
        notes=["a & b"], provenance={"notice": "A test."},
    )  # fmt: skip


def test_nothing_of_a_name_is_markup_and_marks_stay_in_the_plot(entries, tmp_path):
    page = write(entries, tmp_path).read_text(encoding="utf-8")
    assert "<i>clip" not in page and "&lt;i&gt;clip" in page and "a &amp; b" in page
    assert "<b>Moved" not in page and "A test." in page
    assert 'href="./reports/a%20b.html"' in page
    span = 54 / 25  # 50 windows of five frames
    assert f'style="left:{100 / span:.2f}%;width:{100 - 100 / span:.2f}%"' in page
    assert page.count('style="left:0.00%;width:100.00%"') == 2


def test_what_is_said_of_a_score(entries):
    original, moved, swapped = entries
    assert verdict(original, original) == "Reference for the other scores."
    assert verdict(moved, original) == "3 times the score of the unchanged clip."
    assert verdict(swapped, original).startswith("Not above the score of the unchanged clip")
    judged = replace(moved, calibrated=Calibrated(p_value=0.02, n_real=99))
    assert "3 times" in verdict(judged, original) and "2 % of 99" in verdict(
        judged, original
    ).replace("\N{NO-BREAK SPACE}", " ")


def test_what_cannot_be_judged_has_no_p_value(entries, tmp_path):
    for entry in entries:
        entry.result.p_value = 0.25
    entries[1].result.not_applicable = ("no speech",)
    page = write(entries, tmp_path).read_text(encoding="utf-8")
    assert page.count("p = 0.25") == 2
    assert "cannot judge this version. Reason: no speech." in page


def test_a_browser_shows_maps_and_players_and_asks_nobody(entries, tmp_path, browser, asked):
    browser.get(write(entries, tmp_path).as_uri())
    wide = browser.execute_script(
        "return [...document.images].map(image => [image.complete, image.naturalWidth])"
    )
    assert wide == [[True, 50]] * 3
    loaded = "return [...document.querySelectorAll('video')].every(v => v.readyState > 0)"
    for _ in range(100):
        if browser.execute_script(loaded):
            break
        browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert browser.execute_script(loaded)
    cards = browser.execute_script(
        "return [...document.querySelectorAll('.version')].map(c => c.getBoundingClientRect().top)"
    )
    assert len(set(cards)) == 1, "they stand beside each other"
    assert browser.get_log("browser") == []
    urls = asked()
    assert urls and all(url.startswith(("file:", "data:")) for url in urls), urls
