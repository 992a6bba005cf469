"""Shops under their own names: tables as widespread shop systems and public data sets have them, filled with made-up
rows, and the mapping that a person would write for each. `tuned`: those that `forecasting init` was made on.
`held_out`: those that it first saw when it was done."""
