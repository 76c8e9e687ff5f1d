"""Fourier transforms under NumPy's names: the standard's extension, and NumPy's n-d ones."""

from polyvm.np._fft import *  # noqa: F403
