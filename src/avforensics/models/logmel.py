"""Log-mel spectrogram of an audio crop, exactly as the released weights expect it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

N_FFT = 512
N_MELS = 80  # bands between 0 and 8000 Hz, with Slaney scale and area norm (librosa's defaults)
WINDOW = 320
STRIDE = 160
PUBLISHED_FLOOR = 1e-20
NATS_PER_DB = math.log(10) / 20  # for magnitudes


class LogMel(nn.Module):
    """Log-mel spectrogram of audio crops: log of the mel-filtered STFT magnitude.

    Each crop is transformed separately, with reflection at its edges. Samples are floats in the
    range of int16 (-32768..32767), as when the released weights were trained; a different scale
    would add a constant to log(mel + 1e-20).

    Parameters
    ----------
    floor : float
        Value added before the logarithm. With the published 1e-20, digital silence becomes -46, far
        below any sound; new networks may use a floor near the quietest real audio.
    depth : float, optional
        Dynamic range in dB. Entries more than ``depth`` below the loudest entry of a crop are
        raised to that limit, and the crop's mean is subtracted, so that loudness has no effect.
        None = as published.
    """

    def __init__(self, *, floor: float = PUBLISHED_FLOOR, depth: float | None = None) -> None:
        super().__init__()
        if not floor > 0:
            raise ValueError(f"floor must be > 0, got {floor}")
        if depth is not None and not depth > 0:
            raise ValueError(f"depth must be > 0, got {depth}")
        self.floor = floor
        self.depth = depth
        banks = melscale_fbanks(
            N_FFT // 2 + 1, 0.0, 8000.0, N_MELS, 16_000, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("banks", banks.T.contiguous(), persistent=False)  # (80, 257)

    def forward(self, crops: Tensor) -> Tensor:
        """Transform crops.

        Parameters
        ----------
        crops : float tensor, (B, 3200)

        Returns
        -------
        Tensor, (B, 1, 80, 20)
        """
        spectrum = torch.stft(
            crops.float(),
            N_FFT,
            hop_length=STRIDE,
            win_length=WINDOW,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        magnitude = spectrum[..., :-1].abs()  # the centred STFT has one extra frame
        log_mel = torch.log(self.banks @ magnitude + self.floor)
        if self.depth is not None:
            lowest = log_mel.amax(dim=(1, 2), keepdim=True) - self.depth * NATS_PER_DB
            log_mel = torch.maximum(log_mel, lowest)
            log_mel = log_mel - log_mel.mean(dim=(1, 2), keepdim=True)
        return log_mel.unsqueeze(1)
