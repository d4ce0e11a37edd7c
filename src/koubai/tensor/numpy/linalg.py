"""Linear algebra under NumPy's names."""
