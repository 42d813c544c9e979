"""`training.precision`: where bfloat16 and TF32 pay off, and where they do not."""

from __future__ import annotations

from pathlib import Path

import torch

CPU_FLAGS = Path("/proc/cpuinfo")
_UNITS = {"avx512_bf16", "amx_bf16", "bf16"}
"""What Linux calls bfloat16 units of x86 and of ARM processors."""


def warning_of(precision: str, device: torch.device) -> str | None:
    """What a person should know before training in this precision, or None.

    Without units for it, bfloat16 is emulated: right, but slower than float32. Systems other than
    Linux do not say what their processor has; there is no warning then.
    """
    if precision == "tf32" and not _has_tf32(device):
        return "training.precision = 'tf32': this device has none; products are float32's"
    if precision != "bf16":
        return None
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return None
        return "training.precision = 'bf16': this GPU only emulates it; 'float32' is faster here"
    if device.type != "cpu" or not CPU_FLAGS.exists():
        return None
    if _UNITS & set(CPU_FLAGS.read_text(encoding="utf-8", errors="replace").split()):
        return None
    return (
        "training.precision = 'bf16': this processor only emulates it, several times slower than "
        "'float32'"
    )


def _has_tf32(device: torch.device) -> bool:
    """NVIDIA's GPUs do from Ampere on."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
