"""Make the animation of README.md: `avforensics render` of a synthetic head.

    python scripts/readme_picture.py                              # the shipped weights
    make demo && python scripts/readme_picture.py outputs/demo    # weights of synthetic heads

With the demo's weights, the right half shows the same clip with the sound 320 ms late from the
middle on. Writes docs/images/render.webp.
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
WIDTH, STEP = 330, 2  # pixels per half; video frames per frame of the animation


def rendered(path: Path, settings: list[str], out: Path) -> list[np.ndarray]:
    """Return the frames of the annotated video, uint8 (height, width, 3)."""
    command = [sys.executable, "-m", "avforensics", "render", path, "--out", out]
    subprocess.run([*command, *settings, f"output_dir={out.parent / 'log'}"], check=True)
    with av.open(str(out)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def main() -> None:
    """Render both versions and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, nargs="?", help="folder of `avforensics demo`")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=5, help="which head, and what it says")
    given = parser.parse_args()
    job = plan({"test": Split(identities=1, clips=1)}, seed=given.seed, n_frames=FRAMES)[0]
    frames, sound = make_clip(job, seed=given.seed, n_frames=FRAMES, size=SIDE)
    frames = list(frames)
    versions, _ = versions_of(sound, None)
    settings = ["scoring.windows=all", "calibration=null", "applicability.measure=false"]
    shown = versions[:1]
    if given.demo is not None:
        settings.append(f"checkpoint.bundle={given.demo.absolute() / 'anomaly/model.safetensors'}")
        shown.append(next(version for version in versions if version.name == "jump"))
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for version in shown:
            path = Path(folder, f"{version.name}.mp4")
            write_clip(path, frames, version.sound)
            parts.append(rendered(path, settings, Path(folder, f"{version.name}-out.mp4")))
    pictures = []
    for together in list(zip(*parts, strict=True))[::STEP]:
        picture = Image.fromarray(np.hstack(together))
        width = len(parts) * WIDTH
        height = round(picture.height * width / picture.width)
        pictures.append(picture.resize((width, height), Image.Resampling.LANCZOS))
    pictures[0].save(
        given.out, save_all=True, append_images=pictures[1:], duration=40 * STEP, loop=0,
        quality=60, method=4,
    )  # fmt: skip
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.2f} MB, {len(pictures)} frames")


if __name__ == "__main__":
    main()
