"""The command ``nst``. Each family of commands has its own file."""
