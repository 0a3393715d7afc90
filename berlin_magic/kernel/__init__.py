"""The IPython side: magics, commands, and the notebook that a shell runs."""
