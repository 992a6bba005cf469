"""Looking at a warehouse that nobody has described: which of its tables and columns are the sources of DESIGN.md.

names -> meanings -> columns -> tables -> proposals, each with a confidence and a reason, for `init` to write.
"""
