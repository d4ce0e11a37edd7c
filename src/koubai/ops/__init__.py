"""The ops: one record each, by family. Forward, type rule, gradients, batching, words and samples together.

May import `graph` and `errors` only. Rules are written with ops and operators, so that they compute on
arrays and record on tensors.
"""
