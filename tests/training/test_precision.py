"""A person is told where bfloat16 is emulated, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from workbench.training import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("flags", "warned"),
    [
        ("flags : fpu avx2 avx512f", True),
        ("flags : fpu avx512_bf16", False),
        ("flags : fpu amx_bf16 amx_tile", False),
        ("Features : fp asimd bf16", False),
    ],
)
def test_by_what_the_processor_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, warned: bool
) -> None:
    place = tmp_path / "cpuinfo"
    place.write_text(flags)
    monkeypatch.setattr(precision, "CPU_FLAGS", place)
    found = precision.warning_of("bf16", CPU)
    assert (found is not None) == warned
    assert precision.warning_of("float32", CPU) is None


def test_a_system_that_does_not_say_is_not_warned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "CPU_FLAGS", tmp_path / "missing")
    assert precision.warning_of("bf16", CPU) is None


@pytest.mark.parametrize("supported", [True, False])
def test_by_what_the_gpu_has(monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    found = precision.warning_of("bf16", torch.device("cuda"))
    assert (found is None) == supported


def test_tf32_is_for_gpus_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "this device has none" in (precision.warning_of("tf32", CPU) or "")
    for capability, warned in (((7, 5), True), ((8, 0), False), ((9, 0), False)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, own=capability: own)
        assert (precision.warning_of("tf32", torch.device("cuda")) is not None) == warned
