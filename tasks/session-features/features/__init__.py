"""One module for each family of features."""
