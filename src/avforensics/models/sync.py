"""The synchronisation network: how likely is each of 31 audio delays for a five-frame window?

Feng, Chen, Owens (CVPR 2023), Sec. 3.1 and Eq. 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avforensics.media.types import HOP
from avforensics.models.audio import AudioEncoder
from avforensics.models.fusion import CosineFusion, FusionTransformer
from avforensics.models.logmel import LogMel
from avforensics.models.visual import WINDOW_FRAMES, VisualEncoder

CROP_SAMPLES = WINDOW_FRAMES * HOP  # 3200


class SyncNetwork(nn.Module):
    """Visual encoder, audio encoder and fusion.

    The parts are called one by one so that nothing is computed twice: ``visual.frames`` once per
    frame, ``visual.span`` once per window, ``audio_tokens`` once per distinct crop of sound,
    ``fusion`` once per pair. ``forward`` is the plain composition of them.

    Parameters
    ----------
    visual : VisualEncoder
    audio : AudioEncoder
    fusion : FusionTransformer or CosineFusion
    size : int
        Side of the square input frames in pixels.
    crop : tuple of float, optional
        Part of the upright frame that the network was trained on (left, top, right, bottom in
        fractions); None = the whole frame.
    max_delay : int
        tau; a row has 2 * tau + 1 delays.
    """

    def __init__(
        self,
        *,
        visual: VisualEncoder,
        audio: AudioEncoder,
        fusion: FusionTransformer | CosineFusion,
        size: int = 224,
        crop: tuple[float, float, float, float] | None = None,
        max_delay: int = 15,
    ) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.visual = visual
        self.audio = audio
        self.fusion = fusion
        self.size = size
        self.crop = tuple(crop) if crop is not None else None
        self.max_delay = max_delay

    @property
    def architecture(self) -> dict[str, object]:
        """Constructor arguments, the parts themselves among them."""
        return {
            "visual": self.visual,
            "audio": self.audio,
            "fusion": self.fusion,
            "size": self.size,
            "crop": self.crop,
            "max_delay": self.max_delay,
        }

    @property
    def n_delays(self) -> int:
        """Length of a row of logits, 2 * tau + 1."""
        return 2 * self.max_delay + 1

    @property
    def activation_width(self) -> int:
        """Length of an activation vector: picture and sound, one token's width each."""
        return 2 * self.fusion.width

    def video_tokens(self, frame_features: Tensor, *, chunk: int = 8) -> Tensor:
        """Tokens of every window of a span, (T, C, h, w) -> (T - 4, Tv, D).

        ``chunk`` windows go through the 3-D stages at a time.
        """
        if not self.visual.pad_time:
            return self.fusion.video_tokens(self.visual.span(frame_features))
        spans = range(0, len(frame_features) - WINDOW_FRAMES + 1, chunk)
        parts = (frame_features[start : start + chunk + WINDOW_FRAMES - 1] for start in spans)
        return torch.cat(
            [self.fusion.video_tokens(self.visual.span(p, chunk=chunk)) for p in parts]
        )

    def audio_tokens(self, crops: Tensor) -> Tensor:
        """Tokens of crops of sound, (M, 3200) int16-scaled -> (M, Ta, D)."""
        return self.fusion.audio_tokens(self.audio(self.log_mel(crops)))

    def delay_rows(self, video: Tensor, audio: Tensor, *, chunk: int = 8) -> Tensor:
        """Logits of every delay of consecutive windows (Eq. 1 before the softmax).

        Parameters
        ----------
        video : Tensor, (N, Tv, D)
        audio : Tensor, (N + 2 * tau, Ta, D)
            Crop j belongs to delay index i of window k where j = k + i.
        chunk : int
            Windows fused at a time.

        Returns
        -------
        Tensor, (N, 2 * tau + 1)
        """
        rows = []
        for start in range(0, len(video), chunk):
            v = video[start : start + chunk]
            a = audio[start : start + len(v) + 2 * self.max_delay]
            a = a.unfold(0, self.n_delays, 1).permute(0, 3, 1, 2)  # (n, delays, Ta, D)
            v = v.unsqueeze(1).expand(-1, self.n_delays, -1, -1)
            rows.append(self.fusion(v.flatten(0, 1), a.flatten(0, 1)).unflatten(0, (len(v), -1)))
        return torch.cat(rows)

    def activations(self, video: Tensor, audio: Tensor) -> Tensor:
        """Activation feature of pairs at zero delay, (N, Tv, D), (N, Ta, D) -> (N, 2 D).

        Maximum over tokens, picture first, then sound (paper Sec. 3.2, "activation-AV").
        """
        return torch.cat([video.amax(dim=1), audio.amax(dim=1)], dim=1)

    def forward(self, frames: Tensor, crops: Tensor) -> Tensor:
        """Logits of pairs of one window and one crop.

        Parameters
        ----------
        frames : Tensor, (B, 5, 3, H, W), RGB in 0..255
        crops : Tensor, (B, 3200), int16-scaled sound

        Returns
        -------
        Tensor, (B,)
        """
        features = self.visual.frames(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        encoded = self.visual.windows(features.transpose(1, 2))  # (B, C, 5, h, w)
        return self.fusion(self.fusion.video_tokens(encoded), self.audio_tokens(crops))


def published_sync_network() -> SyncNetwork:
    """The 40.7 M-parameter network of the paper, with fresh weights."""
    return SyncNetwork(visual=VisualEncoder(), audio=AudioEncoder(), fusion=FusionTransformer())
