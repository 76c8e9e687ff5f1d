"""The tensor engine for ordinary Python: the extension module `_tensor`. Use `polyvm.np`."""
