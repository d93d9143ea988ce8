"""The command line: one small file for each command; `main` finds them by name."""
