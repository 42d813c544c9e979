"""Errors a user can cause: one line that names the value, the place and what is allowed."""

from __future__ import annotations

from pydantic import ValidationError


class InputError(ValueError):
    """Input that cannot be used: the command line prints the message and exits with code 2."""


class TrainingError(RuntimeError):
    """Training cannot go on, for example after a loss that is not finite."""


def first_problem(error: ValidationError, place: str) -> InputError:
    """Turn a pydantic report into one line: place, key, value and what is allowed.

    Args:
        error: what pydantic raised.
        place: where the data came from, for example ``config.json``.
    """
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"]) or "(whole)"
    if problem["type"] == "extra_forbidden":
        return InputError(f"{place}: unknown key '{key}'")
    if problem["type"] == "value_error":
        # Our own validators name value and range themselves.
        message = problem["msg"].removeprefix("Value error, ")
        return InputError(f"{place}: {key}: {message}" if problem["loc"] else f"{place}: {message}")
    return InputError(f"{place}: {key} = {problem['input']!r}: {problem['msg']}")
