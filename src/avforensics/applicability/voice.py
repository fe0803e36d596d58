"""Speech detection with silero-vad's network in plain torch, for audio that arrives in pieces.

The weights (MIT licence) are read from the safetensors file in the installed wheel of
``silero-vad``. Nothing is downloaded, and the package itself is not imported.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from avforensics.errors import ConfigError, first_line
from avforensics.files import installed_file
from avforensics.media.types import SAMPLE_RATE

WHEEL, FILE = "silero-vad", "silero_vad_16k.safetensors"
CHUNK = 512  # number of samples per probability
CONTEXT = 64  # number of preceding samples that the network also receives
CHUNK_SECONDS = CHUNK / SAMPLE_RATE
INSTALL = 'speech detection needs its weights: pip install "silero-vad>=6.2.3,<7"'


class VoiceNetwork(nn.Module):
    """Network of Silero VAD 6 for 16 kHz: STFT, four convolutions, one LSTM over chunks."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm = nn.LSTM(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(
        self, chunks: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Compute the speech probabilities of consecutive chunks.

        Parameters
        ----------
        chunks : float32, (n, CONTEXT + CHUNK)
            Samples from -1 to 1.
        state : pair of float32, (1, 1, 128), optional
            State from the previous call; None at the start of the audio.

        Returns
        -------
        float32, (n,)
            Probabilities.
        pair of float32, (1, 1, 128)
            State for the next call.
        """
        x = F.pad(chunks, (0, 64), mode="reflect")[:, None]  # (n, 1, 640)
        real, imaginary = self.stft_conv(x).chunk(2, dim=1)  # (n, 129, 4) each
        x = (real.square() + imaginary.square()).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = layer(x).relu()  # ends as (n, 128, 1)
        hidden, state = self.lstm(x.transpose(1, 2).transpose(0, 1).reshape(-1, 1, 128), state)
        logits = self.final_conv(hidden.relu().permute(1, 2, 0))  # (1, 1, n)
        return logits.sigmoid().reshape(-1), state


class VoiceMeter:
    """Measure the speech probability of audio that arrives in pieces, 31 times per second."""

    def __init__(self) -> None:
        self._network = load_voice_network()
        self._state: tuple[Tensor, Tensor] | None = None
        self._rest = np.zeros(CONTEXT, np.int16)  # context, and samples that do not fill a chunk
        self._found: list[np.ndarray] = []

    def add(self, audio: np.ndarray) -> None:
        """Add the next piece of audio: int16, (samples,), mono, 16 kHz."""
        sound = np.concatenate([self._rest, audio])
        n_chunks = (len(sound) - CONTEXT) // CHUNK
        self._rest = sound[n_chunks * CHUNK :]
        if not n_chunks:
            return
        windows = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT + CHUNK)[::CHUNK]
        chunks = torch.from_numpy(windows[:n_chunks].astype(np.float32) / 32768)
        with torch.inference_mode():
            probabilities, self._state = self._network(chunks, self._state)
        self._found.append(probabilities.numpy())

    @property
    def probabilities(self) -> np.ndarray:
        """Probabilities so far, float32, (chunks,); each chunk lasts `CHUNK_SECONDS`."""
        return np.concatenate([np.zeros(0, np.float32), *self._found])


@cache
def load_voice_network() -> VoiceNetwork:
    """Load the network with the weights of the installed wheel; all threads share it.

    Raises
    ------
    ConfigError
        The wheel is missing, or its file does not contain this network.
    """
    path = installed_file(WHEEL, FILE, INSTALL)
    network = VoiceNetwork()
    try:
        state = load_file(path)
        renamed = {
            f"lstm.{name.removeprefix('lstm_cell.')}_l0" if "lstm_cell" in name else name: tensor
            for name, tensor in state.items()
        }
        network.load_state_dict(renamed)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = first_line(error)
        raise ConfigError(f"{path}: not the expected speech detector ({reason})") from None
    return network.eval().requires_grad_(False)
