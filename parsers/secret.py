"""What all secrets have in common: they do not leave the process unnoticed."""

from typing import NoReturn

__all__ = ["Secret"]


class Secret:
    """Refuses to be pickled; that no `repr` shows the secret is for each class to see to."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds secrets and is not pickled; load the keys where they are needed")
