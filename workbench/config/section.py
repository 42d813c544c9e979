"""What every section of a config has in common, and the kinds of numbers in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def check_range(name: str, bounds: tuple[float, float] | None) -> None:
    """Refuse a range whose ends are the wrong way round.

    Raises:
        ValueError: its low end is above its high end; for a validator to pass on.
    """
    if bounds is not None and bounds[0] > bounds[1]:
        raise ValueError(f"{name} = {bounds[0]} {bounds[1]}: LOW must not be above HIGH")


class Section(BaseModel):
    """Cannot be changed, and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
