"""AUC, UAUC, log loss and RelaImpr: exact, no loop over rows or users, on the tensor's own device.

Values are float64 whatever the type of the scores. Ties count one half. A score that is not a
number is refused, because a sort would silently put it on top.

Pairs are counted in whole numbers: up to 1.3e8 rows (2**52 pairs) an AUC is rounded once, in its
division; beyond, the count of pairs is rounded to float64 as well. Memory beside the arguments
grows with the rows alone, whatever the groups and ties; `tests/benchmarks/bench_metrics.py` prints
it in bytes per row.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from workbench.errors import InputError
from workbench.ordering import pairs_won, sort_in_place, sort_rows, sortable

# Steps times replicates in one block of `weighted_auc`: on a CPU its arrays then fit the cache.
_CPU_BLOCK, _DEVICE_BLOCK = 2**17, 2**24


class ScoreSteps(NamedTuple):
    """One model's rows in ascending order of score, cut into steps.

    A step is a run of negatives followed by a run of positives that all score higher, so its
    positives beat every negative up to here; or it is one value that both classes share (tied).
    There are far fewer steps than rows, and no pair of rows is lost by the summary.

    Attributes:
        positive_units: [positives], the weight unit of each positive row, in order of score.
        positive_starts: [steps + 1], where each step starts in `positive_units`.
        negative_units: [negatives], as above.
        negative_starts: [steps + 1], as above.
        tied: [steps] float64, one half where the step is a tie, else 0.
    """

    positive_units: Tensor
    positive_starts: Tensor
    negative_units: Tensor
    negative_starts: Tensor
    tied: Tensor

    def largest(self) -> int:
        """Rows of one class in the longest step."""
        runs = torch.cat([self.positive_starts.diff(), self.negative_starts.diff()])
        return int(runs.max()) if len(runs) else 0


class GroupAuc(NamedTuple):
    """AUC of each group, all [groups], in ascending order of `groups`; auc is nan for one class."""

    groups: Tensor
    auc: Tensor
    rows: Tensor
    positives: Tensor


class Uauc(NamedTuple):
    """Per-user AUC averaged over the users with both classes, and how many those are.

    Attributes:
        value: scalar float64, weights proportional to the user's rows (section 4.1 of the paper).
        macro: scalar float64, equal weights.
        users: users with both classes.
        users_left_out: users with one class only.
    """

    value: Tensor
    macro: Tensor
    users: int
    users_left_out: int


def auc(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Chance that a positive row scores above a negative one, a tie counting one half.

    Args:
        scores: [rows], any float type; only their order matters, so logits and probabilities agree.
        labels: [rows], 0 or 1 of any type.
        weights: [rows], not negative; a row of weight 2 counts as two equal rows.

    Returns:
        Scalar float64; nan where a class has no row or no weight.

    Raises:
        InputError: shapes that differ, labels other than 0 and 1, scores that are not numbers,
            negative weights.
    """
    if weights is None:
        return _plain_auc(scores, labels)
    steps = rank_steps(scores, labels)
    if weights.shape != scores.shape:
        raise InputError(f"weights have shape {list(weights.shape)}, scores {list(scores.shape)}")
    if not bool((weights >= 0).all()):
        raise InputError("weights of an AUC must be 0 or more")
    return weighted_auc(steps, weights.double()[:, None])[0]


def _plain_auc(scores: Tensor, labels: Tensor) -> Tensor:
    """`auc` without weights: both classes sorted by themselves, then one looked up in the other."""
    positive = check_rows(scores, labels)
    scores = sortable(scores)
    winners, losers = sort_in_place(scores[positive]), sort_in_place(scores[~positive])
    won = pairs_won(winners, losers).double() / 2
    return won / (len(winners) * len(losers)) if len(winners) and len(losers) else won * torch.nan


def rank_steps(scores: Tensor, labels: Tensor, units: Tensor | None = None) -> ScoreSteps:
    """Sort once what `weighted_auc` then evaluates for any number of weightings.

    Args:
        scores: [rows].
        labels: [rows], 0 or 1.
        units: [rows] int64 in 0..units-1, which entry of the weights a row takes: a user's index
            for a bootstrap over users. Default: every row is its own unit.

    Raises:
        InputError: as in `auc`.
    """
    positive = check_rows(scores, labels)
    scores, order = scores.double().sort()
    positive = positive[order]
    units = order if units is None else units[order]

    # Rows of equal score form one value; a value is mixed where both classes have it.
    new_value = _changes(scores)
    value = new_value.cumsum(0) - 1
    rows = torch.bincount(value)
    positives = torch.bincount(value[positive], minlength=len(rows))
    has_positive = positives > 0
    mixed = has_positive & (positives < rows)
    # A step ends before and after a mixed value, and where negatives follow positives.
    new_step = mixed.clone()
    new_step[1:] |= mixed[:-1] | (has_positive[:-1] & ~has_positive[1:])
    new_step[:1] = True
    step = (new_step.cumsum(0) - 1)[value]
    tied = 0.5 * mixed[new_step].double()

    edges = torch.arange(len(tied) + 1, device=scores.device)
    return ScoreSteps(
        units[positive],
        torch.searchsorted(step[positive], edges),
        units[~positive],
        torch.searchsorted(step[~positive], edges),
        tied,
    )


def weighted_auc(steps: ScoreSteps, weights: Tensor) -> Tensor:
    """AUC under each column of weights: sum of w+ * (w- below + (1 - tied) * w- level) over steps.

    Args:
        steps: from `rank_steps`.
        weights: [units, replicates], float64; or float32, several times faster, but exact only
            for whole numbers whose sum over one step stays below 2**24.

    Returns:
        [replicates] float64; nan where a class has no weight.
    """
    replicates = weights.shape[1]
    numerator = weights.new_zeros(replicates, dtype=torch.float64)
    positives, negatives = torch.zeros_like(numerator), torch.zeros_like(numerator)
    block = _CPU_BLOCK if weights.device.type == "cpu" else _DEVICE_BLOCK
    width = max(1, block // max(1, replicates))
    for first in range(0, len(steps.tied), width):
        here = slice(first, first + width)
        above = _step_sums(weights, steps.positive_units, steps.positive_starts, here)
        level = _step_sums(weights, steps.negative_units, steps.negative_starts, here)
        below = level.cumsum(0, dtype=torch.float64)  # [steps of the block, replicates]
        block_positives = above.sum(0, dtype=torch.float64)
        block_negatives = below[-1].clone()
        below -= steps.tied[here, None] * level
        # `below` starts at 0 in each block, so the negatives of earlier blocks are added at once.
        numerator += below.mul_(above).sum(0) + negatives * block_positives
        positives += block_positives
        negatives += block_negatives
    return numerator / (positives * negatives)


def auc_by_group(scores: Tensor, labels: Tensor, groups: Tensor) -> GroupAuc:
    """AUC within each group: per user, or per activity bucket.

    Args:
        scores: [rows].
        labels: [rows], 0 or 1.
        groups: [rows], any integers.

    Raises:
        InputError: as in `auc`, or groups that are not integers.
    """
    positive = check_rows(scores, labels)
    check_integers("groups", groups, scores)
    ordered = sort_rows(scores, positive, groups)
    keys, positives = ordered.keys, ordered.labels
    group_start, tied = ordered.group_starts(), ordered.level_positives()
    negatives_to = _running(1 - positives)
    # Twice the pairs won, in whole numbers. A positive comes after all negatives it beats and all
    # it ties with, those of earlier groups included; what is too much is taken off after.
    twice_won = (negatives_to[:-1] * positives).mul_(2)
    value_start = torch.searchsorted(keys, keys[tied] - 1)  # the value's first negative, if any
    twice_won[tied] -= negatives_to[tied] - negatives_to[value_start]

    rows = group_start.diff(append=group_start.new_tensor([len(scores)]))
    negatives = _between(negatives_to, group_start)
    won = _between(_running(twice_won), group_start)
    won = (won - 2 * negatives_to[group_start] * (rows - negatives)).double() / 2
    pairs = ((rows - negatives) * negatives).double()  # 0 / 0 is the nan of a single class
    return GroupAuc(ordered.groups(group_start, groups), won / pairs, rows, rows - negatives)


def uauc(scores: Tensor, labels: Tensor, groups: Tensor) -> Uauc:
    """AUC per user, averaged; see `Uauc`. Both averages are nan where no user has both classes.

    Args:
        scores: [rows].
        labels: [rows], 0 or 1.
        groups: [rows], the user of each row, any integers.

    Raises:
        InputError: as in `auc_by_group`.
    """
    per_user = auc_by_group(scores, labels, groups)
    both = ~per_user.auc.isnan()
    value, rows = per_user.auc[both], per_user.rows[both].double()
    users = len(value)
    return Uauc((value * rows).sum() / rows.sum(), value.mean(), users, len(both) - users)


def row_log_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of each row in nats, from logits: softplus(z) - y * z, [rows] float64."""
    positive = check_rows(logits, labels).double()
    return functional.binary_cross_entropy_with_logits(logits.double(), positive, reduction="none")


def log_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy in nats, stable for logits of any size; nan for no rows.

    Args:
        logits: [rows], before the sigmoid.
        labels: [rows], 0 or 1.

    Raises:
        InputError: as in `auc`.
    """
    return row_log_loss(logits, labels).mean()


def rela_impr(auc_new: float, auc_base: float) -> float:
    """Relative improvement as Table 3 of the paper has it: auc_new / auc_base - 1.

    The other form in use, with 0.5 taken off both, gives about three times as much.

    Raises:
        InputError: a base that is not above 0.
    """
    if auc_base <= 0:
        raise InputError(f"RelaImpr needs a base metric above 0, got {auc_base}")
    return auc_new / auc_base - 1


def check_rows(scores: Tensor, labels: Tensor) -> Tensor:
    """Labels as bool [rows], after checking both: see the errors of `auc`."""
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise InputError(
            "scores and labels must be one-dimensional and equally long, "
            f"got shapes {list(scores.shape)} and {list(labels.shape)}"
        )
    if bool(scores.isnan().any()):
        raise InputError(f"{int(scores.isnan().sum())} of {len(scores)} scores are not a number")
    positive = labels == 1
    other = ~positive & (labels != 0)
    if bool(other.any()):
        raise InputError(f"labels must be 0 or 1, got {labels[other][0].item()}")
    return positive


def check_integers(name: str, values: Tensor, scores: Tensor) -> None:
    """Refuse ids that are not [rows] integers: float32 merges neighbouring ids above 2**24."""
    if values.is_floating_point() or values.is_complex():
        raise InputError(f"{name} must be integers, got {values.dtype}")
    if values.shape != scores.shape:
        raise InputError(f"{name} have shape {list(values.shape)}, scores {list(scores.shape)}")


def _changes(values: Tensor) -> Tensor:
    """True where a sorted [rows] tensor has a new value, the first row included."""
    changes = torch.ones(len(values), dtype=torch.bool, device=values.device)
    changes[1:] = values[1:] != values[:-1]
    return changes


def _step_sums(weights: Tensor, units: Tensor, starts: Tensor, steps: slice) -> Tensor:
    """Sum of weights[units] over each of the steps, [steps, replicates]; an empty step gives 0."""
    edges = starts[steps.start : steps.stop + 1]
    members = units[int(edges[0]) : int(edges[-1])]
    # embedding_bag reads the rows of `weights` in place, where a gather would copy them first.
    return functional.embedding_bag(members, weights, edges[:-1] - edges[0], mode="sum")


def _running(counts: Tensor) -> Tensor:
    """[n] int64 -> [n + 1], the sum of all entries before each position."""
    running = counts.new_zeros(len(counts) + 1)
    torch.cumsum(counts, 0, out=running[1:])
    return running


def _between(running: Tensor, starts: Tensor) -> Tensor:
    """Sum of each segment, given running sums and where the segments start."""
    return running[starts].diff(append=running[-1:])
