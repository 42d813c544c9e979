"""What a report says: one section per question, each with sentences, charts and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from workbench.charts import adapter_weights as weight_charts
from workbench.charts import auc_by_bucket as auc_charts
from workbench.charts import calibration as calibration_charts
from workbench.charts import id_norms as norm_charts
from workbench.charts import progress, words
from workbench.charts.names import name_of
from workbench.insight.adapter_weights import adapter_weights
from workbench.insight.auc_by_bucket import auc_by_bucket
from workbench.insight.calibration import reliability
from workbench.insight.compare import compare
from workbench.insight.id_norms import head_tail_ratios, id_norms
from workbench.insight.labels import group_labels, run_labels
from workbench.insight.settings import differences
from workbench.runs import Run


@dataclass(frozen=True)
class Section:
    """One question of the report.

    Attributes:
        title: the question.
        sentences: the answer in words.
        charts: Vega-Lite specifications.
        table: numbers; None for none.
        note: how to read the charts.
    """

    title: str
    sentences: list[str]
    charts: list[dict[str, Any]] = field(default_factory=list)
    table: pd.DataFrame | None = None
    note: str = ""


def sections(base: Run, runs: Sequence[Run], *, replicates: int = 1000) -> list[Section]:
    """All sections of a comparison.

    Args:
        base: the baseline.
        runs: finished runs on the same test rows, at least one.
        replicates: of the bootstraps over users.

    Raises:
        InputError: runs that cannot be compared, or damaged tables.
    """
    everyone = [base, *runs]
    found = [
        _results(base, runs, replicates),
        _settings(base, runs),
        _buckets(base, runs, replicates),
        _weights(everyone),
        _norms(everyone),
        _calibration(everyone, replicates),
        _training(everyone),
    ]
    return [section for section in found if section is not None]


def _results(base: Run, runs: Sequence[Run], replicates: int) -> Section:
    results = compare(base, runs, replicates=replicates, buckets=False)
    rows, said = [_of_base(base)], []
    for run, result in zip(runs, results, strict=True):
        summary = run.summary or {}
        rows.append(
            {
                "run": run.name,
                "way of training": name_of(run.variant),
                "seed": run.seed,
                "test AUC": f"{result['auc']:.4f}",
                "difference": words.signed(result["delta_auc"]),
                "95% interval": words.interval(
                    result["ci_low"], result["ci_high"], 4, sign=True
                ).removeprefix("95% interval "),
                "RelaImpr": words.percent(result["rela_impr"]),
                "test UAUC": f"{summary.get('test_uauc', float('nan')):.4f}",
                "seconds": f"{summary.get('seconds') or float('nan'):.1f}",
            }
        )
        said.append(_verdict(run.name, result))
    note = (
        "Differences are paired on the same test rows; intervals are a bootstrap over users. They "
        "speak of other users, not of other seeds."
    )
    return Section("Is it better?", said, table=pd.DataFrame(rows).fillna(""), note=note)


def _of_base(base: Run) -> dict[str, Any]:
    summary = base.summary or {}
    return {
        "run": base.name,
        "way of training": name_of(base.variant),
        "seed": base.seed,
        "test AUC": f"{summary.get('test_auc', float('nan')):.4f}",
        "test UAUC": f"{summary.get('test_uauc', float('nan')):.4f}",
        "seconds": f"{summary.get('seconds') or float('nan'):.1f}",
    }


def _verdict(name: str, result: dict[str, Any]) -> str:
    bounds = words.interval(result["ci_low"], result["ci_high"], 4, sign=True)
    told = f"{name}: test AUC {words.signed(result['delta_auc'])} to the baseline ({bounds})"
    if result["ci_low"] > 0:
        return f"{told}: better."
    if result["ci_high"] < 0:
        return f"{told}: worse."
    smallest = words.number(result["smallest_effect"], 4)
    return f"{told}: no difference; with these users one of {smallest} would have been found."


def _settings(base: Run, runs: Sequence[Run]) -> Section:
    parts = []
    for run in runs:
        frame = differences(base, run)
        parts.append(frame.rename(columns={"one": "baseline", "other": "this run"}))
        parts[-1].insert(0, "run", run.name)
    table = pd.concat(parts, ignore_index=True)
    said = ["Settings in which a run differs from the baseline."] if len(table) else []
    return Section("What was changed?", said or ["Every setting is the same."], table=table)


def _buckets(base: Run, runs: Sequence[Run], replicates: int) -> Section | None:
    paired = [run for run in runs if run.seed == base.seed and run.group != base.group]
    if not paired:
        return None
    frame, singles = auc_by_bucket([base], paired, replicates=replicates)
    return Section(
        "For which users?",
        auc_charts.sentences(frame),
        [_spec(auc_charts.chart(frame, singles))],
        note="Bar: 95% paired bootstrap interval over users. Shaded: smaller differences are found "
        "less than 8 times in 10. Grey: fewer than 30 users. Runs of the baseline's seed.",
    )


def _weights(runs: Sequence[Run]) -> Section | None:
    with_adapter = [run for run in runs if run.has("weights")]
    if not with_adapter:
        return None
    # The full framework first: it is what the reader asks about.
    run = min(with_adapter, key=lambda run: run.variant != "full")
    frame = adapter_weights(run)
    return Section(
        "How are features weighed?",
        [f"{run.name}: {weight_charts.sentence(frame)}"],
        [_spec(weight_charts.chart(frame, variant=run.variant))],
        note="Line: median over users; ribbon: middle half; bars: 95% bootstrap interval of the "
        "median. Dashed: weight before training.",
    )


def _norms(runs: Sequence[Run]) -> Section:
    schema, _ = runs[0].layout()
    feature = schema.user
    labels = run_labels(runs)
    norms = id_norms(runs, feature)
    norms["group"] = norms["run"].map(labels)
    frame = head_tail_ratios(runs, feature, labels)
    return Section(
        "Do head users' ID embeddings grow larger?",
        norm_charts.sentences(frame, feature=feature),
        [_spec(norm_charts.chart(norms)), _spec(norm_charts.ratio_chart(frame))],
        note="Median norm by tenth of the users; bands: middle 50% and 80%. Dashed: before "
        "training. Weight decay and the optimiser move norms too.",
    )


def _calibration(runs: Sequence[Run], replicates: int) -> Section:
    frame = reliability(runs, replicates=replicates)
    frame = frame.assign(label=frame["run"])
    low, high = calibration_charts.ends(frame)
    parts = [rows for _, rows in frame.groupby("run", sort=False)]
    return Section(
        "Are the probabilities right?",
        [calibration_charts.reliability_sentence(rows) for rows in parts],
        [
            _spec(
                calibration_charts.reliability_panel(rows, low=low, high=high).properties(
                    width=320, height=260
                )
            )
            for rows in parts
        ],
        note="Ten bins of equal size by the run's own prediction, with 95% intervals over users.",
    )


def _training(runs: Sequence[Run]) -> Section:
    labels = group_labels([[run] for run in runs])
    frames = [
        run.metrics().assign(run=run.name, group=label)
        for run, label in zip(runs, labels, strict=True)
    ]
    frame = pd.concat(frames, ignore_index=True)
    charts = [progress.loss_chart(frame), progress.auc_chart(frame)]
    return Section(
        "How did training go?",
        [progress.sentence(frame)],
        [_spec(chart.properties(width=420, height=240)) for chart in charts],
    )


def _spec(chart: Any) -> dict[str, Any]:
    spec: dict[str, Any] = chart.to_dict(validate=False)
    return spec
