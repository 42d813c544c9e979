"""What a run is doing: the contents of ``status.json``."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.errors import InputError, first_problem
from workbench.runs.files import parse_object

STATUS_VERSION: Final = 1

WrittenState = Literal["queued", "running", "finished", "failed", "stopped"]
"""What a writer can say of its run."""
State = Literal["queued", "running", "finished", "failed", "stopped", "interrupted", "broken"]
"""What a reader can find: "interrupted" lost its writer, "broken" cannot be read."""

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Status(BaseModel):
    """One reading of a run's progress.

    Attributes:
        state: what the writer said last; "queued" waits for a process that trains it.
        heartbeat: when it said so, seconds since 1970.
        epoch: the epoch under way, from 0 on.
        step: steps done in this epoch.
        steps: steps of a whole epoch; 0 where that is not known yet.
        message: one line for people, such as the reason of a failure.
        pid: the writer's process.
        version: of this file's form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: WrittenState
    heartbeat: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    epoch: Count = 0
    step: Count = 0
    steps: Count = 0
    message: Annotated[str, Field(max_length=100_000)] = ""
    pid: Count = 0
    version: Literal[1] = STATUS_VERSION

    @classmethod
    def from_json(cls, text: str, place: str) -> Status:
        """Read ``status.json``.

        Raises:
            InputError: not JSON, written by a newer version, or not a valid status.
        """
        values = parse_object(text, place)
        version = values.get("version")
        if isinstance(version, int) and version > STATUS_VERSION:
            raise InputError(
                f"{place}: version {version} is newer than this program's {STATUS_VERSION}; upgrade"
            )
        return cls.parse(values, place)

    @classmethod
    def parse(cls, values: dict[str, Any], place: str) -> Status:
        """Check a dictionary.

        Raises:
            InputError: an unknown key or a value that is not allowed, named with its place.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise first_problem(error, place) from None
