"""An experiment as data: every default explained, every unknown key refused by name.

The config travels with the run (``config.json``), so a run can be repeated from its folder alone.
"""

from workbench.config.data import ChangeConfig, DataConfig, PlantedConfig
from workbench.config.experiment import CONFIG_VERSION, ExperimentConfig, ModelConfig
from workbench.config.framework import ColdStatesConfig, FrameworkConfig, Signal, Variant
from workbench.config.rivals import (
    DropoutNetConfig,
    EmbeddingDropoutConfig,
    GateConfig,
    RivalConfig,
    SENetConfig,
    SSLConfig,
)
from workbench.config.section import NonNegative, Positive, Share
from workbench.config.training import SettingChange, TrainingConfig

__all__ = [
    "CONFIG_VERSION",
    "ChangeConfig",
    "ColdStatesConfig",
    "DataConfig",
    "DropoutNetConfig",
    "EmbeddingDropoutConfig",
    "ExperimentConfig",
    "FrameworkConfig",
    "GateConfig",
    "ModelConfig",
    "NonNegative",
    "PlantedConfig",
    "Positive",
    "RivalConfig",
    "SENetConfig",
    "SSLConfig",
    "SettingChange",
    "Share",
    "Signal",
    "TrainingConfig",
    "Variant",
]
