"""The host's HTTP interface: tasks are run, watched and switched over it."""
