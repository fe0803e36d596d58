"""The moving picture of README.md: `avforensics render` of a synthetic head, real and forged.

    make demo && python scripts/readme_picture.py outputs/demo

A head that the demo's models have not seen speaks for six seconds. On the left the clip is
unchanged, on the right the sound is 320 ms late from the middle on. Writes docs/images/render.webp.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
from PIL import Image

from avforensics.data.versions import versions_of
from avforensics.media.writer import write_clip
from avforensics.synthetic.forge import make_clip
from avforensics.synthetic.plan import Split, plan

OUT = Path(__file__).parents[1] / "docs" / "images" / "render.webp"
FRAMES, SIDE = 150, 256
WIDTH, STEP = 400, 2  # of each half in pixels; frames of the video for each of the picture


def rendered(path: Path, bundle: Path, out: Path) -> list[np.ndarray]:
    """Frames of the annotated video, (height, width, 3), uint8."""
    command = [sys.executable, "-m", "avforensics", "render", path, "--out", out]
    settings = [
        f"checkpoint.bundle={bundle}", "scoring.windows=all", "calibration=null",
        "applicability.measure=false", f"output_dir={out.parent / 'log'}",
    ]  # fmt: skip
    subprocess.run([*command, *settings], check=True)
    with av.open(str(out)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def main() -> None:
    """Render both versions and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="folder of `avforensics demo`")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=5, help="which head, and what it says")
    given = parser.parse_args()
    job = plan({"test": Split(identities=1, clips=1)}, seed=given.seed, n_frames=FRAMES)[0]
    frames, sound = make_clip(job, seed=given.seed, n_frames=FRAMES, size=SIDE)
    frames = list(frames)
    versions, _ = versions_of(sound, None)
    halves = []
    with tempfile.TemporaryDirectory() as folder:
        for version in (versions[0], next(v for v in versions if v.name == "jump")):
            path = Path(folder, f"{version.name}.mp4")
            write_clip(path, frames, version.sound)
            bundle = given.demo.absolute() / "anomaly" / "model.safetensors"
            halves.append(rendered(path, bundle, Path(folder, f"{version.name}-out.mp4")))
    pictures = []
    for both in list(zip(*halves, strict=True))[::STEP]:
        picture = Image.fromarray(np.hstack(both))
        height = round(picture.height * 2 * WIDTH / picture.width)
        pictures.append(picture.resize((2 * WIDTH, height), Image.Resampling.LANCZOS))
    pictures[0].save(
        given.out, save_all=True, append_images=pictures[1:], duration=40 * STEP, loop=0,
        quality=60, method=4,
    )  # fmt: skip
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.2f} MB, {len(pictures)} frames")


if __name__ == "__main__":
    main()
