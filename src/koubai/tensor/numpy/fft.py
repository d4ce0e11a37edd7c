"""Fourier transforms under NumPy's names."""
