"""Write the reference of `avforensics selfcheck`: a clip of a synthetic head, and its values.

    python scripts/selfcheck_values.py      # after changing the shipped weights

The clip has B-frames and stereo sound at 44.1 kHz, which exercise the decoders.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from avforensics.detection import golden
from avforensics.files import atomic_path
from avforensics.media.types import FPS, SAMPLE_RATE
from avforensics.synthetic.forge import make_clip
from avforensics.synthetic.plan import Split, plan

FRAMES, SIZE, RATE = 30, 96, 44_100


def write(path: Path) -> None:
    """Encode a synthetic head that speaks."""
    (job,) = plan({"test": Split(identities=1, clips=1)}, seed=0, n_frames=FRAMES)
    frames, sound = make_clip(job, seed=0, n_frames=FRAMES, size=SIZE)
    moments = np.arange(len(sound) * RATE // SAMPLE_RATE) * SAMPLE_RATE / RATE
    wave = np.interp(moments, np.arange(len(sound)), sound).astype(np.int16)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", FPS, options={"crf": "20", "bf": "2"})
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", RATE, layout="stereo", bit_rate=64_000)
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(video.encode())
        for start in range(0, len(wave), 1024):
            part = np.ascontiguousarray(np.repeat(wave[None, start : start + 1024], 2, axis=0))
            frame = av.AudioFrame.from_ndarray(part, format="s16p", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(audio.encode(frame))
        container.mux(audio.encode())


def main() -> None:
    """Write both files into the package's assets."""
    if "--values" not in sys.argv:
        with atomic_path(golden.CLIP) as partial:
            write(partial)
    golden.save(golden.measure(golden.CLIP))
    print(golden.CLIP.stat().st_size, golden.VALUES.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
