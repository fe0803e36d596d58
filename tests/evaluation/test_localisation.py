"""Planted segments are found, and the metrics equal counts by hand."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from avforensics.evaluation.localisation import (
    average_precision,
    average_recall,
    iou,
    localisation_metrics,
    propose_segments,
    window_labels,
)
from avforensics.evaluation.segments import localise
from avforensics.evaluation.stored_score import StoredScore
from avforensics.scoring.own_delay import SLIDING, off_own_delay
from avforensics.scoring.result import Steps


def _video(rng, n=240, segment=(80, 110), rise=1.0):
    curve = rng.gamma(4, 0.25, size=n)
    if segment:
        curve[slice(*segment)] += rise
    window = np.arange(1, n + 1)  # the first window is never predicted
    truth = np.array([[(segment[0] + 3) / 25, (segment[1] + 3) / 25]] if segment else [])
    return curve, window, truth.reshape(-1, 2)


def test_a_clean_step_is_proposed_exactly():
    curve = np.zeros(100)
    curve[30:55] = 1.0
    proposals = propose_segments(curve, np.arange(10, 110))
    np.testing.assert_allclose(proposals[0, :2], [42 / 25, 67 / 25])
    assert (np.diff(proposals[:, 2]) <= 0).all()
    overlaps = iou(proposals, proposals) - np.eye(len(proposals))
    assert overlaps.max() <= 0.7 + 1e-9
    assert len(propose_segments(np.ones(50), np.arange(50))) == 0
    assert len(propose_segments([1.0, 2.0], [4, 5])) == 0


def test_proposals_over_gaps_only_where_they_may_be():
    curve = np.zeros(100)
    curve[40:60] = 1.0
    window = np.arange(100) + np.repeat([0, 10], 50)  # ten windows are missing in the middle
    (first, *_) = propose_segments(curve, window, overlap=0.01)
    np.testing.assert_allclose(first[:2], [42 / 25, 72 / 25])
    whole = propose_segments(curve, window, overlap=0.01, over_gaps=False)
    np.testing.assert_allclose(np.sort(whole[:2, 0]), [42 / 25, 62 / 25])
    assert not ((whole[:, 0] < 52 / 25) & (whole[:, 1] > 52 / 25 + 1e-9)).any()


def test_planted_segments_are_found_in_noise():
    rng = np.random.default_rng(0)
    videos = [
        _video(rng, segment=(at, at + 30) if at else None) for at in (20, 60, 100, 140, 180, 0, 0)
    ]
    truth = [segments for *_, segments in videos]
    curves = [(curve, window) for curve, window, _ in videos]
    values = localisation_metrics(curves, truth)
    assert values["ap_50"] > 0.9
    assert values["ap_50"] >= values["ap_75"] >= values["ap_95"]
    assert values["ar_5"] > 0.7
    assert values["ar_5"] <= values["ar_10"] <= values["ar_100"]
    assert (values["n_videos"], values["n_segments"]) == (7, 5)
    labels = np.concatenate([np.isin(np.arange(240), np.arange(a, a + 30)) if a else np.zeros(240)
                             for a in (20, 60, 100, 140, 180, 0, 0)])  # fmt: skip
    expected = roc_auc_score(labels, np.concatenate([curve for curve, _ in curves]))
    assert values["window_auc"] == pytest.approx(expected)
    noise = [(rng.gamma(4, 0.25, 240), np.arange(240)) for _ in videos]
    assert localisation_metrics(noise, truth)["ap_50"] < 0.3


def test_another_delay_or_none_stands_out_and_a_flat_or_padded_row_does_not():
    rows = np.zeros((200, 31))
    rows[:, 20] = 4.0
    rows[60:90, 20], rows[60:90, 8] = 0.0, 4.0  # another delay
    rows[120:150] = 0.5 * rows[120:150]  # less sure of its own
    rows[:10, 20], rows[:10, 3] = 0.0, 6.0  # padding is heard there
    valid_audio = np.arange(200) >= 15
    curve = off_own_delay(rows, valid_audio)
    assert curve.shape == (200,)
    inside = np.zeros(200, bool)
    inside[60 + SLIDING // 2 : 90 - SLIDING // 2] = True
    near = np.zeros(200, bool)
    near[60 - SLIDING : 90 + SLIDING] = True
    assert curve[inside].min() > 1.0
    assert np.ptp(curve[~near]) < 1e-9
    (best, *_) = propose_segments(curve, np.arange(200))
    assert abs(best[0] - 62 / 25) < 0.1
    assert abs(best[1] - 92 / 25) < 0.1


def test_the_curve_of_the_own_delay_begins_with_the_first_scored_window():
    rows = np.zeros((120, 31))
    rows[:, 20] = 4.0
    rows[50:80, 20], rows[50:80, 8] = 0.0, 4.0
    scored = np.arange(1, 120)
    loss = np.zeros(len(scored))
    steps = Steps(scored, loss, loss, rows[1:])
    store = MagicMock()
    # segments are in seconds of the file, windows in seconds of the clip
    segments = [(0.0, 1.0), (9 + 52 / 25, 9 + 82 / 25), (99.0, 100.0)]
    store.__getitem__.return_value = SimpleNamespace(
        label=1, segments=segments, start=9.0, duration=5.0
    )
    store.logits.return_value, store.valid_audio.return_value = rows, np.ones(120, bool)
    found = localise(store, [StoredScore(0, steps=steps)], 0.0)
    assert found["own_delay"]["n_segments"] == 1
    assert found["own_delay"]["window_auc"] == 1, "each window outside ranks below those inside"


def test_windows_of_one_kind_have_no_auc():
    """Segments that begin after the scored part, or cover all of it."""
    for segment in ([4.0, 5.0], [0.0, 9.0]):
        curve = np.arange(50.0), np.arange(1, 51)
        values = localisation_metrics([curve], [np.array([segment])])
        assert "window_auc" not in values
        assert values["n_segments"] == 1


def test_average_precision_by_hand():
    truth = [np.array([[0.0, 1.0], [2.0, 3.0]]), np.zeros((0, 2))]
    proposals = [
        np.array([[0.0, 1.0, 0.9], [0.0, 0.9, 0.8], [2.0, 2.6, 0.5]]),  # right, a double, IoU 0.6
        np.array([[5.0, 6.0, 0.7]]),  # a false alarm in a real video
    ]
    # in order of score: right, wrong (taken), wrong (real video), right
    assert average_precision(proposals, truth, 0.5) == pytest.approx((1 + 2 / 4) / 2)
    assert average_precision(proposals, truth, 0.75) == pytest.approx(1 / 2)
    assert average_precision([np.zeros((0, 3))] * 2, truth, 0.5) == 0


def test_a_second_proposal_takes_the_neighbour_that_is_still_free():
    truth = [np.array([[0.0, 1.0], [0.2, 1.2]])]
    proposals = [np.array([[0.1, 1.1, 0.9], [0.1, 1.1, 0.8]])]
    assert average_precision(proposals, truth, 0.75) == 1


def test_average_recall_counts_the_best_proposals_of_each_video():
    truth = [np.array([[0.0, 1.0], [2.0, 3.0]])]
    proposals = [np.array([[4.0, 5.0, 0.9], [0.0, 1.0, 0.8], [2.0, 2.7, 0.1]])]
    assert average_recall(proposals, truth, 1) == 0
    assert average_recall(proposals, truth, 2) == 0.5
    assert average_recall(proposals, truth, 3) == pytest.approx(0.5 + 0.5 * 5 / 10)  # to IoU 0.7


def test_iou_and_window_labels_by_hand():
    overlaps = iou(np.array([[0, 2, 1.0]]), np.array([[1, 3], [0, 2], [5, 6], [0.5, 1.5]]))
    np.testing.assert_allclose(overlaps, [[1 / 3, 1, 0, 0.5]])
    assert window_labels(np.arange(6), [[0.12, 0.2]]).tolist() == [0, 1, 1, 0, 0, 0]
    assert window_labels(np.arange(3), []).tolist() == [0, 0, 0]
