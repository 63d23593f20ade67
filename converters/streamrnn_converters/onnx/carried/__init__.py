"""Which graph inputs are states that the caller carries from run to run, and which output gives each back.

`names` compares names, `flow` follows values, `pairs` decides; `words` says what was found, or asks.
"""
