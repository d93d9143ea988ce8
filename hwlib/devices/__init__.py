"""Synaptic devices: one record each, read by the circuit models and by the training simulator alike."""

from hwlib.devices.device import Device, device_names, load_device

__all__ = ["Device", "device_names", "load_device"]
