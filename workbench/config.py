"""An experiment as data: every default explained, every unknown key refused by name.

The config travels with the run (``config.json``), so a run can be repeated from its folder alone.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticSerializationError

from workbench.errors import InputError, first_problem

CONFIG_VERSION: Final = 1

_LATER_SWITCHES: Final = {
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
    ),
}

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
    rows_per_user: Annotated[float, Field(ge=0.1, le=1e9)] = 25.0
    rows_per_item: Annotated[float, Field(ge=0.1, le=1e9)] = 100.0
    # Standard deviation of log activity. 2.486 makes the top 5% of users hold 80% of the samples:
    # the share of a log-normal's top q is Phi(sigma - z_q), and 0.8416 + 1.645 = 2.486. Nobody
    # holds more than 1% of them; the excess goes to the rest of the top 5%.
    user_tail: Annotated[float, Field(ge=0, le=20)] = 2.486
    item_tail: Annotated[float, Field(ge=0, le=20)] = 1.8
    # Share of labels flipped by noise that no feature can see (a phone call during a video).
    flipped: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
    # Share of the preference variance that only the ID can know (the rest: meta features).
    private_share: Share = 0.5
    days: int = Field(default=30, ge=1, le=3650)
    seed: int = Field(default=0, ge=0)


class ChangeConfig(_Section):
    """What is done to the data on purpose, to see where a method helps; nothing by default.

    The test rows and their labels stay as they are, so that their scores compare.
    """

    # Share of the labels of training and validation rows that are turned around.
    flipped: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    # Embedding rows that the values of an ID feature share by hashing; None: a row for each value.
    id_buckets: int | None = Field(default=None, ge=1)
    # Training rows left to a user whose history is cut. Such users are divided evenly among the
    # lengths; 0 makes a user unseen. Validation and test rows stay.
    history: tuple[Annotated[int, Field(ge=0)], ...] = ()
    # Share of the users whose history is cut; the others keep theirs, as in a running system.
    history_share: Share = 0.5
    # Draws the labels, the hash and the users.
    seed: int = Field(default=0, ge=0)


class DataConfig(_Section):
    """Which data, and how it is split."""

    # planted | movielens-1m | kuairand-pure | the path of a prepared data set
    source: str = "planted"
    # Where the raw files are; the planted world needs none.
    folder: str | None = None
    # "default" is the source's own protocol: random for planted and MovieLens, by time for
    # KuaiRand; "users" and "items" test on users (or items) without any training row.
    split: Literal["default", "random", "time", "users", "items"] = "default"
    # The paper's 6:2:2.
    ratios: tuple[Share, Share, Share] = (0.6, 0.2, 0.2)
    # Not the training seed: runs of several seeds share their test rows and can be paired.
    split_seed: int = Field(default=0, ge=0)
    planted: PlantedConfig = PlantedConfig()
    change: ChangeConfig = ChangeConfig()
    # Of a data set whose rows are streamed from disk: rows that are shuffled together, so many of
    # them in memory twice. They come from places all over the files; 524,288 rows of 20 columns
    # are 44 MiB.
    shuffle_rows: int = Field(default=524_288, ge=1, le=2**40)
    # Where its validation and test rows are; "auto": in memory where they fit easily. No number
    # depends on it.
    held_out: Literal["auto", "memory", "disk"] = "auto"

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


class ColdStatesConfig(_Section):
    """Simulated cold states, an extension: the paper has nothing of it. See `nn.cold_states`."""

    # Share of the training samples whose user is shown as one with a short history and,
    # independently, of those whose item is; 0 switches the extension off.
    share: Share = 0.0
    # Who has cold states. What is shown cold is lost to its own embedding, so name only whom the
    # product meets cold.
    sides: tuple[Literal["user", "item"], ...] = ("user", "item")
    # What the samples with cold states train. "all": everything, in the place of the samples that
    # they are made of. "adapter": the adapter alone, which then learns from nothing else, beside
    # all samples; it is so taught by rows only that the shown embedding has not learned.
    trains: Literal["all", "adapter"] = "all"
    # Training rows of the histories that are simulated; every user and item stands for one of them,
    # drawn evenly among those shorter than its own. 0 is `[MASK]_i` with counts of zero.
    histories: tuple[Annotated[int, Field(ge=0, le=1000)], ...] = (0, 1, 2, 5, 10)

    @model_validator(mode="after")
    def _usable(self) -> ColdStatesConfig:
        if not self.sides or len(set(self.sides)) < len(self.sides):
            raise ValueError(f"sides = {self.sides}: name user, item or both, each once")
        if not self.histories:
            raise ValueError("histories is empty: name at least one number of rows, such as 0")
        return self


class FrameworkConfig(_Section):
    """The feature mask and the state-aware adapter, with every point the paper leaves open."""

    variant: Variant = Variant.FULL
    # Augmented samples per sample; the paper never gives k.
    k: int = Field(default=2, ge=0, le=64)
    # Weight of L_aux, the paper's 0.2.
    alpha: NonNegative = 0.2
    # U[beta, gamma] of the masking probability p, the paper's 0.1 and 0.5.
    mask_range: tuple[Share, Share] = (0.1, 0.5)
    # U[beta, gamma] of ID features, where it differs; None: that of all features, as in the paper.
    mask_id_range: tuple[Share, Share] | None = None
    # The paper's alpha is constant. "warmup" raises it over the first alpha_epochs epochs, from
    # alpha / alpha_epochs in the first to alpha; "decay" lowers it by as much each epoch, to 0.
    alpha_schedule: Literal["constant", "warmup", "decay"] = "constant"
    alpha_epochs: int = Field(default=5, ge=1, le=100_000)
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
    # The weight that every feature starts with, below weight_scale; None: the sigmoid's middle,
    # weight_scale / 2. The paper names no start.
    adapter_start: Positive | None = None
    # True follows section 3.4 (L_main trains the embeddings), False section 3.3 (only L_aux does).
    main_grad_to_embeddings: bool = True
    # Hidden layers of the weight generator h(.).
    adapter_hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (64,)
    # Beyond the paper, for every variant, off by default.
    cold_states: ColdStatesConfig = ColdStatesConfig()

    @model_validator(mode="after")
    def _usable(self) -> FrameworkConfig:
        for name, bounds in (
            ("mask_range", self.mask_range),
            ("mask_id_range", self.mask_id_range),
        ):
            if bounds is not None and bounds[0] > bounds[1]:
                raise ValueError(f"{name} = {bounds[0]} {bounds[1]}: LOW must not be above HIGH")
        if self.adapter_start is not None and self.adapter_start >= self.weight_scale:
            raise ValueError(
                f"adapter_start = {self.adapter_start} with weight_scale = {self.weight_scale}: "
                "a weight must start below weight_scale"
            )
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
        cold = self.cold_states
        if cold.share > 0 and cold.trains == "adapter" and not self.variant.has_adapter:
            raise ValueError(
                f"cold_states.trains = 'adapter' with variant {self.variant.value}: "
                "only adapter and full have one"
            )
        if not self.main_grad_to_embeddings and self.cold_states.share > 0:
            raise ValueError(
                "cold_states.share above 0 needs main_grad_to_embeddings = true: L_main trains the "
                "shadow embeddings"
            )
        return self

    def alpha_at(self, epoch: int) -> float:
        """alpha of an epoch, counted from 0."""
        if self.alpha_schedule == "warmup":
            return self.alpha * min(1.0, (epoch + 1) / self.alpha_epochs)
        if self.alpha_schedule == "decay":
            return self.alpha * max(0.0, 1.0 - epoch / self.alpha_epochs)
        return self.alpha

    @property
    def effective_aux_weight(self) -> float:
        """Weight of the mean masked loss in the total: alpha * k for "sum", else alpha."""
        if not self.variant.has_mask:
            return 0.0
        return self.alpha * (self.k if self.aux_reduction == "sum" else 1)


class SettingChange(_Section):
    """A setting that is moved while a model trains, as the live lab does; None leaves it."""

    # Before step `step` (from 0 on) of epoch `epoch` (from 1 on).
    epoch: int = Field(ge=1)
    step: int = Field(ge=0)
    # Every learning rate is multiplied by lr / training.lr, also those that have one of their own.
    lr: Positive | None = None
    alpha: NonNegative | None = None
    mask_range: tuple[Share, Share] | None = None

    @model_validator(mode="after")
    def _usable(self) -> SettingChange:
        if self.mask_range is not None and self.mask_range[0] > self.mask_range[1]:
            low, high = self.mask_range
            raise ValueError(f"mask_range = {low} {high}: LOW must not be above HIGH")
        return self


class TrainingConfig(_Section):
    """Optimisation and stopping."""

    lr: Positive = 0.001
    # L2 added to the gradient (Adam, not AdamW), as the published MovieLens results do.
    weight_decay: NonNegative = 1e-5
    # The same for the embeddings and for the adapter alone; None: as everything else. The paper
    # has one learning rate for all.
    embedding_lr: Positive | None = None
    embedding_weight_decay: NonNegative | None = None
    adapter_lr: Positive | None = None
    adapter_weight_decay: NonNegative | None = None
    # Adam's epsilon for the embeddings. Adam divides by the size of recent gradients, so a value
    # seen in one row an epoch moves as far as one seen in every batch; an epsilon near the size of
    # a row's gradient (1e-5 to 1e-4 at batch 2048) lets rare values move less. 1e-8 is Adam's own.
    embedding_eps: Positive = 1e-8
    # Validates, keeps and serves a moving average of the weights, of which a step keeps this share
    # (0.999: about the last 1000 steps); None: the weights of the last step. Training itself stays
    # as it is. Costs one pass over all weights a step.
    average_decay: Annotated[float, Field(ge=0, lt=1)] | None = None
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
    # How the embedding table is split over the processes that torchrun starts; one process holds it
    # whole. "row_wise" gives each process a block of rows (torch's DTensor), "table_wise" whole
    # features and "column_wise" a part of every vector (both TorchRec, extra torchrec). Sums are
    # added up in another order; nothing else changes.
    table_sharding: Literal["none", "row_wise", "table_wise", "column_wise"] = "none"
    # How the embedding table is updated. "dense": every row at every step, by one kernel for all
    # parameters. "sparse": the rows of the batch alone, which costs what the batch costs and not
    # what the table does; moments then wait and weights do not decay while a row is not looked up.
    # "auto" is sparse for tables that are large enough to gain by it.
    updates: Literal["auto", "dense", "sparse"] = "auto"
    # "bf16" computes matrix products in bfloat16, which pays off on hardware that has it; weights,
    # moments, losses and scores stay float32.
    precision: Literal["float32", "bf16"] = "float32"
    # Compiles the losses with torch.compile: faster steps after a first one of a minute or so. On
    # a CPU that takes a C++ compiler.
    compile: bool = False
    # Replays the whole step as a CUDA graph; "auto" wherever that can be done. No number depends
    # on it.
    capture: Literal["auto", "off"] = "auto"
    # Steps between two readings of the loss: the only moments the host waits for the device.
    log_every: int = Field(default=50, ge=1)
    # Steps after which the run's state is kept within an epoch, at the next reading of the loss;
    # None: only after each epoch. A run that is killed, or stopped, goes on from there.
    checkpoint_steps: int | None = Field(default=None, ge=1)
    # Rows of one pass of evaluation, at most; a processor takes 4096 of them.
    eval_batch_size: int = Field(default=16_384, ge=1, le=10_000_000)
    # What was moved while the model trained, in order. A run that was steered by hand can thereby
    # be repeated from its config to the bit, and never passes for one that was not.
    changes: tuple[SettingChange, ...] = ()

    @model_validator(mode="after")
    def _changes_in_order(self) -> TrainingConfig:
        places = [(change.epoch, change.step) for change in self.changes]
        if places != sorted(set(places)):
            raise ValueError(f"changes at {places}: must be in order, one at each step")
        return self


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
        for section, keys in _LATER_SWITCHES.items():
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
