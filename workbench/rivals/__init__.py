"""Other methods for the same base models, trained by the same trainer; `RIVALS` is the registry."""

from __future__ import annotations

from workbench.rivals.base import Rival
from workbench.rivals.dropoutnet import DropoutNet
from workbench.rivals.embedding_dropout import EmbeddingDropout
from workbench.rivals.feature_gates import GateRival, SENetRival
from workbench.rivals.ssl import SSL

RIVALS: dict[str, type[Rival]] = {
    "dropoutnet": DropoutNet,
    "embedding_dropout": EmbeddingDropout,
    "senet": SENetRival,
    "gate": GateRival,
    "ssl": SSL,
}
"""Name in the config's section `rival`, which is also the name of the rival's own settings there,
-> class."""

__all__ = ["RIVALS", "Rival"]
