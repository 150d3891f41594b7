"""Taking a promotion back: planned by what rows say now, never by the history alone, and written.

`planning` decides, with `wholes` for repositories, `taking_back` for what was linked, and `past`
for what has happened since; `applying` writes.
"""
