"""A comparison of runs as one HTML file that opens offline, with interactive charts."""

from workbench.report.page import write_report

__all__ = ["write_report"]
