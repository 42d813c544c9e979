"""What searches on validation AUC found: the settings behind the preset "tuned".

Only what differs from the paper's preset is listed; `workbench.presets` explains each key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Found:
    """The best configuration of a search.

    Attributes:
        settings: sections of the config.
        trials: configurations compared.
        valid_auc: the best one's, of one seed.
    """

    settings: Mapping[str, Mapping[str, Any]]
    trials: int
    valid_auc: float


TUNED: Final[dict[tuple[str, str, str], Found]] = {}
"""(data source, model, method) -> what was found."""
