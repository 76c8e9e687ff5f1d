"""What `polyvm.np` and NumPy are compared by: operations on arrays, and their inputs."""
