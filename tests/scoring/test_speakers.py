"""Choice of the speaker, on synthetic rows of logits."""

import numpy as np
import pytest

from avforensics.scoring.speakers import (
    NOBODY,
    constant_delay_fit,
    speaking_shares,
    speaking_spans,
    who_speaks,
    within,
)  # fmt: skip

DELAYS = 31


def rows(n, *, delay=None, seed=0, noise=1.0):
    """Make logits of noise with a ridge at a delay, or with a drifting ridge."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, noise, (n, DELAYS))
    peak = random.integers(0, DELAYS, n) if delay is None else np.full(n, delay + 15)
    logits[np.arange(n), peak] += 4
    return logits.astype(np.float32)


def test_confidence_lies_between_flat_and_certain():
    assert constant_delay_fit(np.zeros((40, DELAYS))) == pytest.approx(np.zeros(40), abs=1e-12)
    certain = np.full((40, DELAYS), -100.0)
    certain[:, 3] = 0
    assert constant_delay_fit(certain) == pytest.approx(np.full(40, np.log(DELAYS)))


def test_a_peak_that_stays_counts_and_one_that_wanders_does_not():
    stays, wanders = constant_delay_fit(rows(200, delay=2)), constant_delay_fit(rows(200, seed=1))
    assert stays.min() > wanders.max()
    # single windows cannot tell the faces apart
    single = [
        constant_delay_fit(rows(200, delay=delay, seed=seed), smooth=1).mean()
        for delay, seed in [(2, 0), (None, 1)]
    ]
    assert single[0] == pytest.approx(single[1], rel=0.1)


def test_confidence_is_the_mean_of_the_windows_that_there_are():
    logits = rows(30, delay=0)
    first = logits[:3].astype(np.float64)  # half of the five windows, at the start
    expected = (first - np.log(np.exp(first).sum(1, keepdims=True))).mean(0).max() + np.log(DELAYS)
    assert constant_delay_fit(logits, smooth=5)[0] == pytest.approx(expected)


def test_turns_are_found_to_half_a_second():
    first = np.concatenate([rows(150, delay=0), rows(150, seed=1)])
    second = np.concatenate([rows(150, seed=2), rows(150, delay=-3, seed=3)])
    speaker = who_speaks([first, second], [0, 0])
    assert len(speaker) == 300
    turn = int(np.flatnonzero(speaker == 1)[0])
    assert abs(turn - 150) <= 12
    assert (speaker[:turn] == 0).all() and (speaker[turn:] == 1).all()
    assert speaking_shares(speaker, 2) == pytest.approx([turn / 300, 1 - turn / 300])
    assert speaking_spans(speaker, 0) == [(0.0, (turn + 2) / 25)]
    assert speaking_spans(speaker, 1) == [((turn + 2) / 25, 304 / 25)]


def test_faces_come_and_go():
    speaker = who_speaks([rows(50, delay=0), rows(40, seed=1)], [10, 80])
    assert (speaker[:10] == NOBODY).all() and (speaker[60:80] == NOBODY).all()
    assert (speaker[10:60] == 0).all() and (speaker[80:] == 1).all()
    assert len(speaker) == 120
    assert speaking_shares(speaker, 3) == pytest.approx([5 / 9, 4 / 9, 0])
    assert speaking_spans(speaker, 0) == [(0.4, 64 / 25)]
    assert speaking_spans(speaker, 2) == []


def test_no_face_at_all():
    speaker = who_speaks([], [])
    assert len(speaker) == 0
    assert speaking_shares(speaker, 0).shape == (0,)


def test_moments_within_spans():
    time = np.array([0.0, 1.0, 1.5, 2.0, 2.5, 4.0])
    assert within(time, [(1.0, 2.0), (2.5, 3.0)]).nonzero()[0].tolist() == [1, 2, 4]
    assert not within(time, []).any()
