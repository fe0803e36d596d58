"""Two processes give the same curve as one process with the same global batch.

Batch norm is frozen here, since its statistics differ over half a batch and synchronised batch norm
needs a GPU. The steps are plain gradient steps. Adam divides by the size of the gradient, so it
would hide a wrong factor, and it would magnify differences from the order of sums in float32.
"""

import json
import subprocess
import sys

import pytest

TOLERANCE = 1e-5  # relative error of a loss over eight steps

PHASES = {
    "own windows": ("data.phases=[{batch_size: 4, span: 20}]",),
    "other videos of all processes": (
        "data.phases=[{batch_size: 4, clips: 1}]",
        "module.gather=true",
        "module.symmetric=true",
    ),
}


@pytest.fixture(scope="module")
def begun(train_tiny, tmp_path_factory):
    """Settings that continue a short training with frozen statistics of batch norm."""
    folder = tmp_path_factory.mktemp("begun")
    train_tiny(folder, "trainer.max_epochs=2", "callbacks.best=null")
    return (
        f"module.init={folder / 'sync.safetensors'}",
        "module.freeze_norm=true",
        "optimizer._target_=torch.optim.SGD",
        "optimizer.lr=0.03",  # with 0.1, the last step magnified rounding a hundredfold
    )


@pytest.fixture
def curves(begun, train_tiny, tiny_settings, tmp_path):
    """Return a function that trains in one process and in two; it returns both curves."""

    def train(*more):
        one = train_tiny(tmp_path / "one", *begun, *more)
        settings = (*tiny_settings(tmp_path / "two"), *begun, *more, "trainer=ddp_sim")
        subprocess.run([sys.executable, "-m", "avforensics", "train", *settings], check=True)
        return one, json.loads((tmp_path / "two" / "curve.json").read_text())

    return train


@pytest.mark.slow
@pytest.mark.parametrize("name", PHASES)
def test_the_curve_of_one_process(name, curves):
    one, two = curves(*PHASES[name], "trainer.max_epochs=4")
    assert [row[0] for row in two["train"]] == list(range(1, 9))
    for (_, loss), (_, same) in zip(one["train"], two["train"], strict=True):
        assert same == pytest.approx(loss, rel=TOLERANCE)
    for a, b in zip(one["val"], two["val"], strict=True):
        assert b[:2] == a[:2]
        assert b[2]["loss"] == pytest.approx(a[2]["loss"], rel=TOLERANCE)
    losses = [row[1] for row in one["train"]]
    assert max(losses) - min(losses) > 100 * TOLERANCE  # or the comparison would prove little


@pytest.mark.slow
def test_without_gathering_the_negatives_are_fewer(curves):
    one, two = curves("data.phases=[{batch_size: 4, clips: 1}]", "trainer.max_epochs=1")
    assert two["train"][0][1] < one["train"][0][1] - 0.1


@pytest.mark.slow
def test_processes_divide_a_packed_step(curves):
    one, two = curves("data.phases=[{frames: 144, edges: 0}]", "trainer.max_epochs=1")
    assert len(two["train"]) == len(one["train"]) == 2
    for (_, loss), (_, same) in zip(one["train"], two["train"], strict=True):
        assert same == pytest.approx(loss, rel=1e-4)  # no border within clips of 36 frames
