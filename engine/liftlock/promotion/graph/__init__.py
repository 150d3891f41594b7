"""What hangs together: an image's closure, what of it a repository lacks, and what nobody needs.

`closure` goes down from an image, `reaching` up to the tags. `bringing` compares a closure with
what another repository has, `gaps` what is only named there; `unlinking` takes away.
"""
