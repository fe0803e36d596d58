"""pca.pkl: numbers are read, code is not run."""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils import shuffle
from sklearn_pipeline import fitted_pipeline

from avforensics.checkpoints.published import read_projection
from avforensics.errors import CheckpointError


def _write(path: Path, content, protocol=4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_equals_scikit_learn(tmp_path, protocol):
    fitted = fitted_pipeline(40, 7)
    rows = np.random.default_rng(1).normal(0, 9, (5, 40))
    projection = read_projection(_write(tmp_path / "pca.pkl", fitted, protocol))
    projected = projection(torch.from_numpy(rows))
    np.testing.assert_allclose(projected, fitted.transform(rows), atol=1e-5)


def test_names_from_before_numpy_2(tmp_path):
    fitted = fitted_pipeline(40, 7)
    now = pickle.dumps(fitted, protocol=2)
    old = now.replace(b"cnumpy._core.", b"cnumpy.core.")
    assert old != now
    path = tmp_path / "pca.pkl"
    path.write_bytes(old)
    np.testing.assert_array_equal(read_projection(path).components, fitted[-1].components_)


@pytest.mark.parametrize(
    "wrap", [lambda p: [p[0], p[1]], lambda p: (p[0], p[1]), lambda p: {"a": p[0], "b": p[1]}]
)
def test_scaler_and_pca_in_a_plain_container(tmp_path, wrap):
    fitted = fitted_pipeline(40, 7)
    projection = read_projection(_write(tmp_path / "pca.pkl", wrap(fitted)))
    np.testing.assert_array_equal(projection.scale, fitted[0].scale_)


def test_pca_without_a_scaler(tmp_path):
    fitted = fitted_pipeline(40, 7)
    projection = read_projection(_write(tmp_path / "pca.pkl", fitted[1]))
    rows = torch.randn(3, 40, dtype=torch.float64)
    np.testing.assert_allclose(projection(rows), fitted[1].transform(rows.numpy()), atol=1e-5)


def test_column_order_and_byte_order_are_kept(tmp_path):
    fitted = fitted_pipeline(40, 7)
    components = fitted[1].components_
    fitted[1].components_ = np.asfortranarray(components).astype(">f8", order="F")
    fitted[0].mean_ = fitted[0].mean_.astype(">f8")
    projection = read_projection(_write(tmp_path / "pca.pkl", fitted))
    np.testing.assert_array_equal(projection.components, components)
    np.testing.assert_array_equal(projection.mean, fitted[0].mean_)


@pytest.mark.reference
def test_released_pca(reference):
    projection = read_projection(reference / "pca.pkl")
    assert projection.components.shape == (31, 1024)
    rows = projection.components @ projection.components.T
    torch.testing.assert_close(rows, torch.eye(31, dtype=torch.float64))
    assert (projection.scale > 0).all()


def test_scikit_learn_is_not_needed(tmp_path):
    path = _write(tmp_path / "pca.pkl", fitted_pipeline(40, 7))
    code = (
        "import sys; from pathlib import Path\n"
        "sys.modules['sklearn'] = None  # makes every import of it fail\n"
        "from avforensics.checkpoints.published import read_projection\n"
        "print(tuple(read_projection(Path(sys.argv[1])).components.shape))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(7, 40)"


class _Call:
    """Object whose pickle calls `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _forbidden(marker):
    command = f"touch {marker}"
    return {
        "system": _Call(os.system, command),
        "popen": _Call(subprocess.Popen, ["touch", str(marker)]),
        "eval": _Call(eval, f"open({str(marker)!r}, 'w')"),
        "in a pipeline": _in_a_pipeline(_Call(os.system, command)),
        "in an array": np.array([_Call(os.system, command)], dtype=object),
    }


def _in_a_pipeline(payload):
    fitted = fitted_pipeline(40, 7)
    fitted[1].mean_ = payload
    return fitted


@pytest.mark.parametrize("case", ["system", "popen", "eval", "in a pipeline", "in an array"])
def test_code_is_refused_and_not_run(tmp_path, case):
    marker = tmp_path / "executed"
    content = pickle.dumps(_forbidden(marker)[case])
    path = tmp_path / "pca.pkl"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as raised:
        read_projection(path)
    assert not marker.exists()
    if case != "in an array":
        name = {"popen": "subprocess.Popen", "eval": "builtins.eval"}.get(case, ".system")
        assert name in str(raised.value)
    pickle.loads(content)  # the same bytes do act when unpickled normally
    for _ in range(100):
        if marker.exists():
            break
        time.sleep(0.05)
    assert marker.exists()


def test_a_scikit_learn_function_is_not_called(tmp_path):
    path = _write(tmp_path / "pca.pkl", _Call(shuffle, [1, 2, 3]))
    with pytest.raises(CheckpointError, match="holds no PCA"):
        read_projection(path)


@pytest.mark.parametrize("kept", [1, 30, 300, 3000])
def test_truncated_pickle(tmp_path, kept):
    path = tmp_path / "pca.pkl"
    path.write_bytes(pickle.dumps(fitted_pipeline(40, 7))[:kept])
    with pytest.raises(CheckpointError, match="truncated, damaged or not a pickle"):
        read_projection(path)


def test_array_whose_bytes_are_short(tmp_path):
    whole = pickle.dumps(np.arange(40.0), protocol=2)
    assert b"K\x28" in whole  # the length, 40
    path = tmp_path / "pca.pkl"
    path.write_bytes(whole.replace(b"K\x28", b"K\x29"))
    with pytest.raises(CheckpointError, match=r"array of shape \(41,\) has 320 bytes"):
        read_projection(path)


def test_a_list_that_contains_itself(tmp_path):
    endless = []
    endless.append(endless)
    with pytest.raises(CheckpointError, match=r"holds no PCA \(found: list\)"):
        read_projection(_write(tmp_path / "pca.pkl", endless))


def _changed(**arrays):
    fitted = fitted_pipeline(40, 7)
    for name, array in arrays.items():
        step, attribute = name.split("__")
        setattr(fitted[step], attribute, array)
    return fitted


WRONG = {
    "shape": ({"scaling__mean_": np.zeros(39)}, r"mean_ of StandardScaler is of shape \(39,\)"),
    "text": ({"pca__components_": "none"}, "components_ is missing"),
    "row": ({"pca__components_": np.zeros(40)}, "components_ is missing or not a matrix"),
    "scale": ({"scaling__scale_": np.zeros(40)}, "scale_ must be positive"),
    "nan": ({"pca__components_": np.full((7, 40), np.nan)}, "components has values"),
    "objects": ({"pca__mean_": np.array([None] * 40)}, "is not an array of numbers"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(tmp_path, case):
    arrays, message = WRONG[case]
    with pytest.raises(CheckpointError, match=message):
        read_projection(_write(tmp_path / "pca.pkl", _changed(**arrays)))


def test_whitening_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="must not whiten"):
        read_projection(_write(tmp_path / "pca.pkl", fitted_pipeline(40, 7, whiten=True)))
