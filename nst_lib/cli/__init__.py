"""The command nst: one file for each family of commands."""
