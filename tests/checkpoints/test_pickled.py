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


def _write(folder: Path, content, protocol=4) -> Path:
    """Write an object's pickle, or bytes as they are."""
    path = folder / "pca.pkl"
    raw = isinstance(content, bytes)
    path.write_bytes(content if raw else pickle.dumps(content, protocol=protocol))
    return path


def _named_as_before_numpy_2(fitted):
    now = pickle.dumps(fitted, protocol=2)
    assert b"cnumpy._core." in now
    return now.replace(b"cnumpy._core.", b"cnumpy.core.")


def _in_other_orders(fitted):
    fitted[1].components_ = np.asfortranarray(fitted[1].components_).astype(">f8", order="F")
    fitted[0].mean_ = fitted[0].mean_.astype(">f8")
    return fitted


FORMS = {
    "protocol 2": lambda fitted: pickle.dumps(fitted, protocol=2),
    "protocol 3": lambda fitted: pickle.dumps(fitted, protocol=3),
    "protocol 4": lambda fitted: pickle.dumps(fitted, protocol=4),
    "protocol 5": lambda fitted: pickle.dumps(fitted, protocol=5),
    "names before numpy 2": _named_as_before_numpy_2,
    "list": lambda fitted: [fitted[0], fitted[1]],
    "tuple": lambda fitted: (fitted[0], fitted[1]),
    "mapping": lambda fitted: {"a": fitted[0], "b": fitted[1]},
    "columns and bytes in other orders": _in_other_orders,
}


@pytest.mark.parametrize("form", FORMS)
def test_equals_scikit_learn(tmp_path, form):
    fitted = fitted_pipeline(40, 7)
    rows = np.random.default_rng(1).normal(0, 9, (5, 40))
    expected = fitted.transform(rows)
    projection = read_projection(_write(tmp_path, FORMS[form](fitted)))
    np.testing.assert_allclose(projection(torch.from_numpy(rows)), expected, atol=1e-5)


def test_pca_without_a_scaler(tmp_path):
    pca = fitted_pipeline(40, 7)[1]
    rows = torch.randn(3, 40, dtype=torch.float64)
    projected = read_projection(_write(tmp_path, pca))(rows)
    np.testing.assert_allclose(projected, pca.transform(rows.numpy()), atol=1e-5)


@pytest.mark.reference
def test_released_pca(reference):
    projection = read_projection(reference / "pca.pkl")
    assert projection.components.shape == (31, 1024)
    rows = projection.components @ projection.components.T
    torch.testing.assert_close(rows, torch.eye(31, dtype=torch.float64))
    assert (projection.scale > 0).all()


def test_scikit_learn_is_not_needed(tmp_path):
    path = _write(tmp_path, fitted_pipeline(40, 7))
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
    with pytest.raises(CheckpointError) as raised:
        read_projection(_write(tmp_path, content))
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


def _changed(**arrays):
    fitted = fitted_pipeline(40, 7)
    for name, array in arrays.items():
        step, attribute = name.split("__")
        setattr(fitted[step], attribute, array)
    return fitted


def _with_short_bytes():
    whole = pickle.dumps(np.arange(40.0), protocol=2)
    assert b"K\x28" in whole  # the length, 40
    return whole.replace(b"K\x28", b"K\x29")


def _endless():
    endless = []
    endless.append(endless)
    return endless


TRUNCATED = "truncated, damaged or not a pickle"
WRONG = {
    "shape": (_changed(scaling__mean_=np.zeros(39)), r"mean_ of StandardScaler .* shape \(39,\)"),
    "text": (_changed(pca__components_="none"), "components_ is missing"),
    "row": (_changed(pca__components_=np.zeros(40)), "components_ is missing or not a matrix"),
    "scale": (_changed(scaling__scale_=np.zeros(40)), "scale_ must be positive"),
    "nan": (_changed(pca__components_=np.full((7, 40), np.nan)), "components has values"),
    "objects": (_changed(pca__mean_=np.array([None] * 40)), "is not an array of numbers"),
    "whitening": (fitted_pipeline(40, 7, whiten=True), "must not whiten"),
    "a function of scikit-learn": (_Call(shuffle, [1, 2, 3]), "contains no PCA"),
    "a list that contains itself": (_endless(), r"contains no PCA \(found: list\)"),
    "short bytes": (_with_short_bytes(), r"array of shape \(41,\) has 320 bytes"),
    "1 byte": (pickle.dumps(fitted_pipeline(40, 7))[:1], TRUNCATED),
    "30 bytes": (pickle.dumps(fitted_pipeline(40, 7))[:30], TRUNCATED),
    "3000 bytes": (pickle.dumps(fitted_pipeline(40, 7))[:3000], TRUNCATED),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(tmp_path, case):
    content, message = WRONG[case]
    with pytest.raises(CheckpointError, match=message):
        read_projection(_write(tmp_path, content))
