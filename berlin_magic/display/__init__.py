"""Display: one reply shown in a cell, live and finished."""
