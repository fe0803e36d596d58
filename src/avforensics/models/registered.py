"""Registry of the network classes that files may name.

Only these classes can be built from a file, so a file cannot make the program import anything.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, TypeVar

from torch import nn

from avforensics.registry import Registry

CLASSES: Registry[type[nn.Module]] = Registry("network class")

Class = TypeVar("Class", bound=type[nn.Module])


def register(cls: Class) -> Class:
    """Class decorator that allows networks of the class to be saved and loaded.

    The constructor arguments are stored in ``architecture`` unless the class has a property of that
    name. They must be numbers, strings, booleans, None, lists of these, or registered networks.

    Raises
    ------
    ValueError
        Another class with that name is registered.
    """
    CLASSES.add(cls.__name__, cls)
    if isinstance(getattr(cls, "architecture", None), property):
        return cls
    construct = cls.__init__
    signature = inspect.signature(construct)

    @functools.wraps(construct)
    def keep_arguments(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        if type(self) is cls:
            given = signature.bind(self, *args, **kwargs)
            given.apply_defaults()
            self.architecture = dict(list(given.arguments.items())[1:])
            for name, parameter in signature.parameters.items():
                if parameter.kind is parameter.VAR_KEYWORD:
                    self.architecture |= self.architecture.pop(name)
                elif parameter.kind is parameter.VAR_POSITIONAL and not given.arguments[name]:
                    del self.architecture[name]

    cls.__init__ = keep_arguments
    return cls
