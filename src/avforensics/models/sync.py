"""The synchronisation network, which rates 31 audio delays of a five-frame window.

Feng, Chen, Owens (CVPR 2023), Sec. 3.1 and Eq. 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avforensics.media.types import HOP
from avforensics.models.audio import AudioEncoder
from avforensics.models.fusion import FusionTransformer
from avforensics.models.logmel import PUBLISHED_FLOOR, LogMel
from avforensics.models.protocols import AudioProtocol, FusionProtocol, VisualProtocol, require
from avforensics.models.registered import register
from avforensics.models.visual import WINDOW_FRAMES, VisualEncoder

CROP_SAMPLES = WINDOW_FRAMES * HOP  # 3200


@register
class SyncNetwork(nn.Module):
    """Visual encoder, audio encoder and fusion.

    The parts are called separately so that nothing is computed twice: ``visual.frames`` once per
    frame, ``visual.windows`` once per window, ``audio_tokens`` once per distinct audio crop,
    ``fusion`` once per pair. ``forward`` simply composes the parts.

    Parameters
    ----------
    visual : VisualProtocol
        Visual encoder, such as `VisualEncoder`.
    audio : AudioProtocol
        Audio encoder, such as `AudioEncoder`.
    fusion : FusionProtocol
        Fusion, such as `FusionTransformer` or `CosineFusion`.
    size : int
        Side of the square input frames in pixels.
    crop : tuple of float, optional
        Region of the upright frame that the network was trained on (left, top, right, bottom as
        fractions); None = the whole frame.
    max_delay : int
        Maximum delay tau in frames; a row has 2 * tau + 1 delays.
    mel_floor, mel_depth : float, float or None
        ``floor`` and ``depth`` of `LogMel`.

    Raises
    ------
    TypeError
        A part does not implement its protocol.
    ValueError
        ``size`` or ``max_delay`` is not a whole number, or is too small.
    """

    def __init__(
        self,
        *,
        visual: VisualProtocol,
        audio: AudioProtocol,
        fusion: FusionProtocol,
        size: int = 224,
        crop: tuple[float, float, float, float] | None = None,
        max_delay: int = 15,
        mel_floor: float = PUBLISHED_FLOOR,
        mel_depth: float | None = None,
    ) -> None:
        super().__init__()
        require(visual, VisualProtocol, "visual encoder")
        require(audio, AudioProtocol, "audio encoder")
        require(fusion, FusionProtocol, "fusion")
        for name, value, least in (("size", size, 1), ("max_delay", max_delay, 0)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
        self.log_mel = LogMel(floor=mel_floor, depth=mel_depth)
        self.visual = visual
        self.audio = audio
        self.fusion = fusion
        self.size = size
        self.crop = tuple(crop) if crop is not None else None
        self.max_delay = max_delay

    @property
    def architecture(self) -> dict[str, object]:
        """Constructor arguments, including the parts."""
        return {
            "visual": self.visual,
            "audio": self.audio,
            "fusion": self.fusion,
            "size": self.size,
            "crop": self.crop,
            "max_delay": self.max_delay,
            "mel_floor": self.log_mel.floor,
            "mel_depth": self.log_mel.depth,
        }

    @property
    def n_delays(self) -> int:
        """Length of a row of logits, 2 * tau + 1."""
        return 2 * self.max_delay + 1

    @property
    def activation_width(self) -> int:
        """Length of an activation vector, twice the width of a token."""
        return 2 * self.fusion.width

    def video_tokens(
        self, features: Tensor, starts: Tensor | None = None, *, chunk: int = 8
    ) -> Tensor:
        """Compute the tokens of the windows in a run of frames.

        Parameters
        ----------
        features : Tensor, (T, C, h, w)
            Output of ``visual.frames``.
        starts : int64 tensor, (N,), optional
            First frame of each window; None = all T - 4 windows.
        chunk : int
            Windows per pass of the 3-D stages.

        Returns
        -------
        Tensor, (N, Tv, D)
        """
        if starts is None:
            starts = torch.arange(len(features) - WINDOW_FRAMES + 1, device=features.device)
        parts = starts.split(chunk) if self.visual.pad_time else [starts]
        return torch.cat([self.fusion.video_tokens(self._windows(features, p)) for p in parts])

    def _windows(self, features: Tensor, starts: Tensor) -> Tensor:
        """Encode windows in a run of frames, (T, C, h, w) and (N,) -> (N, C', t, h', w')."""
        if not self.visual.pad_time:  # one pass over the run, which is cheaper
            encoded = self.visual.windows(features.transpose(0, 1).unsqueeze(0))
            return encoded[0].transpose(0, 1)[starts].unsqueeze(2)  # from (1, C', T - 4, h', w')
        frames = starts[:, None] + torch.arange(WINDOW_FRAMES, device=starts.device)
        return self.visual.windows(features[frames].transpose(1, 2))  # input: (N, C, 5, h, w)

    def audio_tokens(self, crops: Tensor) -> Tensor:
        """Compute the tokens of audio crops, (M, 3200) int16-scaled -> (M, Ta, D)."""
        return self.fusion.audio_tokens(self.audio(self.log_mel(crops)))

    def delay_rows(
        self, video: Tensor, audio: Tensor, starts: Tensor | None = None, *, chunk: int = 8
    ) -> Tensor:
        """Compute the logits of every delay of each window (Eq. 1 before the softmax).

        Parameters
        ----------
        video : Tensor, (N, Tv, D)
        audio : Tensor, (M, Ta, D)
            Tokens of consecutive crops.
        starts : int64 tensor, (N,), optional
            Index of each window's crop at delay index 0; at delay index i, the crop's index is
            ``starts + i``. None = 0..N-1.
        chunk : int
            Windows per pass of the fusion.

        Returns
        -------
        Tensor, (N, 2 * tau + 1)
        """
        if starts is None:
            starts = torch.arange(len(video), device=video.device)
        delays = torch.arange(self.n_delays, device=starts.device)
        rows = []
        for v, first in zip(video.split(chunk), starts.split(chunk), strict=True):
            a = audio[first[:, None] + delays]  # (n, delays, Ta, D)
            v = v.unsqueeze(1).expand(-1, self.n_delays, -1, -1)
            rows.append(self.fusion(v.flatten(0, 1), a.flatten(0, 1)).unflatten(0, (len(v), -1)))
        return torch.cat(rows)

    def activations(self, video: Tensor, audio: Tensor) -> Tensor:
        """Compute activation vectors of pairs at zero delay, (N, Tv, D), (N, Ta, D) -> (N, 2 D).

        A vector holds the maximum over the video tokens, then the maximum over the audio tokens
        (paper Sec. 3.2, "activation-AV").
        """
        return torch.cat([video.amax(dim=1), audio.amax(dim=1)], dim=1)

    def forward(self, frames: Tensor, crops: Tensor) -> Tensor:
        """Compute the logits of pairs of one window and one audio crop.

        Parameters
        ----------
        frames : Tensor, (B, 5, 3, H, W), RGB in 0..255
        crops : Tensor, (B, 3200), int16-scaled audio

        Returns
        -------
        Tensor, (B,)
        """
        features = self.visual.frames(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        encoded = self.visual.windows(features.transpose(1, 2))  # (B, C, 5, h, w)
        return self.fusion(self.fusion.video_tokens(encoded), self.audio_tokens(crops))


def published_sync_network() -> SyncNetwork:
    """Return the paper's network of 40.7 M parameters, with random weights."""
    return SyncNetwork(visual=VisualEncoder(), audio=AudioEncoder(), fusion=FusionTransformer())
