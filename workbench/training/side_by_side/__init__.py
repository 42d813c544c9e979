"""Many settings and seeds trained side by side in one batched model; see `fit_side_by_side`."""

from workbench.training.side_by_side.fit import Told, fit_side_by_side
from workbench.training.side_by_side.stack import Member, Stack

__all__ = ["Member", "Stack", "Told", "fit_side_by_side"]
