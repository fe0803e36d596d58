"""Read files with changed bytes as `detect faces=auto` does, and count the outcomes.

    python scripts/fuzz_media.py                          # 1,000 files of a clip made here
    python scripts/fuzz_media.py --video talk.mp4 --count 300 --keep bad
    python scripts/fuzz_media.py --kinds flv asf mxf fmp4 --count 668

A worker process with limited memory and time opens each file, searches it for faces and cuts out
every face with its sound. The exit code is 1 if a file crashes or hangs the worker or causes an
internal error; `--keep` copies such files.
"""

from __future__ import annotations

import argparse
import json
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

# Container -> encoders of video and audio.
KINDS = {
    "mp4": ("libx264", "aac"),
    "mkv": ("libx264", "libopus"),
    "webm": ("libvpx-vp9", "libopus"),
    "ts": ("libx264", "mp2"),
    "avi": ("mpeg4", "libmp3lame"),
    "mpg": ("mpeg2video", "mp2"),
    "flv": ("libx264", "aac"),
    "asf": ("wmv2", "wmav2"),
    "mxf": ("mpeg2video", "pcm_s16le"),
    "fmp4": ("libx264", "aac"),  # fragmented MP4
}
FIRST = ["mp4", "mkv", "webm", "ts", "avi", "mpg"]
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+negative_cts_offsets"}
RATE = 48_000
SIZE = 320, 256
BAD = ("internal error", "crash", "hang")


def clip(video: Path | None, seconds: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Return uint8 frames (H, W, 3) and int16 mono sound, from a video or synthetic."""
    count = round(25 * seconds)
    if video is None:
        random = np.random.default_rng(0)
        ground = np.kron(random.integers(0, 255, (8, 10, 3)), np.ones((32, 32, 1)))
        frames = [np.roll(ground, 3 * n, 1).astype(np.uint8) for n in range(count)]
        return frames, random.integers(-5000, 5000, round(seconds * RATE)).astype(np.int16)
    with av.open(str(video)) as container:
        decoded = container.decode(video=0)
        frames = [
            frame.reformat(*SIZE, "rgb24").to_ndarray()
            for frame, _ in zip(decoded, range(count), strict=False)
        ]
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(video)) as container:
        pieces = [
            piece.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for piece in resampler.resample(frame)
        ]
    return frames, np.concatenate(pieces)[: round(seconds * RATE)]


def suffix(kind: str) -> str:
    """Return the file suffix of a container format."""
    return "mp4" if kind == "fmp4" else kind


def write(path: Path, kind: str, frames: list[np.ndarray], sound: np.ndarray) -> bytes:
    """Write the clip to a container; return the bytes of the file."""
    video_codec, audio_codec = KINDS[kind]
    with av.open(str(path), "w", options=FRAGMENTS if kind == "fmp4" else {}) as out:
        video = out.add_stream(video_codec, rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.bit_rate, video.codec_context.gop_size = 400_000, 12
        if video_codec == "libvpx-vp9":
            video.options = {"deadline": "realtime", "cpu-used": "8"}
        audio = out.add_stream(audio_codec, rate=RATE, layout="mono")
        if audio_codec == "wmav2":  # it has no default
            audio.bit_rate = 96_000
        packets = []
        for n, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        piece = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        piece.sample_rate, piece.pts, piece.time_base = RATE, 0, Fraction(1, RATE)
        context = audio.codec_context
        resampler = av.AudioResampler(
            context.format.name, "mono", RATE, frame_size=context.frame_size
        )
        for part in (*resampler.resample(piece), *resampler.resample(None)):
            packets += audio.encode(part)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            out.mux(packet)
    return path.read_bytes()


def changed(content: bytes, random: np.random.Generator) -> tuple[bytes, str]:
    """Change some bytes of a file's content; return the new content and the kind of change."""
    data, size = bytearray(content), len(content)
    how = str(random.choice(["flip", "head", "swap", "cut", "zero", "repeat", "drop"]))
    length = int(random.integers(16, size // 8))
    start, other = (int(random.integers(0, size - length)) for _ in range(2))
    if how in {"flip", "head"}:  # single bytes, everywhere or where the headers are
        most = size if how == "flip" else min(2000, size)
        for place in random.integers(0, most, int(2 ** random.uniform(0, 9))):
            data[place] = int(random.integers(0, 256))
    elif how == "swap":
        first, second = data[start : start + length], data[other : other + length]
        data[start : start + length], data[other : other + length] = second, first
    elif how == "cut":
        del data[max(start, 100) :]
    elif how == "zero":
        data[start : start + length] = bytes(length)
    elif how == "repeat":
        data[other:other] = data[start : start + length]
    else:
        del data[start : start + length]
    return bytes(data), how


def read(path: Path) -> tuple[str, str]:
    """Read a file as `avforensics.detection.faces` does; return the outcome and the reason."""
    from avforensics.errors import MediaError
    from avforensics.faces.crops import RECIPES
    from avforensics.faces.find import find_faces
    from avforensics.media import MediaOptions, SoundSpool, open_media

    try:
        with open_media(path, MediaOptions(size=96)):
            pass
        faces = find_faces(path)
        told = list(faces.warnings)
        if not faces.tracks:
            return "no face", "; ".join(told)
        with SoundSpool(path) as sound:
            for track in faces.tracks:
                crop = RECIPES["mouth"].crop(track)
                part = {"start_frame": track.first_frame, "crop": crop, "sound": sound}
                with open_media(path, MediaOptions(size=96), **part) as media:
                    for _ in media:
                        pass
                told += media.report.warnings
            told += sound.warnings
        return ("read, with warnings" if told else "read"), "; ".join(told)
    except MediaError as error:
        return "reason in words", error.reason
    except Exception as error:  # must not happen
        return "internal error", f"{type(error).__name__}: {error}"


def work(memory: int) -> None:
    """Read the files named on standard input, one per line, and answer in JSON."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory * 10**6,) * 2)
    for line in sys.stdin:
        what, why = read(Path(json.loads(line)))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
        print(json.dumps([what, why, peak]), flush=True)


class Worker:
    """Process that reads files and is restarted after a crash or a hang."""

    def __init__(self, memory: int, seconds: float) -> None:
        self._command = [sys.executable, __file__, "--work", "--memory", str(memory)]
        self._seconds = seconds
        self._process: subprocess.Popen | None = None

    def read(self, path: Path) -> tuple[str, str, int]:
        """Return the outcome of a file, its reason, and the worker's peak memory in MB."""
        if self._process is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL, **pipes)
        process = self._process
        process.stdin.write(json.dumps(str(path)) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], self._seconds)
        line = process.stdout.readline() if ready else ""
        if line:
            return tuple(json.loads(line))
        self.stop()
        if not ready:
            return "hang", f"no answer in {self._seconds:g} s", 0
        return "crash", f"exit code {process.returncode}", 0

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, help="a video to change (default: one made here)")
    parser.add_argument("--count", type=int, default=1000, help="files (%(default)s)")
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=KINDS,
        default=FIRST,
        metavar="KIND",
        help=f"containers, out of {', '.join(KINDS)} (the first six)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seconds", type=float, default=2.0, help="of the clip (%(default)s)")
    parser.add_argument("--limit", type=float, default=120, help="seconds a file (%(default)s)")
    parser.add_argument("--memory", type=int, default=2000, help="MB of a worker (%(default)s)")
    parser.add_argument("--keep", type=Path, help="folder for files that fail")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.memory)
        return 0
    started, counts, reasons, most = time.monotonic(), {}, Counter(), 0
    worker = Worker(options.memory, options.limit)
    with tempfile.TemporaryDirectory() as folder:
        frames, sound = clip(options.video, options.seconds)
        whole = {
            kind: write(Path(folder, f"clip.{suffix(kind)}"), kind, frames, sound)
            for kind in options.kinds
        }
        for number in range(options.first, options.first + options.count):
            kind = options.kinds[number % len(options.kinds)]
            random = np.random.default_rng([options.seed, number])
            content, how = changed(whole[kind], random)
            path = Path(folder, f"{number:04d}_{how}.{suffix(kind)}")
            path.write_bytes(content)
            what, why, peak = worker.read(path)
            counts.setdefault(kind, Counter())[what] += 1
            reasons[why if what == "reason in words" else ""] += 1
            most = max(most, peak)
            if what in BAD:
                print(f"{path.name}: {what}: {why}", flush=True)
                if options.keep is not None:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, options.keep)
            path.unlink()
        worker.stop()
    outcomes = ["read", "read, with warnings", "no face", "reason in words", *BAD]
    print(f"| container | {' | '.join(outcomes)} |\n|{'---|' * (len(outcomes) + 1)}")
    counts["all"] = sum(counts.values(), Counter())
    for kind, found in counts.items():
        print(f"| {kind} | {' | '.join(str(found[what]) for what in outcomes)} |")
    print(f"{time.monotonic() - started:.0f} s, at most {most} MB in a worker")
    for why, count in reasons.most_common(12):
        print(f"{count:5d} {why}" if why else "", end="\n" if why else "")
    return int(any(counts["all"][what] for what in BAD))


if __name__ == "__main__":
    sys.exit(main())
