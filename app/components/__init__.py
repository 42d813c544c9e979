"""Parts that all pages share: the state in the URL, the runs, cached frames, the sidebar, figures.

The app decides what is shown where. What the numbers are is decided in `workbench.insight`, how
they are drawn in `workbench.charts`.
"""
