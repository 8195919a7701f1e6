"""Exchanges with a Kerberos KDC (RFC 4120 3.1, 3.3): streams and datagrams -> messages -> requests with answers."""
