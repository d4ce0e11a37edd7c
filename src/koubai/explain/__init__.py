"""Explanations: what a computation did and what its gradients did, as plain data and as derivations with numbers.

Returns records; how they look in a page is the business of `view`. May import `check`, `nn`, `optim`, `data`,
`tensor`, `diff`, `compile`, `ops`, `graph` and `errors`.
"""
