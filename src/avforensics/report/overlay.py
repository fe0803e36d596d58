"""Draw annotations on video frames: boxes, a strip of delays and the running score."""

from __future__ import annotations

import os
from collections.abc import Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from avforensics.colours import CIVIDIS
from avforensics.media.types import FPS
from avforensics.report.sentences import number, signed
from avforensics.scoring.offset import FRAME_MS
from avforensics.scoring.speakers import MIDDLE
from avforensics.scoring.timeline import Timeline
from avforensics.scoring.tracks import FaceResult

AROUND = 3 * FPS  # number of windows in the strip on each side of the current window
LEAST_WIDTH = 480  # width in pixels that the panel needs; smaller videos are enlarged
ENLARGED_HEIGHT = 1080  # maximum height in pixels of an enlarged video; the right side stays empty
PANEL, INK, SOFT, GREY = (18, 21, 26), (233, 236, 240), (154, 164, 177), (50, 58, 69)
SPEAKS, SILENT, MARK, LINE = (62, 207, 160), (255, 255, 255), (255, 138, 61), (86, 180, 233)


class Overlay:
    """Draw annotations on the frames of a video.

    Parameters
    ----------
    width, height : int
        Size of the upright frame in pixels.
    marked : sequence of (float, float)
        Start and end (s) of the unusual segments to mark in the panel.

    Attributes
    ----------
    size : (int, int)
        Width and height of the annotated frames, both even.
    """

    def __init__(
        self,
        course: Timeline,
        width: int,
        height: int,
        *,
        faces: Sequence[FaceResult] = (),
        marked: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.course = course
        self.faces = faces
        self.marked = marked
        scale = max(1.0, min(LEAST_WIDTH / width, ENLARGED_HEIGHT / height))
        self._picture = _even(width * scale), _even(height * scale)
        self._source = width, height
        across = max(self._picture[0], LEAST_WIDTH)
        self._unit = max(12, round(across / 45))  # height of a line of text
        self._panel = _even(7.5 * self._unit)
        self.size = across, self._picture[1] + self._panel
        font = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")  # noqa: PTH118
        self._font = ImageFont.truetype(font, round(0.85 * self._unit))
        self._columns = _coloured(course.probabilities)
        known = course.loss[np.isfinite(course.loss)]
        self._most = float(np.quantile(known, 0.995)) * 1.2 if len(known) else 1.0

    def draw(self, picture: Image.Image, frame: int) -> Image.Image:
        """Draw annotations on frame number ``frame`` of the video at 25 fps."""
        canvas = Image.new("RGB", self.size, PANEL)
        if picture.size != self._picture:
            picture = picture.resize(self._picture, Image.Resampling.BILINEAR)
        canvas.paste(picture)
        pen = ImageDraw.Draw(canvas)
        for face in self.faces:
            self._box(pen, face, frame)
        self._strip(canvas, pen, frame - MIDDLE)
        self._words(pen, frame)
        return canvas

    def _box(self, pen: ImageDraw.ImageDraw, face: FaceResult, frame: int) -> None:
        track, time = face.track, frame / FPS
        if not track.first_frame <= frame < track.end_frame:
            return
        ratio = np.divide(self._picture, self._source)
        box = track.boxes[frame - track.first_frame] * [*ratio, *ratio]
        box = np.clip(box, 0, [*self._picture, *self._picture])
        speaks = any(start <= time < end for start, end in face.spans)
        colour = SPEAKS if speaks else SILENT
        left, top, right, bottom = box.tolist()
        if right - left < 1 or bottom - top < 1:
            return
        pen.rectangle((left, top, right, bottom), outline=colour, width=max(2, self._unit // 6))
        words = f"face {track.name}{' speaks' if speaks else ''}"
        place = left + 2, max(0, top - 1.2 * self._unit)
        pen.text(place, words, colour, self._font, stroke_width=1, stroke_fill=PANEL)

    def _strip(self, canvas: Image.Image, pen: ImageDraw.ImageDraw, window: int) -> None:
        """Draw the delays around the current window and, below, the step losses."""
        unit, top = self._unit, self._picture[1] + self._unit // 2
        left, width = unit // 2, round(0.64 * self.size[0])
        high, low = round(4 * unit), round(2.3 * unit)
        index = np.arange(window - AROUND, window + AROUND + 1)
        inside = (index >= 0) & (index < len(self.course))
        columns = np.full((self._columns.shape[0], len(index), 3), GREY, np.uint8)
        columns[:, inside] = self._columns[:, index[inside]]
        strip = Image.fromarray(columns).resize((width, high), Image.Resampling.NEAREST)
        canvas.paste(strip, (left, top))
        floor = top + high + low
        step = width / len(index)
        loss = np.where(
            inside, self.course.loss[np.clip(index, 0, max(0, len(self.course) - 1))], np.nan
        )
        points = [
            (left + (i + 0.5) * step, floor - min(1.0, value / self._most) * (low - 4))
            for i, value in enumerate(loss)
            if np.isfinite(value)
        ]
        if len(points) > 1:
            pen.line(points, LINE, max(1, unit // 8))
        middle = left + width / 2
        pen.line((middle, top, middle, floor), MARK, max(1, unit // 10))

    def _words(self, pen: ImageDraw.ImageDraw, frame: int) -> None:
        window, time, course = frame - MIDDLE, frame / FPS, self.course
        lines = [(f"{time:7.2f} s", INK)]
        if 0 <= window < len(course) and np.isfinite(course.probabilities[window, 0]):
            best = int(course.probabilities[window].argmax()) - course.probabilities.shape[1] // 2
            lines.append((f"delay {signed(best * FRAME_MS)} ms", SOFT))
        else:
            lines.append(("not scored here", SOFT))
        running = course.running[min(max(window, 0), len(course) - 1)] if len(course) else np.nan
        if np.isfinite(running):
            lines.append((f"score so far {number(running, 3)}", INK))
        if 0 <= window < len(course) and np.isfinite(course.loss[window]):
            lines.append((f"step loss {number(course.loss[window], 3)}", LINE))
        if any(start <= time < end for start, end in self.marked):
            lines.append(("UNUSUAL", MARK))
        left, top = round(0.68 * self.size[0]), self._picture[1] + self._unit // 2
        for row, (words, colour) in enumerate(lines):
            pen.text((left, top + 1.35 * row * self._unit), words, colour, self._font)


def _coloured(probabilities: np.ndarray) -> np.ndarray:
    """Turn probabilities, (N, D), into colours, uint8 (D, N, 3), positive delays at the top."""
    known = np.isfinite(probabilities)
    top = float(probabilities[known].max()) if known.any() else 1.0
    levels = np.rint(np.nan_to_num(probabilities) / top * 255).astype(np.uint8)
    colours = CIVIDIS[levels]
    colours[~known.all(axis=1)] = GREY
    return colours.transpose(1, 0, 2)[::-1]


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))
