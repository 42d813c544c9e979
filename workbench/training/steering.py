"""Settings that move while a model trains: from the config's list of changes, or by hand.

A change made by hand is applied where the list would apply it. A run that was steered can therefore
be repeated from its list, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.config import SettingChange

if TYPE_CHECKING:
    from workbench.training.trainer import Trainer


class Steering:
    """Applies changes to a trainer's optimiser and model.

    Args:
        changes: in order; those made by hand are added to them.
    """

    def __init__(self, changes: Sequence[SettingChange]) -> None:
        self._changes = {(change.epoch, change.step): change for change in changes}
        self._first_rates: list[float] = []

    @property
    def changes(self) -> tuple[SettingChange, ...]:
        """All changes so far and those to come, in order."""
        return tuple(self._changes[place] for place in sorted(self._changes))

    def begin(self, trainer: Trainer) -> None:
        """Before the first step: a resumed run takes up what was changed before it broke off."""
        self._first_rates = [float(group["lr"]) for group in trainer.optimizer.param_groups]
        for change in self.changes:
            if (change.epoch, change.step) < (trainer.epoch + 1, trainer.step):
                self._apply(trainer, change)

    def before_step(self, trainer: Trainer) -> None:
        """Apply what is listed for the step that comes."""
        change = self._changes.get((trainer.epoch + 1, trainer.step))
        if change is not None:
            self._apply(trainer, change)

    def now(
        self,
        trainer: Trainer,
        *,
        lr: float | None = None,
        alpha: float | None = None,
        mask_range: tuple[float, float] | None = None,
    ) -> SettingChange:
        """Change settings by hand, from the next step on; the change joins the list.

        Call it from a hook: between two steps.
        """
        # After the last step of an epoch only its validation is left, which reads none of them.
        last = trainer.step == trainer.steps
        place = (trainer.epoch + 2, 0) if last else (trainer.epoch + 1, trainer.step)
        told = {"lr": lr, "alpha": alpha, "mask_range": mask_range}
        update = {name: value for name, value in told.items() if value is not None}
        before = self._changes.get(place)
        known = before.model_dump() if before is not None else {}
        change = SettingChange.model_validate(
            known | {"epoch": place[0], "step": place[1]} | update
        )
        self._changes[place] = change
        self._apply(trainer, change)
        return change

    def _apply(self, trainer: Trainer, change: SettingChange) -> None:
        if change.lr is not None:
            groups = zip(trainer.optimizer.param_groups, self._first_rates, strict=True)
            for group, first in groups:
                group["lr"] = first * change.lr / trainer.config.lr
        model = trainer.model
        if change.alpha is not None:
            model.config = model.config.model_copy(update={"alpha": change.alpha})
        if change.mask_range is not None and model.mask is not None:
            model.config = model.config.model_copy(update={"mask_range": change.mask_range})
            model.mask.low, model.mask.high = change.mask_range
