"""Preparing models offline: samples to try them on, and rewriting files in ONNX.

Rewriting takes the package `onnx` (the extra "models"); running does not.
"""
