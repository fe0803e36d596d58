"""User classes are registered, described and rebuilt; invalid ones are refused at once."""

import pytest
import torch
from torch import nn

from avforensics import register
from avforensics.checkpoints.architecture import build, check_savable, describe
from avforensics.errors import CheckpointError, ConfigError
from avforensics.models.anomaly import AnomalyModel
from avforensics.models.objectives import NextRow, SoftCrossEntropy
from avforensics.models.protocols import VisualProtocol, require
from avforensics.models.registered import CLASSES


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    """Undo the registrations of a test afterwards."""
    monkeypatch.setattr(CLASSES, "_entries", dict(CLASSES._entries))


class Plain(nn.Module):
    """A minimal decoder."""

    def __init__(self, *, inputs, outputs, positions, width=3, **more):
        super().__init__()
        self.row_width, self.max_len = inputs, positions + 1
        self.layer = nn.Linear(inputs, outputs)
        self.extra = nn.Linear(width, len(more) + 1)

    def forward(self, rows):
        return self.layer(rows)


def test_the_constructors_arguments_are_kept_and_build_it_again():
    register(Plain)
    model = AnomalyModel(
        decoder=Plain(inputs=7, outputs=7, positions=4, colour="red"), objective=SoftCrossEntropy()
    )
    described = describe(model)
    assert described["decoder"] == {
        "class": "Plain", "inputs": 7, "outputs": 7, "positions": 4, "width": 3, "colour": "red",
    }  # fmt: skip
    check_savable(model)
    again = build(described)
    again.load_state_dict(model.state_dict())
    rows = torch.randn(2, 5, 7)
    assert torch.equal(again(rows)[0], model(rows)[0])


def test_a_child_of_one_of_our_classes_keeps_its_own_arguments():
    @register
    class Smooth(SoftCrossEntropy):
        def __init__(self, *, epsilon=0.1):
            super().__init__()
            self.epsilon = epsilon

    assert describe(Smooth(epsilon=0.5)) == {"class": "Smooth", "epsilon": 0.5}
    assert build({"class": "Smooth"}).epsilon == 0.1
    assert describe(SoftCrossEntropy()) == {"class": "SoftCrossEntropy"}


def test_an_unregistered_class_is_refused_with_the_remedy():
    class Stranger(NextRow):
        def step_losses(self, outputs, following):
            return (outputs - following).square().sum(-1)

    with pytest.raises(
        ConfigError, match=r"a network that contains Stranger cannot be saved, .* @register"
    ):
        check_savable(Stranger())
    with pytest.raises(CheckpointError, match="unknown network class 'Stranger'; import the code"):
        build({"class": "Stranger"})
    with pytest.raises(CheckpointError, match="unknown network class"):
        build({"class": ["os", "system"]})


def test_arguments_that_cannot_be_written_are_refused():
    @register
    class Odd(nn.Module):
        def __init__(self, function):
            super().__init__()

    with pytest.raises(ConfigError, match=r"Odd\.function is a builtin_function_or_method"):
        check_savable(Odd(len))
    with pytest.raises(
        ConfigError, match=r"Odd\.function is a Linear|a network that contains Linear"
    ):
        check_savable(Odd(nn.Linear(1, 1)))


def test_other_tensors_than_those_of_the_description_are_refused():
    @register
    class Grown(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

    module = Grown()
    check_savable(module)
    module.layer = nn.Linear(3, 2)
    with pytest.raises(
        ConfigError, match=r"Grown is rebuilt from its arguments, tensor layer\.weight"
    ):
        check_savable(module)


def test_checking_draws_no_random_numbers_of_the_training():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    register(Plain)
    decoder = Plain(inputs=2, outputs=2, positions=2)
    torch.manual_seed(0)
    check_savable(decoder)
    assert torch.equal(torch.rand(3), expected)


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(
        ValueError, match="a network class named 'SyncNetwork' is already registered"
    ):
        register(type("SyncNetwork", (nn.Module,), {"__module__": "elsewhere"}))


def test_a_part_that_lacks_something_is_named():
    with pytest.raises(TypeError, match=r"Linear cannot be the visual encoder: .*pad_time.*frames"):
        require(nn.Linear(1, 1), VisualProtocol, "visual encoder")
