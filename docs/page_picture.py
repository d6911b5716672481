"""`make picture`: docs/page.png, an exported page in Chromium. What it writes is drawn from one seed."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from charnn.bundled import bundled_model
from charnn.export.page import page
from charnn.storage.model_file import read_model
from tests.browser import resized, started

PICTURE = Path(__file__).parent / "page.png"
WIDTH, HEIGHT = 1120, 830
LENGTH = 320
_SEEDED = """
let seed = 7;
Math.random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
"""


def taken(driver: Any, path: Path) -> bytes:
    """The page after it has written something."""
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _SEEDED})
    resized(driver, WIDTH, HEIGHT)
    driver.get(path.as_uri())
    driver.find_element("id", "beginning").send_keys("ROMEO:")
    driver.execute_script("document.getElementById('length').value = arguments[0]", LENGTH)
    driver.find_element("id", "write").click()
    status = driver.find_element("id", "writing-status")
    while not status.text.startswith("Wrote"):
        time.sleep(0.1)
    driver.execute_script(
        "arguments[0].textContent = arguments[0].textContent.replace(/, [\\d,]+ characters a second/, '');"
        "document.activeElement.blur();",
        status,
    )
    return bytes(driver.get_screenshot_as_png())


def main() -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "shakespeare.html"
        path.write_bytes(b"".join(page(read_model(bundled_model()), "shakespeare")))
        with started(Path(folder) / "profile") as driver:
            PICTURE.write_bytes(taken(driver, path))


if __name__ == "__main__":
    main()
