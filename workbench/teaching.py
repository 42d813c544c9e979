"""What the notebooks share: the profile with its data and experiments, and charts that are drawn.

One environment variable decides how the notebooks run, ``WORKBENCH_PROFILE``: ``fast`` (default)
takes the planted world and under a minute a notebook, ``full`` takes real data, and a GPU where
there is one. For the full profile there are three more:

- ``WORKBENCH_SOURCE``: ``movielens-1m`` (default) or ``kuairand-pure``. The notebooks assert what
  was found in the planted world and on MovieLens-1M; one that fails elsewhere is a finding.
- ``WORKBENCH_MOVIELENS``, ``WORKBENCH_KUAIRAND``: the folders with their files. Default:
  ``shared/data/ml-1m`` and ``shared/data/kuairand-pure-partial`` next to the project.

Two more are for programs that execute notebooks: ``WORKBENCH_CHARTS=svg`` gives still pictures in
place of interactive charts, ``WORKBENCH_WARNINGS=error`` makes every warning fail its cell.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from workbench.config import DataConfig, ExperimentConfig
from workbench.errors import InputError

PROFILE_VARIABLE = "WORKBENCH_PROFILE"
DATA_VARIABLE = "WORKBENCH_SOURCE"
MOVIELENS_VARIABLE = "WORKBENCH_MOVIELENS"
KUAIRAND_VARIABLE = "WORKBENCH_KUAIRAND"
CHARTS_VARIABLE = "WORKBENCH_CHARTS"
WARNINGS_VARIABLE = "WORKBENCH_WARNINGS"

Schedule = Literal["epochs", "single_pass"]

_BESIDE = Path(__file__).parents[2] / "shared" / "data"
_MOVIELENS_BESIDE = _BESIDE / "ml-1m"
_KUAIRAND_BESIDE = _BESIDE / "kuairand-pure-partial"


@dataclass(frozen=True)
class Profile:
    """What the notebooks train on, and how.

    Attributes:
        name: "fast" or "full".
        data: the data with its own split, which is random for both profiles.
        data_by_time: the same split by time where there are time stamps, otherwise `data`.
        model: the base model of all notebooks.
        schedules: how to train. "epochs" goes over shuffled rows until validation AUC falls,
            "single_pass" sees every training row once, as a production model does.
        replicates: bootstrap draws of users behind every interval.
        device: "cpu", so that numbers repeat to the digit, or "auto".
    """

    name: Literal["fast", "full"]
    data: DataConfig
    data_by_time: DataConfig
    model: Mapping[str, Any] = field(repr=False)
    schedules: Mapping[Schedule, Mapping[str, Any]] = field(repr=False)
    replicates: int
    device: str

    @property
    def planted(self) -> bool:
        """True where the truth behind the data is known."""
        return self.data.source == "planted"

    def experiment(
        self,
        variant: str = "base",
        *,
        schedule: Schedule = "epochs",
        by_time: bool = False,
        seed: int = 0,
        **framework: Any,
    ) -> ExperimentConfig:
        """One experiment of a notebook.

        Args:
            variant: base, mask, adapter or full.
            schedule: a key of `schedules`.
            by_time: take `data_by_time`.
            seed: of the training.
            framework: further settings of `FrameworkConfig`, for example ``k=4``.

        Raises:
            InputError: an unknown variant, schedule or setting, or a value that is not allowed.
        """
        if schedule not in self.schedules:
            raise InputError(f"schedule '{schedule}': allowed: {', '.join(self.schedules)}")
        training = dict(self.schedules[schedule])
        if not by_time and training.get("order") == "time" and not self.planted:
            # Rows that were split at random lie in the order of their file, which is no time.
            training["order"] = "shuffled"
        return ExperimentConfig.parse(
            {
                "data": self.data_by_time if by_time else self.data,
                "model": dict(self.model),
                "framework": {"variant": variant, **framework},
                "training": {**training, "seed": seed, "device": self.device},
            },
            "experiment",
        )


def begin() -> Profile:
    """First line of every notebook: draw charts, fix the threads, choose the profile.

    Raises:
        InputError: a variable with a value that is not allowed, or missing files.
    """
    chosen = profile()
    enable_charts()
    if chosen.device == "cpu":
        import torch

        # One thread adds up in one order, however many cores a machine has.
        torch.set_num_threads(1)
    if _one_of(WARNINGS_VARIABLE, ("default", "error")) == "error":
        # Those that a reader would see; the rest is for the authors of libraries.
        for category in (UserWarning, RuntimeWarning, FutureWarning, SyntaxWarning):
            warnings.filterwarnings("error", category=category)
        warnings.filterwarnings("error", category=DeprecationWarning, module="__main__")
    return chosen


def profile() -> Profile:
    """The profile that ``WORKBENCH_PROFILE`` names.

    Raises:
        InputError: see `begin`.
    """
    return _fast() if _one_of(PROFILE_VARIABLE, ("fast", "full")) == "fast" else _full()


def enable_charts() -> str:
    """Choose how Altair draws in this notebook and return the renderer's name.

    JupyterLab itself draws Vega-Lite up to version 5 while Altair writes version 6, so its default
    renderer would show nothing; the "jupyter" renderer brings its own copy, which needs no network.

    Raises:
        InputError: see `begin`.
    """
    import altair as alt

    if _one_of(CHARTS_VARIABLE, ("interactive", "svg")) == "svg":
        alt.renderers.enable("svg")
    else:
        # SVG stays sharp when the page is zoomed, which a canvas does not.
        alt.renderers.enable("jupyter", offline=True, embed_options={"renderer": "svg"})
    return str(alt.renderers.active)


def _fast() -> Profile:
    data = DataConfig()
    return Profile(
        name="fast",
        data=data,
        data_by_time=data.model_copy(update={"split": "time"}),
        model={"name": "dcn_v2", "dim": 12, "options": {"hidden": [64, 32]}},
        schedules={
            "epochs": {"epochs": 3, "batch_size": 2048, "lr": 0.008, "weight_decay": 1e-6},
            "single_pass": {
                "epochs": 1,
                "order": "time",
                "batch_size": 512,
                "lr": 0.01,
                "weight_decay": 1e-6,
            },
        },
        replicates=300,
        device="cpu",
    )


def _full() -> Profile:
    kuairand = _one_of(DATA_VARIABLE, ("movielens-1m", "kuairand-pure")) == "kuairand-pure"
    data, timed = _kuairand() if kuairand else _movielens()
    return Profile(
        name="full",
        data=data,
        data_by_time=data.model_copy(update={"split": "time"}) if timed else data,
        model={"name": "dcn_v2", "dim": 16},
        schedules={
            "epochs": {"epochs": 20},
            "single_pass": {
                "epochs": 1,
                "order": "time" if timed else "shuffled",
                "batch_size": 256,
                "lr": 0.002,
                "weight_decay": 1e-6,
            },
        },
        replicates=1000,
        device="auto",
    )


def _movielens() -> tuple[DataConfig, bool]:
    """The data, and whether its rows have time stamps."""
    folder = Path(os.environ.get(MOVIELENS_VARIABLE) or _MOVIELENS_BESIDE)
    if not (folder / "ratings.dat").is_file():
        raise InputError(
            f"{PROFILE_VARIABLE} = full: no ratings.dat in '{folder}'; name the folder of "
            f"MovieLens-1M in {MOVIELENS_VARIABLE}, or take the fast profile"
        )
    timed = _has_times(folder / "ratings.dat")
    return DataConfig(source="movielens-1m", folder=str(folder)), timed


def _kuairand() -> tuple[DataConfig, bool]:
    folder = Path(os.environ.get(KUAIRAND_VARIABLE) or _KUAIRAND_BESIDE)
    if not any(folder.glob("**/log_standard*.csv")):
        raise InputError(
            f"{DATA_VARIABLE} = kuairand-pure: no log_standard*.csv in '{folder}'; name the folder "
            f"of KuaiRand-Pure in {KUAIRAND_VARIABLE}, or leave {DATA_VARIABLE} out"
        )
    # Its own protocol is the split by time; "data" is split at random everywhere.
    return DataConfig(source="kuairand-pure", folder=str(folder), split="random"), True


def _has_times(ratings: Path) -> bool:
    """Whether the first line has a fourth column, the time stamp."""
    with ratings.open(encoding="latin-1") as lines:
        return lines.readline().count("::") == 3


def _one_of(variable: str, allowed: tuple[str, ...]) -> str:
    """The value of an environment variable; the first allowed one where it is not set."""
    value = os.environ.get(variable) or allowed[0]
    if value not in allowed:
        raise InputError(f"{variable} = '{value}': allowed: {', '.join(allowed)}")
    return value
