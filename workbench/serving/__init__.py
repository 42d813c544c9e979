"""What a trained run is used for: predicting new rows, and export."""
