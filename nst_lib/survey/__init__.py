"""The listening test: a web app that asks listeners, and keeps what they say."""

#: Where a test is reached from this machine only.
LOOPBACK = "127.0.0.1"
