"""All sections of a config together: read, written, and told apart by a fingerprint."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticSerializationError

from workbench.config.data import DataConfig
from workbench.config.framework import FrameworkConfig, Variant
from workbench.config.rivals import RivalConfig
from workbench.config.section import Positive, Section
from workbench.config.training import TrainingConfig
from workbench.errors import InputError, first_problem

CONFIG_VERSION: Final = 1

# Settings that came after the first runs were kept; see `ExperimentConfig.fingerprint`.
LATER_SWITCHES: Final = {
    "data": ("change", "shuffle_rows"),
    "framework": (
        "mask_id_range",
        "alpha_schedule",
        "alpha_epochs",
        "adapter_start",
        "cold_states",
    ),
    "training": (
        "embedding_lr",
        "embedding_weight_decay",
        "adapter_lr",
        "adapter_weight_decay",
        "embedding_eps",
        "changes",
        "updates",
        "precision",
        "compile",
        "average_decay",
        "denormals",
    ),
}


class ModelConfig(Section):
    """The base model g(.)."""

    name: str = "dcn_v2"
    # The paper tunes {16, 32, 64, 128, 256}; 16 is enough for MovieLens-1M and fast.
    dim: int = Field(default=16, ge=1, le=4096)
    # Standard deviation of new embeddings, relative to Xavier-normal within each feature. Small,
    # because a vector that starts large is noise until its value was seen often: 0.1 lifts the
    # validation AUC of FM, YouTube DNN and DCN-V2 on MovieLens-1M by 0.001 to 0.003 over 1. In a
    # single pass over the data small vectors have no time to grow: 1 is better there.
    embedding_scale: Positive = 0.1
    # The model's own hyperparameters, checked against its `Options`.
    options: dict[str, Any] = Field(default_factory=dict)


class ExperimentConfig(Section):
    """Everything that decides a run's numbers."""

    version: Literal[1] = CONFIG_VERSION
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    framework: FrameworkConfig = FrameworkConfig()
    rival: RivalConfig = RivalConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _one_method(self) -> ExperimentConfig:
        if self.rival.name != "none" and self.framework.variant is not Variant.BASE:
            raise ValueError(
                f"rival.name = '{self.rival.name}' with framework.variant = "
                f"'{self.framework.variant.value}': a rival needs variant 'base'"
            )
        cold = self.framework.cold_states.share > 0
        if cold and self.rival.name != "none":
            raise ValueError(
                f"framework.cold_states.share above 0 with rival.name = '{self.rival.name}': "
                "only the framework's own variants simulate cold states"
            )
        if cold and self.training.order == "time":
            raise ValueError(
                "framework.cold_states.share above 0 with training.order = 'time': a history is "
                "learned over shuffled epochs; allowed: 'shuffled'"
            )
        return self

    @property
    def method(self) -> str:
        """What is trained: the rival's name, or else the variant."""
        return self.framework.variant.value if self.rival.name == "none" else self.rival.name

    @property
    def weighs_features(self) -> bool:
        """True where the model gives every feature a weight: the adapter, or a rival's gate."""
        return self.framework.variant.has_adapter or self.rival.name in ("senet", "gate")

    @property
    def effective_aux_weight(self) -> float:
        """Weight of the auxiliary loss in the total: the mean masked one, or SSL's InfoNCE."""
        if self.rival.name == "ssl":
            return self.rival.ssl.weight
        return self.framework.effective_aux_weight

    @classmethod
    def parse(cls, values: Any, place: str = "config") -> ExperimentConfig:
        """Check a nested dictionary.

        Raises:
            InputError: an unknown key or a value that is not allowed, named with its place.
        """
        try:
            config = cls.model_validate(values)
            config.to_json()
        except ValidationError as error:
            raise first_problem(error, place) from None
        except PydanticSerializationError:
            # Half of a surrogate pair, for example: it could not be kept in the run's config.json.
            raise InputError(f"{place}: holds a value that cannot be written as JSON") from None
        return config

    @classmethod
    def from_json(cls, text: str, place: str) -> ExperimentConfig:
        """Read a run's ``config.json``.

        Raises:
            InputError: not JSON, written by a newer version, or not a valid config.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{place}: not JSON ({error})") from None
        version = values.get("version") if isinstance(values, dict) else None
        if isinstance(version, int) and version > CONFIG_VERSION:
            raise InputError(
                f"{place}: version {version} is newer than this program's {CONFIG_VERSION}; upgrade"
            )
        return cls.parse(values, place)

    def to_json(self) -> str:
        """The config as indented JSON."""
        return self.model_dump_json(indent=2)

    def fingerprint(self, *, with_seed: bool = True) -> str:
        """Twelve hexadecimal digits that change with every setting that changes the numbers.

        Args:
            with_seed: without the training seed, runs that only differ by it share a fingerprint.
        """
        values = self.model_dump(mode="json")
        # Where the files lie and where the run is computed are not part of what it is.
        for key in ("folder", "held_out"):
            values["data"].pop(key)
        for key in ("device", "log_every", "checkpoint_steps", "table_sharding", "capture"):
            values["training"].pop(key)
        # Switches that came later change nothing while they are off: older runs keep their group.
        for section, keys in LATER_SWITCHES.items():
            default = type(getattr(self, section))().model_dump(mode="json")
            for key in keys:
                if values[section][key] == default[key]:
                    values[section].pop(key)
        if not with_seed:
            values["training"].pop("seed")
        # A rival that is not trained changes nothing.
        rival = values.pop("rival")
        if self.rival.name != "none":
            values["rival"] = {"name": self.rival.name, "settings": rival[self.rival.name]}
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
