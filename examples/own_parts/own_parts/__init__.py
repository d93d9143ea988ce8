"""A component and a device that live outside the library."""
