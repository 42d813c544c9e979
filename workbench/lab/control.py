"""What the one who watches wants of a run: a file in the run's folder that its worker reads.

To stop a run, use `workbench.runs.RunStore.request_stop`: every run obeys it, also outside the lab.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workbench.config import NonNegative, Positive, Share
from workbench.config.section import check_range
from workbench.errors import InputError, first_problem
from workbench.runs.files import read_object, write_text

CONTROL_FILE = "control.json"


class Control(BaseModel):
    """What is wanted, in full; the worker compares it with what it does.

    Attributes:
        paused: wait at the next reading of the loss.
        steps: readings granted since the run was started, while it is paused.
        alpha, mask_range, lr: to train with from now on; None leaves what there is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    paused: bool = False
    steps: Annotated[int, Field(ge=0, le=2**31)] = 0
    alpha: NonNegative | None = None
    mask_range: tuple[Share, Share] | None = None
    lr: Positive | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Control:
        check_range("mask_range", self.mask_range)
        return self

    def one_step(self) -> Control:
        """Train up to the next reading and wait there."""
        return self.model_copy(update={"paused": True, "steps": self.steps + self.paused})

    def go_on(self) -> Control:
        """Train without waiting."""
        return self.model_copy(update={"paused": False})


def read_control(folder: Path) -> Control:
    """What is wanted of the run in `folder`; what cannot be read wants nothing."""
    try:
        return Control.model_validate(read_object(folder, CONTROL_FILE))
    except (InputError, ValidationError):
        return Control()


def write_control(folder: Path, control: Control) -> None:
    """Say what is wanted.

    Raises:
        InputError: a value that is not allowed, or the file cannot be written.
    """
    try:
        Control.model_validate(control.model_dump())
    except ValidationError as error:
        raise first_problem(error, "control") from None
    write_text(folder / CONTROL_FILE, control.model_dump_json(), durable=False)
