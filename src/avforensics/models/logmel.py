"""Log-mel spectrogram of one audio crop, exactly as the released weights expect it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

N_FFT = 512
WINDOW = 320
STRIDE = 160
PUBLISHED_FLOOR = 1e-20
NATS_PER_DB = math.log(10) / 20  # of a magnitude


class LogMel(nn.Module):
    """Log of the mel-banded STFT magnitude of crops of raw int16-scaled sound.

    Each crop is transformed on its own, so its edges reflect inside the crop. The scale of the
    input is that of int16 samples kept as floats (-32768..32767): the released weights were trained
    on it, and log(mel + 1e-20) would turn another scale into a constant offset.

    Parameters
    ----------
    n_mels : int
        Mel bands between 0 and 8000 Hz; Slaney scale and area norm (librosa's default).
    floor : float
        Added before the logarithm. With the published 1e-20 digital silence becomes -46, far from
        any sound; a network trained here may take a floor near the quietest real sound.
    depth : float, optional
        Decibels below the loudest entry of a crop that are kept. What is quieter is raised to that
        level, and the mean of the crop is subtracted: loudness then changes nothing. None = as
        published.
    """

    def __init__(
        self, *, n_mels: int = 80, floor: float = PUBLISHED_FLOOR, depth: float | None = None
    ) -> None:
        super().__init__()
        if not floor > 0:
            raise ValueError(f"floor must be above 0, got {floor}")
        if depth is not None and not depth > 0:
            raise ValueError(f"depth must be above 0 dB, got {depth}")
        self.floor = floor
        self.depth = depth
        banks = melscale_fbanks(
            N_FFT // 2 + 1, 0.0, 8000.0, n_mels, 16_000, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("banks", banks.T.contiguous(), persistent=False)  # (n_mels, 257)

    def forward(self, crops: Tensor) -> Tensor:
        """Transform crops.

        Parameters
        ----------
        crops : float tensor, (B, 3200)

        Returns
        -------
        Tensor, (B, 1, n_mels, 20)
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
        magnitude = spectrum[..., :-1].abs()  # the centred STFT has one frame too many
        log_mel = torch.log(self.banks @ magnitude + self.floor)
        if self.depth is not None:
            lowest = log_mel.amax(dim=(1, 2), keepdim=True) - self.depth * NATS_PER_DB
            log_mel = torch.maximum(log_mel, lowest)
            log_mel = log_mel - log_mel.mean(dim=(1, 2), keepdim=True)
        return log_mel.unsqueeze(1)
