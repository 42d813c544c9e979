"""One question per file; each answer is a tidy DataFrame whose columns its docstring names."""
