"""The SMB2 dialects (MS-SMB2 2.2.3, 2.2.4)."""

from parsers.enums import OpenEnum

__all__ = ["Dialect"]


class Dialect(OpenEnum):
    """DialectRevision. `WILDCARD` answers an SMB1 NEGOTIATE that offered "SMB 2.???" and asks for an SMB2 one."""

    SMB_2_0_2 = 0x0202
    SMB_2_1 = 0x0210
    SMB_3_0 = 0x0300
    SMB_3_0_2 = 0x0302
    SMB_3_1_1 = 0x0311
    WILDCARD = 0x02FF

    @property
    def display(self) -> str:
        """The name people use: "3.1.1"; an unknown dialect is its hexadecimal value."""
        return _DISPLAY.get(self.value, self.name)


_DISPLAY = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1", 0x02FF: "2.???"}
