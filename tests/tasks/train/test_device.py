"""The choice of a device."""

import pytest
import torch

from data.errors import DeviceError
from tasks.normalise.threads import one_thread
from tasks.train.device import available_devices, choose_device, fits_in_memory


def test_auto_takes_what_is_there() -> None:
    assert str(choose_device("auto")) == available_devices()[0]
    assert choose_device("cpu").type == "cpu"


def test_cuda_goes_before_mps_before_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert available_devices() == ("cuda:0", "cuda:1", "mps", "cpu")
    assert choose_device("auto") == torch.device("cuda:0")
    assert choose_device("cuda") == torch.device("cuda:0")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match=r"no 'cuda:2'; it has cuda:0, cuda:1, mps, cpu"):
        choose_device("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("mps")
    assert choose_device("auto", "float64") == torch.device("cpu")
    with pytest.raises(DeviceError, match="float64"):
        choose_device("mps", "float64")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_a_usage_error_that_lists_those_there() -> None:
    with pytest.raises(DeviceError, match=r"it has .*cpu") as error:
        choose_device("cuda:7")
    assert error.value.exit_code == 2


def test_rows_always_fit_where_they_lie() -> None:
    assert fits_in_memory(2**60, torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_s_memory_is_asked_for() -> None:
    assert fits_in_memory(1 << 20, torch.device("cuda:0"))
    assert not fits_in_memory(1 << 60, torch.device("cuda:0"))


def test_threads_come_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
