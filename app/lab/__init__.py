"""The live lab's parts: its settings, and the board that shows a run while it trains."""
