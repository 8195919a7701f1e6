"""How a request fails."""

__all__ = ["StatusError"]


class StatusError(Exception):
    """The request fails with the NTSTATUS `status`; `data` is the ErrorData of the ERROR response (MS-SMB2 2.2.2)."""

    def __init__(self, status: int, data: bytes = b"") -> None:
        super().__init__(f"{status:#010x}")
        self.status = status
        self.data = data
