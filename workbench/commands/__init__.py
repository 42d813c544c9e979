"""One file per command, each with ``add_parser(commands)``; torch is imported only on a run."""
