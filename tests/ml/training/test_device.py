"""Where an arm is trained: a GPU where its framework finds one, and which one is said."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from ml.contract.errors import UserError
from ml.training.device import choose

if TYPE_CHECKING:
    from tests.plugin.commands import Call


def framework(gpu: str | None = None) -> ModuleType:
    module = ModuleType("network")
    module.accelerator = lambda: gpu  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_gpu_that_is_there_is_taken_and_named(wanted: str) -> None:
    assert choose(wanted, framework("H100"), "PyTorch 2") == ("cuda", "cuda (H100)")


def test_without_a_gpu_auto_is_the_cpu() -> None:
    assert choose("auto", framework(None), "PyTorch 2") == ("cpu", "cpu")


def test_who_wants_the_cpu_gets_it_and_no_gpu_is_looked_for() -> None:
    module = ModuleType("network")
    module.accelerator = pytest.fail  # type: ignore[attr-defined]

    assert choose("cpu", module, "PyTorch 2") == ("cpu", "cpu")


@pytest.mark.parametrize("module", [framework(None), ModuleType("knows of no GPU")])
def test_a_gpu_that_is_not_there_is_refused(module: ModuleType) -> None:
    with pytest.raises(UserError, match=r"--device cuda: PyTorch 2 finds no GPU .* --device auto"):
        choose("cuda", module, "PyTorch 2")


@pytest.mark.parametrize("command", ["ml.train_keras", "ml.train_torch"])
def test_a_command_refuses_it_in_one_line_before_films_are_read(
    run_command: Call, tmp_path: Path, command: str
) -> None:
    (tmp_path / "films.npz").write_text("no films")

    done = run_command("-m", command, "--data", "films.npz", "--device", "cuda", cwd=tmp_path)

    assert done.status == 1
    assert "--device cuda" in done.err
    assert "finds no GPU" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / ".local").exists()


def test_every_tensor_of_the_challenger_is_on_its_device(run_command: Call, tmp_path: Path) -> None:
    script = Path(__file__).with_name("stand_in_gpu.py")

    done = run_command(script, cwd=tmp_path)

    assert done.status == 0, done.err
    assert json.loads(done.out) == {"asked": ["meta"], "weights": ["meta"]}


_KERAS = """
import json
from types import SimpleNamespace
from ml.training.networks import keras_dense
asked = []
config = keras_dense.tf.config
gpu = config.PhysicalDevice("/physical_device:GPU:0", "GPU")
config.list_physical_devices = lambda kind: [gpu]
config.experimental.get_device_details = lambda device: {"device_name": "H100"}
config.experimental.set_memory_growth = lambda device, grow: asked.append(["grow", grow])
config.set_visible_devices = lambda devices, kind: asked.append([kind, devices])
found = keras_dense.accelerator()
for device in ("cpu", "cuda"):
    keras_dense.Network(28, 0, device)
print(json.dumps([found, *asked]))
"""


def test_the_champion_hides_a_gpu_that_nobody_wants_and_shares_one_that_is_wanted(
    run_command: Call, tmp_path: Path
) -> None:
    done = run_command("-c", _KERAS, cwd=tmp_path)

    assert done.status == 0, done.err
    assert json.loads(done.out) == ["H100", ["GPU", []], ["grow", True]]
