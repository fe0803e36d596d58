"""Figures for papers are written in every format and show the correct numbers."""

import numpy as np
import pytest
from PIL import Image

from avforensics.report.figures import delays_figure, losses_figure, save_figures
from avforensics.report.plot_data import plot_data_of


def test_every_format_is_written_and_can_be_opened(result, tmp_path):
    paths = save_figures(result, tmp_path / "new", ("png", "pdf", "svg"))
    assert sorted(path.name for path in paths) == sorted(
        f"{name}.{suffix}" for name in ("delays", "losses") for suffix in ("png", "pdf", "svg")
    )
    assert all(path.is_file() for path in paths)
    assert (tmp_path / "new" / "delays.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(tmp_path / "new" / "delays.png") as image:
        assert image.width == 1650  # 5.5 inches at 300 dpi
        assert len(image.convert("RGB").resize((200, 120)).getcolors(24000)) > 100
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == sorted(
        path.name for path in paths
    )  # no temporary file left behind


def test_the_same_result_gives_the_same_bytes(result, tmp_path):
    first, second = (
        save_figures(result, tmp_path / name, ("pdf",))[0].read_bytes() for name in "ab"
    )
    assert first == second


def test_axes_are_seconds_frames_and_losses(result):
    observed, predicted = delays_figure(plot_data_of(result, 0.0)).axes[:2]
    image = observed.images[0]
    # Window 0 is drawn over frame 2, window 49 over frame 51.
    assert image.get_extent() == pytest.approx([2 / 25, 52 / 25, -15.5, 15.5])
    assert image.get_array().shape == (31, 50)
    assert image.get_clim() == predicted.images[0].get_clim()
    assert np.isnan(predicted.images[0].get_array()[:, 0].filled(np.nan)).all()
    upper, lower = losses_figure(plot_data_of(result, 1.0)).axes
    assert upper.lines[0].get_ydata()[22] == pytest.approx(2.25)
    assert upper.lines[0].get_xdata()[0] == pytest.approx(3.5 / 25)
    assert lower.lines[0].get_ydata()[-1] == pytest.approx(49 * result.scores[1].score)


def test_mistakes_are_named(result, tmp_path):
    with pytest.raises(ValueError, match="unknown figure format 'bmp'"):
        save_figures(result, tmp_path, ("bmp",))
    result.scores = []
    with pytest.raises(ValueError, match="not scored"):
        save_figures(result, tmp_path)
    assert not list(tmp_path.iterdir())
