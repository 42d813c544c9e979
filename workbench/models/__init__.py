"""Base models g(.), each one file; `MODELS` is the registry."""

from __future__ import annotations

from workbench.errors import InputError
from workbench.models.afn import AFN
from workbench.models.autoint import AutoInt
from workbench.models.base import BaseRanker
from workbench.models.dcn_v2 import DCNV2
from workbench.models.euler_net import EulerNet
from workbench.models.fm import FM
from workbench.models.gdcn import GDCN
from workbench.models.masknet import MaskNet
from workbench.models.multitask import MultiTaskDCNV2
from workbench.models.two_tower import TwoTower
from workbench.models.youtube_dnn import YouTubeDNN

MODELS: dict[str, type[BaseRanker]] = {
    "fm": FM,
    "youtube_dnn": YouTubeDNN,
    "afn": AFN,
    "dcn_v2": DCNV2,
    "euler_net": EulerNet,
    "two_tower": TwoTower,
    "multitask": MultiTaskDCNV2,
    "autoint": AutoInt,
    "masknet": MaskNet,
    "gdcn": GDCN,
}


def model_class(name: str) -> type[BaseRanker]:
    """The class of a registered base model.

    Raises:
        InputError: no model of that name.
    """
    if name not in MODELS:
        raise InputError(f"model '{name}' is unknown; allowed: {', '.join(MODELS)}")
    return MODELS[name]


__all__ = ["MODELS", "BaseRanker", "model_class"]
