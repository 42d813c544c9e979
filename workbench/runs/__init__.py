"""The run store: one folder per run, written atomically, read as untrusted data.

Importing it does not import torch; only the functions that touch tensors do.
"""

from workbench.runs.run import HEARTBEAT_LIMIT, Run
from workbench.runs.status import Status
from workbench.runs.store import RunStore, open_run
from workbench.runs.tables import TABLES
from workbench.runs.writer import RunWriter

__all__ = ["HEARTBEAT_LIMIT", "TABLES", "Run", "RunStore", "RunWriter", "Status", "open_run"]
