"""Articulation, sound and lips agree as in speech, but not in fakes."""

from dataclasses import replace

import numpy as np
import pytest
from sync_measures import best_delay, loudness

from avforensics.synthetic.articulation import MARGIN, RATE, articulate, smooth
from avforensics.synthetic.identity import Identity
from avforensics.synthetic.lips import natural_lips, remake, splice
from avforensics.synthetic.speech import Voice, synthesise_speech

SECONDS, N_FRAMES = 4.0, 100


def speak(seed: int) -> tuple:
    rng = np.random.default_rng(seed)
    who = Identity.sample(rng)
    said = articulate(rng, SECONDS)
    return who, said, synthesise_speech(said, who.voice, rng, SECONDS)


def test_tracks_reach_beyond_the_clip_and_stay_in_range():
    said = articulate(np.random.default_rng(0), SECONDS)
    n = round((SECONDS + 2 * MARGIN) * RATE)
    assert said.lips.shape == (n, 3) and said.formants.shape == (n, 3)
    assert said.level.shape == said.noise.shape == said.noise_hz.shape == (n,)
    assert said.lips[:, 0].min() >= 0 and said.lips[:, 0].max() < 1.3
    assert np.isfinite(said.lips_at(np.array([-0.7, SECONDS + 0.7]))).all()


def test_syllables_come_at_three_to_six_a_second_and_unevenly():
    rates, spread = [], []
    for seed in range(12):
        level = articulate(np.random.default_rng(seed), 8.0).level
        peaks = np.flatnonzero((level[1:-1] > level[:-2]) & (level[1:-1] >= level[2:]))
        peaks = peaks[level[peaks + 1] > 0.4]
        rates.append(len(peaks) / (len(level) / RATE))
        gaps = np.diff(peaks) / RATE
        spread.append(gaps.std() / gaps.mean())
    assert 3 <= np.mean(rates) <= 6
    assert np.mean(spread) > 0.3  # a regular rhythm would have 0


def test_lips_touch_now_and_then():
    closed = [articulate(np.random.default_rng(s), SECONDS).lips[:, 0] < 1e-3 for s in range(10)]
    assert 0.03 < np.mean(closed) < 0.35


def test_sound_has_the_asked_length_and_is_never_clipped():
    for seed in range(6):
        audio = speak(seed)[2]
        assert audio.dtype == np.int16 and audio.shape == (64_000,)
        assert 1200 < audio.std() < 4500
        assert np.abs(audio.astype(int)).max() < 32_000


@pytest.mark.parametrize("low", [True, False])
def test_pitch_is_the_voices_own(low):
    rng = np.random.default_rng(3)
    voice = replace(Voice.sample(rng, low=low), melody=0.0)
    audio = synthesise_speech(articulate(rng, SECONDS), voice, rng, SECONDS).astype(float)
    spectrum = np.abs(np.fft.rfft(audio)) ** 2
    likeness = np.fft.irfft(spectrum)[40:250]  # autocorrelation for 64 .. 400 Hz
    assert 16_000 / (40 + np.argmax(likeness)) == pytest.approx(voice.pitch, rel=0.12)


def test_loudness_follows_the_opening_without_delay():
    delays = []
    for seed in range(10):
        _, said, audio = speak(seed)
        opening = said.lips_at((np.arange(N_FRAMES) + 0.5) / 25)[:, 0]
        delays.append(best_delay(opening, loudness(audio)))
    assert delays == [0] * 10


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
def test_lips_run_early_or_late_by_the_habits_offset(offset):
    for seed in range(4):
        who, said, audio = speak(seed)
        track = natural_lips(said, replace(who.habits, offset=offset), N_FRAMES)
        assert best_delay(track.lips[:, 0], loudness(audio)) == offset


def test_habits_differ_between_people():
    people = [Identity.sample(np.random.default_rng(s)) for s in range(200)]
    assert {p.habits.offset for p in people} == {-2, -1, 0, 1, 2}
    assert np.ptp([p.habits.opening for p in people]) > 0.3
    assert 60 < sum(p.man for p in people) < 140
    assert len({p.appearance for p in people}) == 200


def local_delays(lips: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Delay at which the true lips fit best, for each window of nine frames."""
    delays = []
    for k in range(8, len(lips) - 17):
        errors = [((lips[k : k + 9] - true[k + d : k + d + 9]) ** 2).sum() for d in range(-6, 7)]
        delays.append(int(np.argmin(errors)) - 6)
    return np.array(delays)


def test_remade_lips_are_unsteady_but_in_sync_on_average():
    steady, unsteady = [], []
    for seed in range(8):
        who, said, _ = speak(seed)
        true = natural_lips(said, replace(who.habits, offset=0), N_FRAMES).lips
        again = remake(said, who.habits, N_FRAMES, np.random.default_rng(seed))
        calm = remake(said, who.habits, N_FRAMES, np.random.default_rng(seed), strength=0.0)
        unsteady.append(local_delays(again.lips, true))
        steady.append(local_delays(calm.lips, true))
    assert abs(np.mean(unsteady)) < 0.7
    assert np.std(unsteady, axis=1).mean() > 1.0
    assert np.std(steady, axis=1).mean() < 0.5


def test_splice_takes_the_span_from_the_other_track():
    who, said, _ = speak(1)
    first = natural_lips(said, who.habits, N_FRAMES)
    second = natural_lips(speak(2)[1], who.habits, N_FRAMES)
    mixed = splice(first, second, 30, 60)
    np.testing.assert_array_equal(mixed.lips[:29], first.lips[:29])
    np.testing.assert_array_equal(mixed.lips[61:], first.lips[61:])
    np.testing.assert_allclose(mixed.lips[30:60], second.lips[30:60], atol=1e-6)
    np.testing.assert_allclose(mixed.jaw[60], (first.jaw[60] + second.jaw[60]) / 2, atol=1e-6)


def test_smoothing_keeps_the_mean_of_a_constant_and_the_shape():
    track = np.full((50, 2), 3.0, np.float32)
    np.testing.assert_allclose(smooth(track, 4.0), track, rtol=1e-6)
    assert smooth(track[:, 0], 4.0).shape == (50,)
