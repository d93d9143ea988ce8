"""The circuit components, one family a file; `COMPONENTS` finds them by name."""

from hwlib.component import Component
from hwlib.registry import Registry

COMPONENTS: Registry[type[Component]] = Registry("component", "hwlib.components", "hwlib.components")
component = COMPONENTS.register
