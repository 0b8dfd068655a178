"""Pages in a browser that is listened to."""

import re

from playwright.sync_api import Page


def watch(page: Page, troubles: list[str], *, ours: str) -> Page:
    """Note what a page complains of, and what it asks of any place that `ours` does not match."""
    page.set_default_timeout(10000)
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "requestfailed", lambda request: troubles.append(f"failed: {request.url.partition(',')[0]}")
    )
    page.on(
        "request",
        lambda request: None if re.match(ours, request.url) else troubles.append(request.url),
    )
    return page
