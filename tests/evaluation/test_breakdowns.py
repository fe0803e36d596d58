"""Breakdowns equal a plain recomputation and find a planted bias, but none in shuffled labels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from avforensics.errors import ConfigError
from avforensics.evaluation.breakdown_table import cells, choose_threshold, notes, with_columns
from avforensics.evaluation.breakdowns import break_down, differences
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.rows import ScoredVideo, read_scores, write_scores


def videos(seed=0, people=120, harder=0.0, accused=0.0):
    """Make a real video and two fakes of each person.

    ``harder`` is subtracted from the scores of fakes of C's speakers, ``accused`` added to the
    scores of real videos of women.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        gender, language = "mf"[person % 2], "abc"[person // 2 % 3]
        own = 0.3 * rng.normal()
        for number, method in enumerate(("real", "wav2lip", "swap")):
            fake = int(number > 0)
            score = own + rng.normal() + 1.5 * fake
            score -= harder * fake * (language == "c")
            score += accused * (not fake) * (gender == "f")
            rows.append(
                ScoredVideo(
                    path=f"/data/{person}_{method}.mp4",
                    label=fake,
                    category="RVFA" if fake else "real",
                    identity=f"id{person}",
                    score=score,
                    attributes={
                        "gender": gender,
                        "language": language,
                        "method": method,
                        "duration": f"{rng.uniform(2, 9):.3f}",
                    },
                )
            )
    return rows


def shuffled(rows, columns, seed):
    """Shuffle the values of the columns between people."""
    rng = np.random.default_rng(seed)
    people = list(dict.fromkeys(row.identity for row in rows))
    of = {row.identity: row.attributes for row in rows}
    other = {column: dict(zip(people, rng.permutation(people), strict=True)) for column in columns}
    return [
        replace(
            row,
            attributes={column: of[other[column][row.identity]][column] for column in columns},
        )
        for row in rows
    ]


def plain(rows):
    labels, scores = [row.label for row in rows], [row.score for row in rows]
    return roc_auc_score(labels, scores)


def test_a_group_is_its_plain_recomputation():
    rows = videos(harder=0.5)
    found = break_down(rows, ["language"], threshold=1.0, resamples=200)["columns"]["language"]
    assert list(found["groups"]) == ["a", "b", "c"]
    for name, block in found["groups"].items():
        inside = [row for row in rows if row.attributes["language"] == name]
        others = [row for row in rows if row.attributes["language"] != name]
        assert block["auc"] == pytest.approx(plain(inside))
        assert block["auc_gap"] == pytest.approx(plain(inside) - plain(others))
        shares = [
            np.mean([row.score > 1.0 for row in group if row.label == 0])
            for group in (inside, others)
        ]
        assert block["false_alarms"] == pytest.approx(shares[0])
        assert block["false_alarms_gap"] == pytest.approx(shares[0] - shares[1])
        assert (block["n_real"], block["n_fake"], block["n_real_identities"]) == (40, 80, 40)
        for key in ("auc", "auc_gap", "false_alarms", "false_alarms_gap"):
            low, high = block[f"{key}_ci"]
            assert low < block[key] < high


def test_intervals_are_those_of_a_plain_bootstrap_over_people():
    """The intervals nearly equal percentiles of plain draws, widened for few people."""
    rows = videos(people=60)
    block = break_down(rows, ["gender"], threshold=1.0, resamples=2000)
    block = block["columns"]["gender"]["groups"]["f"]
    rng, drawn = np.random.default_rng(5), []
    by_person = {}
    for row in rows:
        by_person.setdefault(row.identity, []).append(row)
    women = [group for group in by_person.values() if group[0].attributes["gender"] == "f"]
    for _ in range(500):
        picked = [women[place] for place in rng.integers(0, len(women), len(women))]
        drawn.append(plain([row for group in picked for row in group]))
    assert block["auc_ci"] == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.03)


def test_two_groups_are_one_comparison():
    found = break_down(videos(accused=1.2), ["gender"], threshold=None, resamples=200)
    for block in found["columns"]["gender"]["groups"].values():
        assert 0 < block["auc_gap_p"] < 0.5 and block["auc_gap_p_holm"] == block["auc_gap_p"]


def test_a_planted_bias_is_found():
    columns = ["gender", "language", "method", "duration"]
    found = break_down(videos(harder=1.5), columns, threshold=1.0, resamples=500)
    kept = differences(found)
    assert kept and all(text.startswith("language") for text in kept)
    assert kept[0].startswith("language c: AUC -")
    found = break_down(videos(accused=1.2), columns, threshold=1.0, resamples=500)
    alarms = [text for text in differences(found) if "false alarms" in text]
    assert sorted(text.split(":")[0] for text in alarms) == ["gender f", "gender m"]
    assert all("method" not in text and "duration" not in text for text in differences(found))


def test_shuffled_labels_give_none():
    """A planted bias, shuffled between people 20 times: about one chance finding is expected."""
    rows = videos(harder=1.5, accused=1.2)
    columns = ["gender", "language"]
    false = sum(
        bool(
            differences(
                break_down(shuffled(rows, columns, s), columns, threshold=1.0, resamples=300)
            )
        )
        for s in range(20)
    )
    assert false <= 2  # 5 % of 20 is one; three or more have a chance of 8 %, but seeds are fixed


def test_a_column_that_only_fakes_have():
    rows = videos()
    found = break_down(rows, ["method", "category"], threshold=1.0, resamples=100)["columns"]
    assert found["method"]["fakes_only"]
    assert list(found["method"]["groups"]) == ["swap", "wav2lip"]
    block = found["method"]["groups"]["swap"]
    kinds = {
        name: [row for row in rows if row.label == 0 or row.attributes["method"] == name]
        for name in ("swap", "wav2lip")
    }
    assert block["auc"] == pytest.approx(plain(kinds["swap"]))
    assert block["auc_gap"] == pytest.approx(plain(kinds["swap"]) - plain(kinds["wav2lip"]))
    assert "false_alarms" not in block
    mirror = found["method"]["groups"]["wav2lip"]
    assert mirror["auc_gap"] == -block["auc_gap"]
    assert mirror["auc_gap_p_holm"] == block["auc_gap_p_holm"]  # one comparison, counted once
    assert list(found["category"]["groups"]) == ["RVFA"]
    assert "auc_gap" not in found["category"]["groups"]["RVFA"]


def test_many_numbers_become_ranges():
    rows = videos()
    found = break_down(rows, ["duration"], threshold=1.0, bins=3, resamples=50)
    groups = found["columns"]["duration"]["groups"]
    assert [name.split()[0] for name in groups] == ["up", "above", "above"]
    edges = np.quantile([float(row.attributes["duration"]) for row in rows], (1 / 3, 2 / 3))
    inside = [row for row in rows if float(row.attributes["duration"]) <= edges[0]]
    first = next(iter(groups.values()))
    assert (first["listed"], first["auc"]) == (len(inside), pytest.approx(plain(inside)))
    dates = [replace(r, attributes={"date": str(20240000 + n)}) for n, r in enumerate(rows)]
    found = break_down(dates, ["date"], threshold=1.0, bins=5, resamples=5)["columns"]["date"]
    listed = [group["listed"] for group in {**found["groups"], **found["left_out"]}.values()]
    assert len(listed) == 5 and max(listed) - min(listed) <= 1


def test_small_groups_are_counted_and_not_measured():
    rows = [
        replace(row, attributes=row.attributes | {"language": "d"})
        if row.identity in {"id0", "id1"}
        else replace(row, attributes={"language": ""})
        if row.identity == "id2"
        else row
        for row in videos()
    ]
    rows.append(replace(rows[-1], path="/data/x.mp4", score=None, error="no face"))
    found = break_down(rows, ["language", "shoe"], threshold=1.0, min_videos=20, resamples=50)
    language = found["columns"]["language"]
    assert list(language["groups"]) == ["a", "b", "c"]
    assert language["left_out"] == {"d": {"listed": 6, "scored": 6, "n_real": 2, "n_fake": 4}}
    assert language["unknown"] == 3
    last = language["groups"]["c"]
    assert (last["scored"], last["listed"]) == (120, 121)
    text = " ".join(notes(found | {"origin": "as set"}))
    assert "language: groups of fewer than 20 videos left out: d (2 real, 4 fake)" in text
    assert "unknown for 3 scored videos" in text
    assert "No values for shoe" in text
    table = cells(found, "language")
    assert table[0][:4] == ["language", "real", "fake", "scored"]
    assert table[3][:4] == ["c", "40", "80", "99.2 %"]


def test_a_group_without_false_alarms_is_not_certain():
    """With no false alarm among 25 videos, the intervals of rate and gap do not end at 0."""
    rows = [
        ScoredVideo(
            path=str(n),
            label=n % 2,
            identity=str(n),
            score=n % 2 + 0.5 * (n % 40 == 2),
            attributes={"group": "few" if n < 50 and n % 40 != 2 else "many"},
        )
        for n in range(300)
    ]
    found = break_down(rows, ["group"], threshold=0.2, resamples=300)["columns"]["group"]
    few = found["groups"]["few"]
    assert few["false_alarms"] == 0 and few["false_alarms_ci"][1] > 0.1
    low, high = few["false_alarms_gap_ci"]
    assert low < few["false_alarms_gap"] < 0 < high
    assert few["false_alarms_gap_p"] > 0.05


def test_thresholds():
    rows = videos()
    real = sorted(row.score for row in rows if row.label == 0)
    assert choose_threshold(rows, threshold=0.7) == (0.7, "as set")
    threshold, origin = choose_threshold(rows, rate=0.1)
    assert np.mean(np.array(real) > threshold) <= 0.1
    assert origin == "exceeded by 10 % of the tested real videos"
    held_out = Calibration.fit(np.arange(99.0))
    found = choose_threshold(rows, calibration=held_out, rate=0.05)
    assert found == (held_out.threshold(0.05), "exceeded by 5 % of the calibration's real videos")
    threshold, reason = choose_threshold(rows[:9], rate=0.01)
    assert threshold is None and "needs at least 99 real videos" in reason
    with pytest.raises(ConfigError, match="both classes"):
        break_down([row for row in rows if row.label], ["gender"], threshold=None)


def test_columns_of_another_table(tmp_path):
    rows = [replace(row, attributes={}) for row in videos(people=2)]
    rows = [replace(row, path=f"{tmp_path}/clips/{row.path[6:]}") for row in rows]
    rows[0] = replace(rows[0], path=rows[0].path + "#t=3")  # a part of a file
    lines = [
        f"clips/{row.path.partition('#')[0].split('/')[-1]};Ö {n}"
        for n, row in enumerate(rows[:-1])
    ]
    (tmp_path / "people.csv").write_text("\n".join(["File;Place", *lines]), encoding="latin-1")
    found, missing = with_columns(rows, tmp_path / "people.csv", ["place", "gender"])
    assert missing == 1
    assert [row.attributes for row in found[:-1]] == [{"place": f"Ö {n}"} for n in range(5)]
    assert found[-1].attributes == {}


def test_the_command(avforensics, refusal, tmp_path, capsys):
    rows = videos(harder=1.5)
    rows = [replace(row, attributes={"method": row.attributes["method"]}) for row in rows]
    write_scores(rows, tmp_path / "scores.csv")
    lines = [f"{row.path},{'abc'[int(row.identity[2:]) // 2 % 3]}|" for row in rows]
    (tmp_path / "people.csv").write_text("\n".join(["path,language", *lines]))
    out = tmp_path / "out"
    words = ["evaluate", f"scores={tmp_path}/scores.csv", f"output_dir={out}"]
    words += ["breakdowns.columns=[language,method]", f"breakdowns.table={tmp_path}/people.csv"]
    assert avforensics(*words, "intervals.resamples=200") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "language c|: AUC -" in said
    content = json.loads((out / "breakdowns.json").read_text())
    inside = [row for row in rows if "abc"[int(row.identity[2:]) // 2 % 3] == "c"]
    assert content["columns"]["language"]["groups"]["c|"]["auc"] == pytest.approx(plain(inside))
    text = (out / "breakdowns.md").read_text()
    assert "### By language" in text and r"| c\| | 40 | 80 | 100.0 % |" in text
    again = read_scores(out / "scores.csv")  # keeps the given values
    assert again[0].attributes == {"method": "real", "language": "a|"}
    assert "nowhere.csv: no such file" in refusal(*words, "breakdowns.table=nowhere.csv")
