"""Notebooks under pytest (nbmake runs them): a warning fails its cell, as in ``render.py``."""

from __future__ import annotations

import os

# Read by `workbench.teaching.begin` in the kernels that nbmake starts.
os.environ.setdefault("WORKBENCH_WARNINGS", "error")
