"""Open enumerations: a wire value without a name survives as itself."""

from enum import IntEnum, IntFlag
from typing import Self

__all__ = ["OpenEnum", "OpenFlag"]


class OpenEnum(IntEnum):
    """An `IntEnum` in which every integer is a member; an unknown one is named by its hexadecimal value.

    Unknown members are made on demand and never stored, so hostile input cannot grow the class.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"0x{value:X}"
        member._value_ = value
        return member


class OpenFlag(IntFlag):
    """An `IntFlag` that keeps bits which no member names.

    `enum` remembers every combination that it ever met; here it remembers a bounded number, for the same reason.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self:
        member: Self = super()._missing_(value)
        if len(cls._value2member_map_) > _REMEMBERED:
            cls._value2member_map_.pop(value, None)
        return member


_REMEMBERED = 1024  # combinations of flags of one class; real traffic has some dozens
