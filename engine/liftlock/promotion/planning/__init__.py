"""From what there is to a plan: decided in one snapshot, judged by every rule, nothing written.

`plans` puts it together. `parts` goes through the routes, `routing` decides about the images of
one, with `attachments`, `leaving` and `taking` for what is not named; `wholes` decides about
repositories that go as one.
"""
