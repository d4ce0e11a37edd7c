"""The ops: one record each, by family. Forward, type rule, gradients, batching, words and samples together.

A family is a file or a folder: `elementwise`, `special`, `reduce`, `norm`, `shape`, `diagonals`, `index`, `slide`,
`matmul`, `products`, `linalg`, `determinants`, `decompositions`, `conv`, `pool`, `fft`, `random`, `guard`,
`structure`. Beside them stand `define`, which makes records of ops that share rules, `matrices` and `windows`, which
families share, and `lowering`, the forms in which a record says how it becomes loops.

May import `graph` and `errors` only. Rules are written with ops and operators, so that they compute on
arrays and record on tensors.
"""
