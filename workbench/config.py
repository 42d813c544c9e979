"""An experiment as data: every default explained, every unknown key refused by name.

The config travels with the run (``config.json``), so a run can be repeated from its folder alone.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workbench.errors import InputError, first_problem

CONFIG_VERSION: Final = 1

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Signal = Literal["id", "norm", "count"]


class Variant(StrEnum):
    """The four training variants of the ablation (Table 4 of the paper), one class for all."""

    BASE = "base"
    MASK = "mask"
    ADAPTER = "adapter"
    FULL = "full"

    @property
    def has_mask(self) -> bool:
        """True where masked copies are trained on (L_aux)."""
        return self in (Variant.MASK, Variant.FULL)

    @property
    def has_adapter(self) -> bool:
        """True where features are weighted by the state-aware adapter."""
        return self in (Variant.ADAPTER, Variant.FULL)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlantedConfig(_Section):
    """The planted world: a generator whose truth is known."""

    # 200k rows train in seconds on two cores and still leave 40k test rows.
    rows: int = Field(default=200_000, ge=100, le=1_000_000_000)
    # Mean impressions per user and per item; with the tails below most users have a handful.
    rows_per_user: Positive = 25.0
    rows_per_item: Positive = 100.0
    # Standard deviation of log activity. 2.486 makes the top 5% of users hold 80% of the samples:
    # the share of a log-normal's top q is Phi(sigma - z_q), and 0.8416 + 1.645 = 2.486. Nobody
    # holds more than 1% of them; the excess goes to the rest of the top 5%.
    user_tail: NonNegative = 2.486
    item_tail: NonNegative = 1.8
    # Share of labels flipped by noise that no feature can see (a phone call during a video).
    flipped: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
    # Share of the preference variance that only the ID can know (the rest: meta features).
    private_share: Share = 0.5
    days: int = Field(default=30, ge=1, le=3650)
    seed: int = Field(default=0, ge=0)


class DataConfig(_Section):
    """Which data, and how it is split."""

    # planted | movielens-1m | kuairand-pure | the path of a prepared data set
    source: str = "planted"
    # Where the raw files are; the planted world needs none.
    folder: str | None = None
    # "default" is the source's own protocol: random for planted and MovieLens, by time for KuaiRand
    split: Literal["default", "random", "time"] = "default"
    # The paper's 6:2:2.
    ratios: tuple[Share, Share, Share] = (0.6, 0.2, 0.2)
    # Not the training seed: runs of several seeds share their test rows and can be paired.
    split_seed: int = Field(default=0, ge=0)
    planted: PlantedConfig = PlantedConfig()

    @model_validator(mode="after")
    def _ratios_sum_to_one(self) -> DataConfig:
        if abs(sum(self.ratios) - 1) > 1e-9 or min(self.ratios) <= 0:
            raise ValueError(f"ratios = {self.ratios}: three positive shares that sum to 1")
        return self


class ModelConfig(_Section):
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
    options: dict[str, Any] = {}


class FrameworkConfig(_Section):
    """The feature mask and the state-aware adapter, with every point the paper leaves open."""

    variant: Variant = Variant.FULL
    # Augmented samples per sample; the paper never gives k.
    k: int = Field(default=2, ge=0, le=64)
    # Weight of L_aux, the paper's 0.2.
    alpha: NonNegative = 0.2
    # U[beta, gamma] of the masking probability p, the paper's 0.1 and 0.5.
    mask_range: tuple[Share, Share] = (0.1, 0.5)
    # Equation (3) sums over k, so the auxiliary weight grows as alpha * k; "mean" divides by k.
    aux_reduction: Literal["sum", "mean"] = "sum"
    # r_ID, r_norm, r_count; each can be left out.
    signals: tuple[Signal, ...] = ("id", "norm", "count")
    # Which interaction counts of the schema the adapter sees; None: the data set's default.
    counts: tuple[str, ...] | None = None
    # The adapter reads the embeddings' state without training them through its input.
    detach_state: bool = True
    # Multiplies the sigmoid: 1.0 is the paper's, 2.0 starts the model at weight 1 instead of 0.5.
    weight_scale: Positive = 1.0
    # True follows section 3.4 (L_main trains the embeddings), False section 3.3 (only L_aux does).
    main_grad_to_embeddings: bool = True
    # Hidden layers of the weight generator h(.).
    adapter_hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (64,)

    @model_validator(mode="after")
    def _usable(self) -> FrameworkConfig:
        low, high = self.mask_range
        if low > high:
            raise ValueError(f"mask_range = {low} {high}: LOW must not be above HIGH")
        if self.variant.has_mask and self.k == 0:
            raise ValueError(f"k = 0 with variant {self.variant.value}: k must be at least 1")
        if self.variant.has_adapter and not self.signals:
            raise ValueError(
                f"signals is empty with variant {self.variant.value}: "
                "at least one of id, norm, count"
            )
        if not self.main_grad_to_embeddings and self.effective_aux_weight == 0:
            raise ValueError(
                "main_grad_to_embeddings = false needs the mask and alpha > 0: "
                "nothing else would train the embeddings"
            )
        return self

    @property
    def effective_aux_weight(self) -> float:
        """Weight of the mean masked loss in the total: alpha * k for "sum", else alpha."""
        if not self.variant.has_mask:
            return 0.0
        return self.alpha * (self.k if self.aux_reduction == "sum" else 1)


class TrainingConfig(_Section):
    """Optimisation and stopping."""

    lr: Positive = 0.001
    # L2 added to the gradient (Adam, not AdamW), as the published MovieLens results do.
    weight_decay: NonNegative = 1e-5
    batch_size: int = Field(default=2048, ge=1, le=10_000_000)
    # An upper bound: early stopping ends most runs long before (FM on MovieLens-1M needs about 40).
    epochs: int = Field(default=100, ge=1, le=100_000)
    # Epochs without a better validation AUC before training stops; the best weights are restored.
    patience: int = Field(default=2, ge=1)
    # "shuffled" draws a new order each epoch; "time" keeps the log's own, as a production model
    # that sees every event once does (with epochs = 1 an embedding then never saw the row before).
    order: Literal["shuffled", "time"] = "shuffled"
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    device: str = "auto"
    # Steps between two readings of the loss: the only moments the host waits for the device.
    log_every: int = Field(default=50, ge=1)
    eval_batch_size: int = Field(default=16_384, ge=1)


class DropoutNetConfig(_Section):
    """DropoutNet (Volkovs et al. 2017): the IDs are missing now and then while training."""

    # Share of samples without the user's ID and, independently, of those without the item's: half
    # of them makes a sample as often cold as warm, on either side.
    share: Share = 0.5


class EmbeddingDropoutConfig(_Section):
    """Plain dropout of whole feature vectors."""

    # Probability that a vector is dropped. Few features carry a lot each, so far below the 0.5 that
    # is usual for the units of a layer.
    rate: Annotated[float, Field(ge=0, lt=1)] = 0.1


class SENetConfig(_Section):
    """Squeeze and excitation (FiBiNET, Huang et al. 2019): weights from the vectors' means."""

    # The hidden layer has features / reduction units, at least one; the paper's ratio is 3.
    reduction: Annotated[float, Field(ge=1, le=1024)] = 3.0
    # "relu" is FiBiNET's own. It shuts features for good (4 of 10 in the demo runs' setting, where
    # validation AUC was 0.694 against 0.728); the sigmoid, as in the SENet of images, is the
    # stronger rival. framework.weight_scale multiplies it as it does the adapter's.
    activation: Literal["sigmoid", "relu"] = "sigmoid"


class GateConfig(_Section):
    """w = sigmoid(h([v_1, ..., v_n])): the adapter, but reading the features themselves.

    framework.weight_scale multiplies these weights as it does the adapter's.
    """

    # Hidden layers of h; as the adapter's.
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (64,)


class SSLConfig(_Section):
    """Self-supervised learning of items (Yao et al. 2021)."""

    # Weight of the InfoNCE loss in the total. It starts at about log(items), 6.2 for 512, which is
    # nine times the task's. Of 0.01, 0.03, 0.1 and 0.3 the last two cost 0.007 to 0.018 validation
    # AUC on the planted world (DCN-V2, one seed).
    weight: NonNegative = 0.03
    # Divides the cosine of two views, which otherwise could not leave [-1, 1]. 0.5 was 0.001 to
    # 0.005 above 0.1 there.
    temperature: Positive = 0.5
    # Items drawn at each step; each is told apart from the others. The cost grows with the square.
    items: int = Field(default=512, ge=2, le=65_536)
    # Probability that a value of a multi-valued feature is dropped from a view.
    value_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    # The tower from item vectors to the compared ones: hidden layers and output.
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (64,)
    output_dim: int = Field(default=32, ge=1, le=4096)


class RivalConfig(_Section):
    """Another method in the framework's place; only the section of the one named is read."""

    name: Literal["none", "dropoutnet", "embedding_dropout", "senet", "gate", "ssl"] = "none"
    dropoutnet: DropoutNetConfig = DropoutNetConfig()
    embedding_dropout: EmbeddingDropoutConfig = EmbeddingDropoutConfig()
    senet: SENetConfig = SENetConfig()
    gate: GateConfig = GateConfig()
    ssl: SSLConfig = SSLConfig()


class ExperimentConfig(_Section):
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
        return self

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
            return cls.model_validate(values)
        except ValidationError as error:
            raise first_problem(error, place) from None

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
        values["data"].pop("folder")
        for key in ("device", "log_every"):
            values["training"].pop(key)
        if not with_seed:
            values["training"].pop("seed")
        # A rival that is not trained changes nothing.
        rival = values.pop("rival")
        if self.rival.name != "none":
            values["rival"] = {"name": self.rival.name, "settings": rival[self.rival.name]}
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
