"""Code that is measured from within the interpreter it runs in, VM or stock alike."""
