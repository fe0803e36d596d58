"""Convert frames of high dynamic range or wide gamut to SDR with BT.709 primaries.

Networks are trained on SDR video in BT.709; HLG or PQ video that is read as SDR looks flat and
dark.

* Light: the signal is converted to light by the inverse transfer function of ITU-R BT.2100 (PQ, or
  HLG with its OOTF for a display of 1,000 cd/m2) or, for SDR, by the gamma (2.4) of a BT.1886
  display.
* Highlights: the reference white of 203 cd/m2 (BT.2408) becomes SDR white. Light up to 1,000 cd/m2
  is compressed by the EETF of BT.2390. The EETF is applied to the largest of red, green and blue to
  preserve hues. Light up to 93 cd/m2 (72 % of the SDR signal) does not change.
* Gamut: the primaries are converted linearly to BT.709, and colours outside BT.709 are clipped. If
  a large part of the first frame lies outside, the tag of the wider gamut is assumed to be wrong
  (`ColourTags.checked`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import av
import numpy as np

WHITE = 203.0  # luminance of reference white in cd/m2 (BT.2408), which becomes SDR white
PEAK = 1000.0  # cd/m2; brighter light is clipped
GAMMA = 2.4  # gamma of SDR displays (BT.1886)
# Code points of ITU-T H.273, as used by FFmpeg.
PQ, HLG, UNKNOWN = 16, 18, 2
BT709, BT2020, P3 = 1, 9, 12
BT2020_MATRICES = (9, 10)  # matrices of luma and colour difference
XY = {  # chromaticities of red, green and blue; the white point is always D65
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
D65 = (0.3127, 0.3290)
UNSAID = (0, UNKNOWN)
TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    PQ: "smpte2084",
    HLG: "arib-std-b67",
}
HIGH = {PQ: "PQ", HLG: "HLG"}
GAMUTS = {BT709: "BT.709", BT2020: "BT.2020", P3: "P3"}
CHUNK = 2**15  # pixels converted at a time, so that intermediate values stay in the cache
STEPS = 2**14  # entries of the table of highlight gains
MOST_OUTSIDE = 0.25  # share of a frame outside BT.709 above which its gamut tag is wrong
OUTSIDE = -0.01  # a colour is outside BT.709 if a component, relative to white, is below this


@dataclass(frozen=True)
class ColourTags:
    """Colour tags of a video, as code points of ITU-T H.273.

    Attributes
    ----------
    transfer, primaries, matrix : int
    outside : float
        Share of the first frame that lies outside BT.709 if the tag of a wider gamut is assumed to
        be wrong, else 0.
    """

    transfer: int = UNKNOWN
    primaries: int = UNKNOWN
    matrix: int = UNKNOWN
    outside: float = 0.0

    @classmethod
    def of(cls, source: av.VideoFrame | av.VideoCodecContext) -> ColourTags:
        """Return the tags of a frame, or those that the container declares for a stream."""
        return cls(int(source.color_trc), int(source.color_primaries), int(source.colorspace))

    @property
    def transfer_name(self) -> str:
        """FFmpeg's name for the transfer function; empty if not declared."""
        return TRANSFERS.get(self.transfer, "")

    @property
    def tone_map(self) -> ToneMap | None:
        """Conversion to BT.709, or None if the tags do not require it."""
        high, primaries = self.transfer in (HLG, PQ), self.primaries
        if primaries not in XY:
            wide = high or self.matrix in BT2020_MATRICES
            primaries = BT2020 if wide and primaries in UNSAID else BT709
        if not high and primaries == BT709:
            return None
        return _tone_map(self.transfer if high else None, primaries)

    @property
    def conversion(self) -> str:
        """Description of the conversion to BT.709 and of an ignored tag, or empty."""
        said = [self.tone_map.name] if self.tone_map else []
        if self.outside:
            said.append(
                f"the tag of a wider gamut is ignored, because {100 * self.outside:.0f} % of the "
                "first frame would lie outside BT.709"
            )
        return "; ".join(said)

    @property
    def warning(self) -> str:
        """Warn of a tone map or an ignored tag; empty if there is neither."""
        if self.transfer in HIGH:
            return f"high dynamic range: {self.conversion}"
        return f"colours: {self.conversion}" if self.outside else ""

    def checked(self, outside: float) -> ColourTags:
        """Return tags with BT.709 primaries if too much of the first frame lies outside BT.709.

        If BT.709 video is wrongly tagged BT.2020 or P3, the conversion oversaturates its colours.
        Colours of correctly tagged videos of people seldom lie outside BT.709.

        Parameters
        ----------
        outside : float
            Share of the first frame that lies outside BT.709, see `ToneMap.outside`.
        """
        if outside <= MOST_OUTSIDE:
            return self
        return replace(self, primaries=BT709, outside=outside)

    def fill(self, frame: av.VideoFrame) -> None:
        """Fill in a frame's missing tags, and replace its primaries if they are wrong."""
        if self.outside and int(frame.color_primaries) != BT709:
            frame.color_primaries = BT709
        if int(frame.color_trc) in UNSAID:
            frame.color_trc = self.transfer
        if int(frame.color_primaries) in UNSAID:
            frame.color_primaries = self.primaries
        if int(frame.colorspace) in UNSAID:
            frame.colorspace = self.matrix


@cache
def _tone_map(transfer: int | None, primaries: int) -> ToneMap:
    return ToneMap(transfer, primaries)


class ToneMap:
    """Convert frames with one transfer function and gamut to SDR in BT.709.

    Parameters
    ----------
    transfer : int or None
        `PQ` or `HLG`; None = SDR.
    primaries : int
        `BT709`, `BT2020` or `P3`.

    Attributes
    ----------
    name : str
        Description of the conversion for warnings.
    """

    def __init__(self, transfer: int | None, primaries: int) -> None:
        self.name = f"{GAMUTS[primaries]} converted to BT.709"
        if transfer is not None:
            self.name = f"{HIGH[transfer]} tone-mapped to BT.709 (BT.2390, white {WHITE:g} cd/m2)"
        self._transfer = transfer
        to_xyz = rgb_to_xyz(primaries)
        self._luminance = to_xyz[1].astype(np.float32)
        self._gamut = (np.linalg.inv(rgb_to_xyz(BT709)) @ to_xyz).T.astype(np.float32)
        levels = np.linspace(0, PEAK / WHITE, STEPS + 1)
        gain = np.ones_like(levels)
        gain[1:] = fitted(levels[1:] * WHITE) / WHITE / levels[1:]
        self._gain = None if transfer is None else gain.astype(np.float32)
        # The table is indexed by the square root of the light for finer steps in the shadows.
        signal = np.arange(2**16) / (2**16 - 1)
        self._signal = np.rint(255 * (signal**2) ** (1 / GAMMA)).astype(np.uint8)

    def __call__(self, picture: np.ndarray, white: int = 2**16 - 1) -> np.ndarray:
        """Convert a frame.

        Parameters
        ----------
        picture : uint16 array, (H, W, 3)
            RGB frame.
        white : int
            Pixel value of a signal of 1.

        Returns
        -------
        uint8 array, (H, W, 3)
        """
        flat = np.ascontiguousarray(picture).reshape(-1, 3)
        out = np.empty(flat.shape, np.uint8)
        light = _light_of(self._transfer, white)
        for start in range(0, len(flat), CHUNK):
            out[start : start + CHUNK] = self._converted(light[flat[start : start + CHUNK]])
        return out.reshape(picture.shape)

    def outside(self, picture: np.ndarray, white: int = 2**16 - 1) -> float:
        """Return the share of a frame's pixels outside BT.709; parameters as in `__call__`."""
        light = _light_of(self._transfer, white)[picture.reshape(-1, 3)]
        return float((self._shown(light) @ self._gamut < OUTSIDE).any(axis=1).mean())

    def _shown(self, light: np.ndarray) -> np.ndarray:
        """Convert ``light`` (scene light for HLG) to display light relative to white, (n, 3)."""
        if self._transfer == HLG:
            light *= (PEAK / WHITE) * (light @ self._luminance)[:, None] ** 0.2
        return light

    def _converted(self, light: np.ndarray) -> np.ndarray:
        """Convert light relative to white (scene light for HLG) to SDR values, (n, 3)."""
        light = self._shown(light)
        if self._gain is not None:
            red, green, blue = light.T
            most = np.maximum(np.maximum(red, green), blue) * (STEPS * WHITE / PEAK)
            light *= self._gain[np.minimum(most + 0.5, STEPS).astype(np.int32)][:, None]
        light = np.sqrt(np.clip(light @ self._gamut, 0, 1))
        return self._signal[(light * (2**16 - 1) + 0.5).astype(np.uint16)]


@cache
def _light_of(transfer: int | None, white: int) -> np.ndarray:
    """Tabulate the light of each 16-bit value, float32 (65536,)."""
    signal = np.minimum(np.arange(2**16) / white, 1)
    if transfer == HLG:
        return hlg_scene_light(signal).astype(np.float32)
    if transfer == PQ:
        return (np.minimum(pq_light(signal), PEAK) / WHITE).astype(np.float32)
    return (signal**GAMMA).astype(np.float32)


def hlg_scene_light(signal: np.ndarray) -> np.ndarray:
    """Apply the inverse OETF of HLG (BT.2100 Table 5): signal 0..1 -> scene light 0..1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def pq_light(signal: np.ndarray) -> np.ndarray:
    """Apply the EOTF of PQ (BT.2100 Table 4): signal 0..1 -> display light in cd/m2."""
    power = signal ** (1 / 78.84375)
    return 10_000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (
        1 / 0.1593017578125
    )


def pq_signal(light: np.ndarray) -> np.ndarray:
    """Apply the inverse of `pq_light`."""
    power = (np.asarray(light) / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def fitted(light: np.ndarray) -> np.ndarray:
    """Compress light (cd/m2) with a peak of `PEAK` to a peak of `WHITE` by the EETF of BT.2390."""
    peak = pq_signal(PEAK)
    signal = np.minimum(pq_signal(light) / peak, 1)
    highest = pq_signal(WHITE) / peak
    knee = 1.5 * highest - 0.5
    t = np.clip((signal - knee) / (1 - knee), 0, 1)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * highest
    )
    return pq_light(np.where(signal < knee, signal, bent) * peak)


def rgb_to_xyz(primaries: int) -> np.ndarray:
    """Return the matrix, (3, 3), from linear RGB to CIE XYZ; white has a Y of 1."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in XY[primaries]]).T
    x, y = D65
    white = np.array([x / y, 1, (1 - x - y) / y])
    return columns * np.linalg.solve(columns, white)
