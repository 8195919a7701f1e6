"""The other side: a reference SMB2/3 server, a client, and a generator of traces with the truth beside them.

Server and client own no socket and no clock: bytes and the time come in, bytes and timers go out. `refserver.network`
plays them against each other in virtual time and writes what an observer would have captured.
"""
