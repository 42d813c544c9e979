"""What the statistics take: values of any kind as tensors and arrays, checked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workbench.errors import InputError
from workbench.metrics import check_integers

Values = Tensor | npt.ArrayLike


def as_tensor(values: Values) -> Tensor:
    """Values on the CPU."""
    # torch.tensor copies: a pandas column is read-only, which torch only accepts with a warning.
    return values.detach().cpu() if isinstance(values, Tensor) else torch.tensor(np.asarray(values))


def ids_of(name: str, values: Values, rows: Tensor) -> Tensor:
    """Whole numbers, one per row; refuses others in one line that names them."""
    ids = as_tensor(values)
    check_integers(name, ids, rows)
    return ids.long()


def finite(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A vector of finite numbers; refuses others in one line that names it."""
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise InputError(f"{name} must be one-dimensional and not empty, got {list(array.shape)}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}")
    return array


def check_settings(replicates: int = 1, seed: int = 0, level: float = 0.5) -> None:
    """Refuse what no bootstrap and no test can be asked."""
    if replicates < 1:
        raise InputError(f"replicates must be 1 or more, got {replicates}")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, got {seed}")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}")
