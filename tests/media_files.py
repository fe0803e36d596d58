"""Make odd media files for tests; every frame shows its number in eight stripes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from avforensics.media import HOP, MediaOptions, open_media
from avforensics.media.video import VideoReader

RATE = 16_000
BITS = 8


def numbered(number: int, width: int = 128, height: int = 96) -> np.ndarray:
    """Draw a grey picture whose white stripes are the bits of ``number``, highest bit on the
    left.
    """
    bits = (number >> np.arange(BITS)[::-1]) & 1
    row = np.repeat(np.where(bits, 230, 25), width // BITS).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def number_of(frame: np.ndarray) -> int:
    """Number that a decoded frame shows."""
    width = frame.shape[1] // BITS
    middle = frame[frame.shape[0] // 2, width // 2 :: width, 1][:BITS]
    return int(((middle > 128) << np.arange(BITS)[::-1]).sum())


def numbers(frames: Sequence[np.ndarray]) -> list[int]:
    """Numbers that decoded frames show."""
    return [number_of(frame) for frame in frames]


def read(path: Path, **options) -> tuple[np.ndarray, np.ndarray, object]:
    """Read frames, sound and report; ``options`` are for `MediaOptions` and `open_media`."""
    names = [n for n in MediaOptions.__annotations__ if isinstance(options.get(n), int | tuple)]
    whole = MediaOptions(**{name: options.pop(name) for name in names})
    with open_media(path, whole, **options) as stream:
        blocks = list(stream)
    for block in blocks:
        assert block.audio.dtype == np.int16 and block.frames.dtype == np.uint8
        assert len(block.audio) == HOP * len(block.frames)
    frames = np.concatenate([block.frames for block in blocks])
    assert len(frames) == stream.report.n_frames
    return frames, np.concatenate([block.audio for block in blocks]), stream.report


def pictures(path: Path, **options) -> list[np.ndarray]:
    """Read every picture of a file as it is shown."""
    with VideoReader(path, **options) as video:
        return [np.asarray(video.upright(frame)) for frame in video]


def decoded(path: Path, kind: str = "video") -> np.ndarray:
    """Decode every stored picture of a file in RGB, or the first channel of its sound."""
    with av.open(str(path)) as file:
        if kind == "video":
            return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def noise(seconds: float, *, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Make smooth noise whose autocorrelation has a single peak, exact to the sample."""
    raw = np.random.default_rng(seed).normal(size=round(seconds * rate))
    smooth = np.convolve(raw, np.hanning(16), "same")
    return (8000 * smooth / np.abs(smooth).max()).astype(np.int16)


def lag(sound: np.ndarray, reference: np.ndarray) -> int:
    """Number of samples by which ``sound`` comes later than ``reference``."""
    size = len(sound) + len(reference)
    spectrum = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(reference, size))
    peak = int(np.fft.irfft(spectrum, size).argmax())
    return peak if peak < size // 2 else peak - size


def mux(
    path: Path,
    *,
    times: Sequence[float] | None,
    sounds: Sequence[Sequence[tuple[float, np.ndarray]]] = (),
    size: tuple[int, int] = (128, 96),
    video_codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    picture: Callable[[int, int, int], np.ndarray] = numbered,
    options: dict[str, str] | None = None,
    sar: Fraction | str | None = None,
    rotation: int = 0,
    b_frames: int = 0,
    rate: Fraction | int = 25,
    time_base: Fraction = Fraction(1, 60_000),
    audio_codec: str = "aac",
    audio_rate: int = RATE,
    layout: str = "mono",
    flags: Sequence[int] = (),
    titles: Sequence[dict[str, str]] = (),
) -> Path:
    """Write a file with frames and sounds at any times.

    ``times``: seconds at which frames 0, 1, ... are shown; None = no video stream. ``picture``:
    (number, width, height) -> frame; ``options`` of its encoder. ``sounds``: one
    entry per audio stream, each a list of (seconds, samples); samples may be float (for PCM), and
    (n, channels). ``flags`` and ``titles``: dispositions and metadata of the audio streams.
    """
    index = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=index) as out:
        video = None
        if times is not None:
            video = out.add_stream(video_codec, rate=rate, options=options or {})
            video.width, video.height = size
            video.pix_fmt = pix_fmt
            video.codec_context.time_base = time_base
            video.codec_context.gop_size = 12
            video.codec_context.max_b_frames = b_frames
            if sar is not None:
                video.codec_context.sample_aspect_ratio = Fraction(sar)
            if rotation:
                video.set_display_rotation(rotation)
        audios = [out.add_stream(audio_codec, rate=audio_rate, layout=layout) for _ in sounds]
        for stream, flag in zip(audios, flags, strict=False):
            stream.disposition = flag
        for stream, metadata in zip(audios, titles, strict=False):
            stream.metadata.update(metadata)
        packets = []
        for number, time in enumerate(times or ()):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            frame.pts, frame.time_base = round(time / time_base), time_base
            packets += video.encode(frame)
        packets += video.encode(None) if video else []
        for stream, pieces in zip(audios, sounds, strict=True):
            for time, samples in pieces:
                packets += _encode_sound(stream, time, samples, audio_rate, layout)
            packets += stream.encode(None)
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            out.mux(packet)
    return path


def _encode_sound(stream, time, samples, rate, layout):
    channels = len(av.AudioLayout(layout).channels)
    kind = "flt" if samples.dtype == np.float32 else "s16"
    for start in range(0, len(samples), 1024):
        piece = samples[start : start + 1024]
        piece = piece.reshape(1, -1) if piece.ndim > 1 else np.repeat(piece, channels)[None]
        frame = av.AudioFrame.from_ndarray(piece, format=kind, layout=layout)
        frame.sample_rate = rate
        frame.pts, frame.time_base = round(time * rate) + start, Fraction(1, rate)
        yield from stream.encode(frame)


def remux(source: Path, path: Path, *, shift: float) -> Path:
    """Copy packets with their times shifted; an edit list cuts everything before 0."""
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(source)) as src, av.open(str(path), "w", options=options) as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in src.streams}
        for packet in src.demux():
            if packet.dts is None:
                continue
            ticks = round(shift / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            packet.stream = copies[packet.stream.index]
            out.mux(packet)
    return path


def recopy(source: Path, path: Path, change, **metadata: str) -> Path:
    """Copy packets; ``change`` is called with each packet and its number in the stream."""
    with av.open(str(source)) as src, av.open(str(path), "w") as out:
        out.metadata.update(metadata)
        copies = {stream.index: out.add_stream_from_template(stream) for stream in src.streams}
        numbers = dict.fromkeys(copies, 0)
        packets = [packet for packet in src.demux() if packet.size]
        for packet in packets:
            index = packet.stream.index
            change(packet, numbers[index])
            numbers[index] += 1
            packet.stream = copies[index]
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            out.mux(packet)
    return path


def damage(path: Path, kind: str, packets: slice) -> Path:
    """Overwrite the given packets of a stream in the file."""
    with av.open(str(path)) as file:
        found = [packet for packet in file.demux(**{kind: 0}) if packet.size][packets]
        spans = [(packet.pos, packet.size) for packet in found]
    with path.open("r+b") as file:
        for position, size in spans:
            file.seek(position)
            file.write(b"\xff" * size)
    return path


def restamp(
    source: Path, path: Path, parts: Sequence[tuple[float, float]], options: dict | None = None
) -> Path:
    """Copy a file in parts, shifting the time stamps of each part, and join the parts.

    ``parts`` holds the start of each part, at a key frame, and its shift, both in seconds from the
    first picture. The decoded pictures and samples stay the same, but the clock breaks.
    """
    pieces = []
    for index, (start, shift) in enumerate(parts):
        stop = parts[index + 1][0] if index + 1 < len(parts) else float("inf")
        piece = path.with_name(f"{index}-{path.name}")
        with (
            av.open(str(source)) as src,
            av.open(str(piece), "w", options=options or {}) as out,
        ):
            copies = {stream.index: out.add_stream_from_template(stream) for stream in src.streams}
            packets = [packet for packet in src.demux() if packet.dts is not None]
            origin = next(p.dts * p.time_base for p in packets if p.stream.type == "video")
            for packet in packets:
                time = float(packet.dts * packet.time_base - origin)
                if time >= stop - 1e-6 or (index and time < start - 1e-6):
                    continue
                ticks = round(shift / packet.time_base)
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
        pieces.append(piece.read_bytes())
    path.write_bytes(b"".join(pieces))
    return path


def frames_at(rate: float, count: int, start: float = 0.0) -> list[float]:
    """Times in seconds of ``count`` frames at a constant rate."""
    return [start + index / rate for index in range(count)]
