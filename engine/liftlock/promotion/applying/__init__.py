"""From a plan to rows: written in one transaction, or rehearsed, and told.

`plans` writes a plan, with `writing` for its drafts and `answers` for what people are told;
`together` plans and writes small promotions that wait for the same commit.
"""
