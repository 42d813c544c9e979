"""Short names for groups of runs: the variant, and the settings that tell equal variants apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from workbench.insight.settings import flattened
from workbench.runs import Run

# Where it ran and how often it reported is not what an experiment is.
_IGNORED = ("training.seed", "training.device", "training.log_every", "data.folder")


def group_labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """A label for each group, from its first run.

    Groups of the same variant get the settings in which they differ, for example
    ``full (framework.k = 3)``.
    """
    variants = [group[0].variant for group in groups]
    settings = [flattened(group[0].config.model_dump(mode="json")) for group in groups]
    counts = Counter(variants)
    labels = []
    for variant, own in zip(variants, settings, strict=True):
        if counts[variant] == 1:
            labels.append(variant)
            continue
        rivals = [s for v, s in zip(variants, settings, strict=True) if v == variant]
        keys = [key for key in own if any(rival.get(key) != own[key] for rival in rivals)]
        what = ", ".join(f"{key} = {own[key]}" for key in keys if key not in _IGNORED)
        labels.append(f"{variant} ({what})")
    return labels


def run_labels(runs: Sequence[Run]) -> dict[str, str]:
    """Run name -> the label of `group_labels`, where every run is a group of its own."""
    return dict(zip([run.name for run in runs], group_labels([[run] for run in runs]), strict=True))
