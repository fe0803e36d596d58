"""Every option of the sound augmentation does what it says, and nothing else."""

import numpy as np
import pytest
from scipy.signal import welch

from avforensics.data.sound import SoundAugment, through_codec


def rng(seed=0):
    return np.random.default_rng(seed)


def speech(seconds=1.5, seed=0):
    """Bursts of filtered noise, broad in frequency and uneven in time like speech."""
    n = int(16_000 * seconds)
    steps = np.random.default_rng(seed).random(n // 1600 + 2)
    level = np.interp(np.arange(n) / 1600, np.arange(len(steps)), steps)
    noise = np.random.default_rng(seed + 1).standard_normal(n)
    return (4000 * level * np.convolve(noise, [0.5, 0.3, 0.2], "same")).astype(np.int16)


def rms(sound):
    return float(np.sqrt(np.mean(np.square(sound.astype(float)))))


def test_off_changes_nothing():
    assert np.array_equal(SoundAugment()(speech(), rng(), speech(seed=3)), speech())


def test_gain_in_decibels():
    quiet = SoundAugment(gain=(-20, -20))(speech(), rng())
    assert 20 * np.log10(rms(quiet) / rms(speech())) == pytest.approx(-20, abs=0.1)
    drawn = [rms(SoundAugment(gain=(-25, 5))(speech(), rng(seed))) for seed in range(50)]
    spread = 20 * np.log10(np.array(drawn) / rms(speech()))
    assert -25.1 < spread.min() < -20
    assert 0 < spread.max() < 5.1


def test_loud_sound_is_clipped_as_recordings_are():
    loud = SoundAugment(gain=(40, 40))(speech(), rng())
    assert loud.max() == 32767
    assert loud.min() == -32768


@pytest.mark.parametrize(("name", "snr"), [("noise", 10.0), ("babble", 15.0)])
def test_what_is_added_has_the_level_asked_for(name, snr):
    augment = SoundAugment(**{name: 1, f"{name}_snr": (snr, snr)})
    clean, other = speech(), speech(0.5, seed=9)
    added = augment(clean, rng(), other).astype(float) - clean
    assert 20 * np.log10(rms(clean) / rms(added)) == pytest.approx(snr, abs=0.2)
    if name == "babble":
        repeated = np.resize(other, len(clean))
        assert np.corrcoef(added, repeated)[0, 1] > 0.99
    else:
        assert abs(np.corrcoef(added, clean)[0, 1]) < 0.05


def test_a_band_limit_takes_away_both_ends():
    limited = SoundAugment(band=1)(speech(4), rng())
    hz, before = welch(speech(4), 16_000, nperseg=1024)
    _, after = welch(limited, 16_000, nperseg=1024)
    ratio = 10 * np.log10(after / before)
    assert ratio[(hz > 20) & (hz < 50)].mean() < -8
    assert ratio[hz > 7700].mean() < -5
    assert abs(ratio[(hz > 800) & (hz < 2000)].mean()) < 1.5


def test_reverberation_leaves_the_direct_sound_in_place():
    click = np.zeros(16_000, np.int16)
    click[4000] = 20_000
    heard = SoundAugment(reverb=1)(click, rng())
    assert not heard[:4000].any(), "nothing is heard before it happens"
    assert heard[4000] == 20_000
    assert np.abs(heard[4032:]).max() > 0


def test_an_equaliser_changes_the_spectrum():
    changed = SoundAugment(equaliser=1)(speech(), rng())
    assert not np.array_equal(changed, speech())
    assert np.corrcoef(changed, speech())[0, 1] > 0.5


@pytest.mark.parametrize("codec", ["aac", "libopus"])
@pytest.mark.parametrize("seconds", [0.3, 1.24])
def test_a_codec_moves_nothing(codec, seconds):
    clean = speech(seconds)
    decoded = through_codec(clean, codec, 32_000)
    assert decoded.shape == clean.shape
    middle = slice(1000, len(clean) - 1000)
    lags = np.correlate(decoded[middle].astype(float), clean[middle].astype(float), "full")
    assert abs(lags.argmax() - (len(clean[middle]) - 1)) <= 1
    assert not np.array_equal(decoded, clean)


def test_silence_and_short_sound_pass():
    always = dict.fromkeys(("noise", "babble", "equaliser", "reverb", "band", "codec"), 1)
    everything = SoundAugment(gain=(-10, 0), **always)
    silent = everything(np.zeros(3200, np.int16), rng(), np.zeros(0, np.int16))
    assert silent.shape == (3200,)
    assert everything(speech(0.2), rng(), speech()).shape == (3200,)


@pytest.mark.parametrize("name", ["noise", "babble", "equaliser", "reverb", "band", "codec"])
def test_each_comes_as_often_as_asked_and_by_seed(name):
    clean, other, augment = speech(0.2), speech(seed=5), SoundAugment(**{name: 0.4})
    draws, count = rng(), 40 if name == "codec" else 400
    changed = [not np.array_equal(augment(clean, draws, other), clean) for _ in range(count)]
    assert (0.2 if name == "codec" else 0.3) < sum(changed) / count < 0.6
    again = [SoundAugment(**{name: 1})(clean, rng(3), other) for _ in range(2)]
    assert np.array_equal(*again)


@pytest.mark.parametrize("wrong", [{"noise": 1.5}, {"gain": (3, -3)}, {"babble_snr": (0, 1000)}])
def test_values_out_of_range(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        SoundAugment(**wrong)
