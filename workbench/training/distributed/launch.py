"""Whether torchrun started this process; does not import torch, so that every command can ask."""

from __future__ import annotations

import os
from collections.abc import Mapping


def launched(environment: Mapping[str, str] | None = None) -> bool:
    """True in one of several processes of a job that ``torchrun`` started.

    A single process under torchrun trains as it does without.

    Args:
        environment: of the process; its own by default.
    """
    values = os.environ if environment is None else environment
    size = values.get("WORLD_SIZE", "1")
    return "TORCHELASTIC_RUN_ID" in values and size.isdigit() and int(size) > 1
