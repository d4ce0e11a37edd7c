"""What all tests share: reproducible property tests, and marks that say what takes long."""

from hypothesis import settings

# The same examples at every run, and no deadline: on a busy machine time says nothing about right or wrong.
settings.register_profile("koubai", derandomize=True, deadline=None)
settings.load_profile("koubai")
