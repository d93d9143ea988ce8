"""hwlib: components, devices and technologies of compute-in-memory chips, each number with its source."""
