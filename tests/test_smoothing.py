"""Our filters give exactly the same numbers as SciPy, whose import takes longer."""

import numpy as np
import pytest
from scipy import ndimage

from avforensics import smoothing


@pytest.mark.parametrize("count", [1, 7, 60, 10_050])
def test_the_filters_are_those_of_scipy_to_the_bit(count):
    values = np.random.default_rng(count).normal(size=(count, 3)) * [1, 1e3, 1e-3]
    for deviation in (0.7, 5.0):
        expected = ndimage.gaussian_filter1d(values, deviation, axis=0, mode="nearest")
        assert np.array_equal(smoothing.gaussian(values, deviation), expected)
    for mode in smoothing.MODES:
        for size in (1, 8, 37):
            expected = ndimage.uniform_filter1d(values, size, axis=0, mode=mode)
            assert np.array_equal(smoothing.running_mean(values, size, mode=mode), expected)
        low, middle = (smoothing.running_rank(values, 41, n, mode=mode) for n in (4, 20))
        expected = ndimage.percentile_filter(values, 10, size=(41, 1), mode=mode)
        assert np.array_equal(low, expected)
        assert np.array_equal(middle, ndimage.median_filter(values, size=(41, 1), mode=mode))
    flags = values[:, 0] > 2
    expected = ndimage.binary_dilation(flags, np.ones(9, bool))
    assert np.array_equal(smoothing.widened(flags, 9), expected)
