"""The programs that run a check in processes of their own; they import nothing else of the package."""
