"""Both architectures, by the same specification."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

PARAMETERS = {"keras_dense": 145_505, "torch_residual": 241_377}


@pytest.fixture(params=PARAMETERS)
def network(request):
    return request.param


@pytest.fixture(scope="module")
def observe(few_films, run_command, tmp_path_factory):
    """Facts and answers of a network after these trainings, from a process of its own."""

    @functools.cache
    def run(network, *trainings):
        folder = tmp_path_factory.mktemp(network)
        np.savez(folder / "films.npz", **few_films)
        script = Path(__file__).with_name("observe_network.py")
        done = run_command(script, network, folder / "films.npz", folder, *trainings, cwd=folder)
        assert done.status == 0, done.err
        with np.load(folder / "answers.npz") as answers:
            return json.loads((folder / "facts.json").read_text()) | dict(answers)

    return run


@pytest.fixture
def observed(observe, network):
    """After two epochs with seed 3, the same again, and with seed 4."""
    return observe(network, "3:2", "3:2", "4:2")


def test_the_number_of_parameters(observed, network):
    assert observed["parameters"] == PARAMETERS[network]


@pytest.mark.parametrize("size", [16, 28, 65])
def test_any_image_size_gives_one_probability_an_image(observed, size):
    probabilities = observed[f"size {size}"]

    assert probabilities.shape == (3, 1)
    assert probabilities.dtype == np.float32
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_the_same_seed_gives_the_same_network(observed):
    np.testing.assert_array_equal(observed["training 0"], observed["training 1"])


def test_another_seed_gives_another_network(observed):
    assert not np.array_equal(observed["training 0"], observed["training 2"])


@pytest.mark.slow("trains both networks for 40 epochs")
def test_it_learns_from_a_few_films(observe, network):
    assert observe(network, "0:40")["kept aucs"][0] > 0.9


def test_the_network_that_is_kept_is_the_one_that_was_watched(observed):
    assert observed["kept aucs"] == observed["watched aucs"]


def test_it_trains_on_every_batch_of_every_epoch_in_their_order(observed):
    """Keras is asked for the first one twice: to declare its shape, and to train on."""
    wanted = [[epoch, index] for epoch in range(2) for index in range(2)]

    assert observed["batches"][0][-len(wanted) :] == wanted


@pytest.mark.parametrize(
    ("command", "framework"), [("ml.train_keras", "tensorflow"), ("ml.train_torch", "torch")]
)
def test_an_arm_imports_its_own_framework_alone(trained, command, framework):
    assert trained.runs[command].out.rpartition("imported:")[2].split() == [framework]
