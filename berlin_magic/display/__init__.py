"""Display: views that show one reply in a cell."""
