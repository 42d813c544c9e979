"""Where a training step spends its time: operators of several libraries side by side."""

from __future__ import annotations

from typing import Any

SUMS = ("(whole step)", "(all operators)")


def table(cell: dict[str, Any], most: int = 16) -> str:
    """Microseconds per step, one column per library; the costliest operators of any of them first.

    The profiler adds to every operator, so columns compare with one another, not with the speeds
    that were measured without it.

    Args:
        cell: what `measure.profile` wrote.
        most: operators shown, the two sums left out.
    """
    libraries = list(cell["rounds"])
    spent = {
        name: {
            entry["operator"]: entry["us_per_step"] for entry in cell["rounds"][name][0]["value"]
        }
        for name in libraries
    }
    operators = {operator for times in spent.values() for operator in times} - set(SUMS)
    dearest = sorted(
        operators, key=lambda operator: -max(times.get(operator, 0.0) for times in spent.values())
    )
    lines = [f"{'us per step':44}" + "".join(f"{name:>16}" for name in libraries)]
    for operator in (*SUMS, *dearest[:most]):
        numbers = (spent[name].get(operator) for name in libraries)
        shown = "".join(f"{'-' if n is None else format(n, ',.0f'):>16}" for n in numbers)
        lines.append(f"{operator[:43]:44}{shown}")
    return "\n".join(lines)
