"""The framework's part of a config: variant, mask, adapter, and the extension beyond the paper."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from workbench.config.section import NonNegative, Positive, Section, Share, check_range

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


class ColdStatesConfig(Section):
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


class FrameworkConfig(Section):
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
        check_range("mask_range", self.mask_range)
        check_range("mask_id_range", self.mask_id_range)
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
