"""What does a way of training change, and for which users? AUC by activity, against a base."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from workbench.errors import InputError
from workbench.insight.labels import group_labels
from workbench.insight.paired import Pair, paired_by_bucket
from workbench.insight.samples import check_same_samples, read_predictions
from workbench.runs import Run


def auc_by_bucket(
    base_runs: Sequence[Run],
    runs: Sequence[Run],
    *,
    metric: str = "auc",
    by: str = "user_activity",
    replicates: int = 1000,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Paired difference of a metric to the base runs, by activity bucket, for each group of runs.

    Runs that differ by their training seed only make a group; its point is the mean over its seeds.
    Every run is paired with the base run of its seed.

    Args:
        base_runs: runs of one experiment, one per seed.
        runs: what is compared to them.
        metric: "auc", "uauc", "uauc_macro" or "log_loss" (lower is better).
        by: "user_activity" or "item_activity".
        replicates, seed: of the bootstrap over users.

    Returns:
        frame: one row per group and bucket, the bucket "all" (order -1) first: `group` (a label,
            the variant where that is enough), `variant`, `runs` (names), `seeds` (how many),
            `bucket`, `order`, `users`, `rows`, `positives`, `base`, `value`, `delta`, `ci_low`,
            `ci_high`, `standard_error`, `smallest_effect`, `users_left_out`, `rela_impr`; see
            `workbench.insight.paired.paired_by_bucket`.
        singles: one row per group, seed and bucket: `group`, `variant`, `run`, `seed`, `bucket`,
            `order`, `delta`.

    Raises:
        InputError: no runs, base runs of several experiments, two runs of one experiment and seed,
            a seed without base run, runs whose test samples differ, or damaged tables.
    """
    bases = _by_seed(base_runs)
    if len({run.group for run in base_runs}) > 1:
        raise InputError("the base runs must differ by their seed only: choose one experiment")
    if not runs:
        raise InputError("choose at least one run to compare")
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.group].append(run)
    tables = {seed: read_predictions(run) for seed, run in bases.items()}
    frames, singles = [], []
    for members, label in zip(groups.values(), group_labels(list(groups.values())), strict=True):
        pairs = [_pair(bases, tables, run) for run in _by_seed(members).values()]
        samples = tables[members[0].seed]
        frame, deltas = paired_by_bucket(
            pairs, samples, by=by, metric=metric, replicates=replicates, seed=seed
        )
        names = ", ".join(run.name for run in members)
        about = {"group": label, "variant": members[0].variant, "runs": names}
        frames.append(_with_columns(frame, about | {"seeds": len(members)}))
        for run, column in zip(members, deltas.T, strict=True):
            single = frame[["bucket", "order"]].assign(delta=column)
            about = {"group": label, "variant": run.variant, "run": run.name}
            singles.append(_with_columns(single, about | {"seed": run.seed}))
    return pd.concat(frames, ignore_index=True), pd.concat(singles, ignore_index=True)


def _by_seed(runs: Sequence[Run]) -> dict[int, Run]:
    """Runs by seed, in the order given."""
    found: dict[int, Run] = {}
    for run in runs:
        if run.seed in found:
            raise InputError(
                f"runs '{found[run.seed].name}' and '{run.name}' are one experiment with seed "
                f"{run.seed}: choose one of them"
            )
        found[run.seed] = run
    if not found:
        raise InputError("choose at least one base run")
    return found


def _pair(bases: dict[int, Run], tables: dict[int, pd.DataFrame], run: Run) -> Pair:
    """Logits of the base run of the same seed and of the run itself."""
    if run.seed not in bases:
        seeds = ", ".join(str(seed) for seed in bases)
        raise InputError(
            f"run '{run.name}' has seed {run.seed}, the base runs have {seeds}: "
            "runs are paired by seed"
        )
    base, base_rows = bases[run.seed], tables[run.seed]
    # Seeds are averaged bucket by bucket, so they must agree on the samples as well.
    first = next(iter(bases))
    check_same_samples(bases[first], tables[first], base, base_rows)
    rows = read_predictions(run)
    check_same_samples(base, base_rows, run, rows)
    return base_rows["logit"].to_numpy(), rows["logit"].to_numpy()


def _with_columns(frame: pd.DataFrame, values: dict[str, object]) -> pd.DataFrame:
    """The frame with constant columns in front."""
    front = pd.DataFrame({name: [value] * len(frame) for name, value in values.items()})
    return pd.concat([front, frame.reset_index(drop=True)], axis=1)
