"""The methods that the paper argues against, each with its settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workbench.config.section import NonNegative, Positive, Section, Share


class DropoutNetConfig(Section):
    """DropoutNet (Volkovs et al. 2017): the IDs are missing now and then while training."""

    # Share of samples without the user's ID and, independently, of those without the item's: half
    # of them makes a sample as often cold as warm, on either side.
    share: Share = 0.5


class EmbeddingDropoutConfig(Section):
    """Plain dropout of whole feature vectors."""

    # Probability that a vector is dropped. Few features carry a lot each, so far below the 0.5 that
    # is usual for the units of a layer.
    rate: Annotated[float, Field(ge=0, lt=1)] = 0.1


class SENetConfig(Section):
    """Squeeze and excitation (FiBiNET, Huang et al. 2019): weights from the vectors' means."""

    # The hidden layer has features / reduction units, at least one; the paper's ratio is 3.
    reduction: Annotated[float, Field(ge=1, le=1024)] = 3.0
    # "relu" is FiBiNET's own. It shuts features for good (4 of 10 in the demo runs' setting, where
    # validation AUC was 0.694 against 0.728); the sigmoid, as in the SENet of images, is the
    # stronger rival. framework.weight_scale multiplies it as it does the adapter's.
    activation: Literal["sigmoid", "relu"] = "sigmoid"


class GateConfig(Section):
    """w = sigmoid(h([v_1, ..., v_n])): the adapter, but reading the features themselves.

    framework.weight_scale multiplies these weights as it does the adapter's.
    """

    # Hidden layers of h; as the adapter's.
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (64,)


class SSLConfig(Section):
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


class RivalConfig(Section):
    """Another method in the framework's place; only the section of the one named is read."""

    name: Literal["none", "dropoutnet", "embedding_dropout", "senet", "gate", "ssl"] = "none"
    dropoutnet: DropoutNetConfig = DropoutNetConfig()
    embedding_dropout: EmbeddingDropoutConfig = EmbeddingDropoutConfig()
    senet: SENetConfig = SENetConfig()
    gate: GateConfig = GateConfig()
    ssl: SSLConfig = SSLConfig()
