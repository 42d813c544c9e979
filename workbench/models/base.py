"""What every base model g(.) shares: its view of the features and its checked hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from workbench.errors import first_problem
from workbench.schema import Side, TableLayout

Width = Annotated[int, Field(ge=1, le=65_536)]
"""Units of a layer."""

Dropout = Annotated[float, Field(ge=0, lt=1)]
"""Share of units that are dropped while training."""


@dataclass(frozen=True)
class FeatureLayout:
    """All a base model knows of its input [batch, feature, dim].

    Attributes:
        names, sides: of each feature, in the order of the vectors.
        dim: size of a vector, `BaseRanker.extra_entries` included.
    """

    names: tuple[str, ...]
    sides: tuple[Side, ...]
    dim: int

    @property
    def features(self) -> int:
        """Number of features n."""
        return len(self.names)

    @property
    def flat(self) -> int:
        """Length of all vectors end to end."""
        return self.features * self.dim

    @classmethod
    def of(cls, layout: TableLayout, dim: int) -> FeatureLayout:
        """The view of a table whose vectors have `dim` entries."""
        slots = layout.slots
        return cls(tuple(s.name for s in slots), tuple(s.side for s in slots), dim)


class ModelOptions(BaseModel):
    """Hyperparameters of a base model; unknown ones are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseRanker(nn.Module):
    """A base model: vectors [batch, feature, dim] -> logit [batch] or [batch, task].

    It knows nothing of masks, adapters, ids or training; that is what makes the framework
    model-agnostic.

    Attributes:
        Options: the model's hyperparameters.
        extra_dims: entries that the model wants in each vector beside the `dim` of the config;
            a model whose options decide it overrides `extra_entries`.
        tasks: logits per sample; above 1 the logit is [batch, task], one column per label.
    """

    Options: ClassVar[type[ModelOptions]] = ModelOptions
    extra_dims: ClassVar[int] = 0
    tasks: int = 1

    def __init__(self, layout: FeatureLayout, options: ModelOptions) -> None:
        super().__init__()
        self.layout = layout
        self.options = options

    def forward(self, vectors: Tensor) -> Tensor:
        """Score samples; see the class."""
        raise NotImplementedError

    @classmethod
    def extra_entries(cls, options: ModelOptions, dim: int) -> int:
        """Entries of each vector beside the `dim` of the config, under these options."""
        return cls.extra_dims

    @classmethod
    def check_options(cls, name: str, options: dict[str, Any]) -> ModelOptions:
        """Validate hyperparameters.

        Raises:
            InputError: an unknown option or a value that is not allowed.
        """
        try:
            return cls.Options.model_validate(options)
        except ValidationError as error:
            raise first_problem(error, f"model.options of {name}") from None
