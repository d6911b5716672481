"""Where a network is trained; no GPU is needed to test the choice."""

import threading

import pytest
import torch

from charnn.errors import CharnnError, InputError
from charnn.training import device as devices
from charnn.training.device import choose_device, choose_precision, use_threads

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("requested", "cuda_count", "has_mps", "chosen"),
    [
        ("auto", 0, False, "cpu"),
        ("auto", 1, False, "cuda"),
        ("auto", 2, True, "cuda"),
        ("auto", 0, True, "mps"),
        ("cpu", 2, True, "cpu"),
        ("cuda", 1, False, "cuda"),
        ("cuda:0", 1, False, "cuda:0"),
        ("cuda:1", 2, False, "cuda:1"),
        ("mps", 0, True, "mps"),
    ],
)
def test_choice(requested, cuda_count, has_mps, chosen):
    assert choose_device(requested, cuda_count=cuda_count, has_mps=has_mps) == chosen


@pytest.mark.parametrize(
    ("requested", "cuda_count", "has_mps"),
    [("cuda", 0, True), ("cuda:0", 0, False), ("cuda:2", 2, False), ("mps", 1, False)],
)
def test_a_device_that_is_not_there_is_refused_with_the_remedy(requested, cuda_count, has_mps):
    with pytest.raises(InputError, match=f"--device {requested}: .*use --device auto or cpu"):
        choose_device(requested, cuda_count=cuda_count, has_mps=has_mps)


@pytest.mark.parametrize(
    "requested",
    [
        "",
        "gpu",
        "CPU",
        "cuda:",
        "cuda:x",
        "cuda:-1",
        "cuda:1:2",
        "mps:0",
        "cpu:1",
        "tpu",
        "cuda:01",
        "cuda:٣",
        "a\nb",
    ],
)
def test_an_unknown_device_is_refused(requested):
    with pytest.raises(InputError, match=r"--device.*is unknown") as caught:
        choose_device(requested, cuda_count=4, has_mps=True)
    assert "\n" not in str(caught.value)


def test_this_machine():
    assert devices.available_device("cpu") == CPU
    assert devices.available_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize(("device", "computes"), [(CPU, False), (torch.device("mps"), True)])
def test_bf16_needs_a_device_that_computes_in_it(device, computes, monkeypatch):
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: computes)
    assert choose_precision("auto", device) == "fp32"
    assert choose_precision("fp32", device) == "fp32"
    with pytest.raises(InputError, match=r"--precision bf16.*use fp32"):
        choose_precision("bf16", device)


def test_bf16_on_a_cpu_is_a_wish_or_a_measurement(monkeypatch):
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: True)
    assert choose_precision("bf16", CPU) == "bf16"
    assert choose_precision("auto", CPU) == "fp32"


@pytest.mark.parametrize(("computes", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_on_a_gpu(computes, chosen, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: computes)
    gpu = torch.device("cuda:0")
    assert choose_precision("auto", gpu) == chosen
    assert choose_precision("fp32", gpu) == "fp32"


def test_threads():
    before = torch.get_num_threads()
    assert devices.use_threads(None) == before
    assert devices.use_threads(1) == 1
    assert torch.get_num_threads() == 1


def test_generators_are_restored():
    devices.seed_everything(5)
    torch.rand(3)
    states = {name: state.clone() for name, state in devices.rng_states(CPU).items()}
    drawn = torch.rand(8)
    devices.restore_rng_states(states, CPU)
    assert torch.equal(torch.rand(8), drawn)


def test_a_state_made_on_a_gpu_is_restored_on_a_cpu():
    states = {**devices.rng_states(CPU), "cuda": torch.zeros(16, dtype=torch.uint8)}
    devices.restore_rng_states(states, CPU)


def test_a_gpu_s_generator_is_stored_and_restored(monkeypatch):
    gpu, restored = torch.device("cuda:1"), []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.full((16,), device.index))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: restored.append((state, device)))
    states = devices.rng_states(gpu)
    devices.restore_rng_states(states, gpu)
    assert restored == [(states["cuda"], gpu)] and states["cuda"].tolist() == [1] * 16
    devices.restore_rng_states({"cpu": states["cpu"]}, gpu)  # a state made on a CPU
    assert len(restored) == 1


@pytest.mark.parametrize("name", ["cuda", "mps", "cpu"])
def test_a_clock_waits_for_the_device_s_own_queue(name, monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: waited.append("cuda"))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    devices.synchronize(torch.device(name))
    assert waited == ([] if name == "cpu" else [name])


def test_the_machines_rate_is_measured():
    assert 0.01 < devices.machine_gflops(CPU, seconds=0.01) < 1e6


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee documentation"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_running_out_of_memory_gives_advice(error):
    wanted = pytest.raises(CharnnError, match="cuda:0 ran out of memory; give a smaller --batch-size")
    with wanted as caught, devices.memory_advice("cuda:0"):
        raise error
    assert caught.value.exit_code == 1


def test_other_faults_are_not_explained_away():
    with pytest.raises(RuntimeError, match="of our own"), devices.memory_advice("cpu"):
        raise RuntimeError("a mistake of our own")


def test_threads_that_cannot_be_started_are_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenMP would end the process where it can't have them."""
    before = torch.get_num_threads()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    try:
        with pytest.raises(CharnnError, match=r"the system doesn't start 3 threads .*give --threads 1"):
            use_threads(3)
        assert use_threads(1) == 1
    finally:
        torch.set_num_threads(before)
