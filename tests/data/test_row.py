from pathlib import Path

import numpy as np

from avforensics.data.cut import FaceClip, clip_row
from avforensics.data.row import Row, clip_names


def test_names_of_clips():
    rows = [
        Row("/d/set/p1/x.y.avi", 0),
        Row("/d/set/p1/x.y.mov", 0),
        Row("/d/set/p2/a b.mp4", 0, start=0.5),
        Row("/d/set/p2/a b.mp4", 1, start=2.0, duration=1.25),
        Row("/d/set/p2/a b.mp4", 0, start=0.5, category="doubled"),
        Row("/d/set/c.mp4", 0, duration=3.0),
    ]
    names = ["p1/x.y", "p1/x.y.mov", "p2/a b@0.5", "p2/a b@2+1.25", "p2/a b@0.5", "c"]
    assert clip_names(rows) == names
    assert clip_names(rows[:1]) == ["x.y"]


def test_the_row_of_a_clip_counts_from_its_start():
    row = Row("/v.mp4", 1, start=0.8, duration=0.6, segments=((0.5, 1.0), (1.2, 9.0), (0, 0.1)))
    new = clip_row(row, Path("/"), FaceClip("clip.mp4", 0.8, 15, "12"))
    assert (new.path, new.start, new.duration) == ("/clip.mp4", 0.0, 0.6)
    assert np.allclose(new.segments, [(0, 0.2), (0.4, 0.6)])
    assert (new.label, new.hash, new.audio) == (1, "12", "")


def test_the_unforged_part_of_a_forgery_is_no_fake():
    def cut(row, start):
        return clip_row(row, Path("/"), FaceClip("clip.mp4", start, 1500, ""))

    fake = Row("/v.mp4", 1, segments=((70.0, 72.0),))
    assert cut(fake, 0.0) is None and cut(fake, 72.0) is None
    assert cut(fake, 60.0).segments == ((10.0, 12.0),)
    assert cut(fake._replace(segments=((0.1, 0.3 + 1e-9),)), 0.3) is None, "a rounding error"
    whole, real = fake._replace(segments=()), fake._replace(label=0)
    assert cut(whole, 0.0).label == 1 and cut(real, 0.0).segments == ()
