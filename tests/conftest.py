"""Settings of all tests: no deadline for a generated case, since a busy machine is no reason to fail."""

from hypothesis import settings

settings.register_profile("cimest", deadline=None)
settings.load_profile("cimest")
