"""Is a lift real: paired bootstrap over users, paired t over seeds, the smallest effect to be seen.

Lifts here are 0.001 to 0.004 AUC while a metric itself moves as much from split to split, so two
models are compared on the same rows and under the same draws of users. Users are drawn, not rows,
because the rows of one user are not independent. Everything runs on the CPU from seeded draws, so
a seed gives the same interval on every machine.
"""

from __future__ import annotations

from workbench.statistics.draws import (
    Interval,
    metric_of_draws,
    percentile_interval,
    user_draws,
)
from workbench.statistics.paired import (
    METRICS,
    PairedT,
    paired_bootstrap,
    paired_t,
    smallest_detectable_effect,
)
from workbench.statistics.summaries import median_bootstrap, slope_interval

__all__ = [
    "METRICS",
    "Interval",
    "PairedT",
    "median_bootstrap",
    "metric_of_draws",
    "paired_bootstrap",
    "paired_t",
    "percentile_interval",
    "slope_interval",
    "smallest_detectable_effect",
    "user_draws",
]
