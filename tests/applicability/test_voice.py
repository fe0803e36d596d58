"""The speech detector finds voices, however the sound is divided into pieces."""

import numpy as np
import pytest
from voices import speech

from avforensics.applicability import voice
from avforensics.applicability.voice import CHUNK, VoiceMeter, load_voice_network
from avforensics.errors import ConfigError


def probabilities(sound: np.ndarray, piece: int = 16_000) -> np.ndarray:
    meter = VoiceMeter()
    for first in range(0, len(sound), piece):
        meter.add(sound[first : first + piece])
    return meter.probabilities


def test_a_voice_is_speech_and_other_sounds_are_not():
    samples = np.arange(32_000)
    noise = np.random.default_rng(0).normal(0, 3000, len(samples))
    tone = 6000 * np.sin(2 * np.pi * 440 * samples / 16_000)
    assert (probabilities(speech(50)) > 0.5).mean() > 0.7
    for sound in (np.zeros(len(samples)), noise, tone):
        assert (probabilities(sound.astype(np.int16)) > 0.5).mean() < 0.1


def test_a_quiet_voice_is_speech_still():
    quiet = (speech(50).astype(np.float64) / 30).astype(np.int16)  # 30 dB lower
    assert (probabilities(quiet) > 0.5).mean() > 0.5


@pytest.mark.parametrize("piece", [1, 511, 513, 640, 100_000])
def test_pieces_change_nothing(piece):
    sound = speech(15)
    whole = probabilities(sound)
    assert len(whole) == len(sound) // CHUNK
    np.testing.assert_allclose(probabilities(sound, piece), whole, atol=1e-5)


def test_two_meters_do_not_hear_each_other():
    first, second = VoiceMeter(), VoiceMeter()
    first.add(speech(25))
    second.add(np.zeros(16_000, np.int16))
    assert second.probabilities.max() < 0.1 < first.probabilities.max()


def test_weights_of_something_else_are_one_sentence(tmp_path, monkeypatch):
    foreign = tmp_path / "silero.safetensors"
    foreign.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    monkeypatch.setattr(voice, "installed_file", lambda *_: foreign)
    load_voice_network.cache_clear()
    try:
        with pytest.raises(ConfigError, match="not the expected speech detector"):
            load_voice_network()
    finally:
        load_voice_network.cache_clear()


def test_a_missing_wheel_says_what_to_install(monkeypatch):
    monkeypatch.setattr(voice, "WHEEL", "silero-vad-that-is-not-there")
    load_voice_network.cache_clear()
    with pytest.raises(ConfigError, match="pip install"):
        load_voice_network()
