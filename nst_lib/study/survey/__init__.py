"""The listening test: a web app that asks listeners, and keeps what they say."""
