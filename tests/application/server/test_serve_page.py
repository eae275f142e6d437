"""The page in a real browser: what a person does with it, and that it asks nobody else."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.application.conftest import random_dna
from tests.application.server.client import Server

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

DNA = random_dna(220, 11)
NAME = "<img src=x onerror=\"window.hacked='name'\"><script>window.hacked=1</script>"
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1280,1000",
]  # fmt: skip


class Page:
    """The page of a server in a browser."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def wait(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, 60, 0.05).until(lambda _: condition())

    def keys(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def show(self, text: str) -> None:
        area = self.find("#sequence")
        self.driver.execute_script("arguments[0].value = arguments[1]", area, text)
        self.find("#show").click()
        self.wait(lambda: self.find("#show").is_enabled())

    def pick(self, base: int) -> None:
        """Choose a base with the keyboard."""
        self.driver.execute_script("document.getElementById('plot').focus()")
        self.keys(Keys.HOME)
        tens, ones = divmod(base - 1, 10)
        held = ActionChains(self.driver).key_down(Keys.SHIFT)
        held.send_keys(*[Keys.ARROW_RIGHT] * tens).key_up(Keys.SHIFT).perform()
        self.keys(*[Keys.ARROW_RIGHT] * ones)
        self.settle()

    def settle(self) -> None:
        self.wait(lambda: "reading" not in self.find("#choices").text)

    def table(self) -> dict[str, list[float]]:
        """Return at, before, after and change of each track from the table of changes."""
        rows = self.driver.find_elements(By.CSS_SELECTOR, "#changes tr.values")
        return {
            row.get_attribute("data-track"): [
                number(cell.text) for cell in row.find_elements(By.TAG_NAME, "td")
            ]
            for row in rows
        }

    def download(self, button: str, name: str) -> str:
        file = self.downloads / name
        file.unlink(missing_ok=True)
        self.find(f"#{button}").click()
        self.wait(file.exists)
        time.sleep(0.2)
        return file.read_text()

    def columns(self) -> dict[str, list[float]]:
        """Return the tracks as they are downloaded, NaN where there is no value."""
        lines = [line.split("\t") for line in self.download("tsv", "tracks.tsv").splitlines()]
        return {
            name: [float(line[i].replace("NA", "nan")) for line in lines[1:]]
            for i, name in enumerate(lines[0])
            if i >= 3
        }


def number(text: str) -> float:
    return float(text.replace("\u2212", "-").replace("+", "").replace(",", ""))


@pytest.fixture(scope="module")
def page(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Open the page in Chromium without a window."""
    found = [shutil.which(name) for name in ("chromium", "google-chrome", "chromium-browser")]
    binary, driver = next(filter(None, found), None), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no browser: install Debian's chromium and chromium-driver")
    folder = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for option in [*OPTIONS, f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(option)
    downloads = {"download.default_directory": str(folder), "download.prompt_for_download": False}
    options.add_experimental_option("prefs", downloads)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        browser.get(server.url)
        opened = Page(browser, folder)
        opened.wait(lambda: browser.find_elements(By.CSS_SELECTOR, ".model"))
        yield opened
        messages = browser.get_log("browser")
        events = [
            json.loads(entry["message"])["message"] for entry in browser.get_log("performance")
        ]
    finally:
        browser.quit()
    assert messages == [], "the console has errors"
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    own = {one["request"]["url"] for one in sent if one["documentURL"].startswith(server.url)}
    assert f"{server.url}/api/mutate" in own
    local = (f"{server.url}/", f"blob:{server.url}/")
    assert [url for url in own if not url.startswith(local)] == [], "another server was asked"


def expected(server: Server, sequence: str) -> dict[str, list[float]]:
    """Return what the server says of a sequence, a value a base."""
    found = {}
    for model in server.answer("/api/tracks", {"sequence": sequence})["models"]:
        for track in model["tracks"]:
            values = np.full(len(sequence), np.nan)
            part = np.array(track["values"], dtype=float)
            values[model["offset"] : model["offset"] + len(part)] = part
            found[f"{model['name']}|{track['output']}"] = values.tolist()
    return found


def same(found: dict[str, list[float]], other: dict[str, list[float]]) -> None:
    assert found.keys() == other.keys()
    for name in found:
        np.testing.assert_allclose(found[name], other[name], rtol=1e-3, atol=1e-5)


def test_names_are_text(page: Page, server: Server) -> None:
    labels = [label.text for label in page.driver.find_elements(By.CSS_SELECTOR, ".model > label")]
    assert labels == ["tuned", "<i>bases</i>"]
    page.show(f">{NAME}\n{DNA}")
    page.wait(lambda: page.find("#view").is_displayed())
    assert page.find("#name").text.startswith(NAME)
    assert not page.driver.find_elements(By.CSS_SELECTOR, "#name *, .model i, svg i, li i")
    assert page.driver.execute_script("return window.hacked") is None


def test_what_cannot_be_read_is_a_sentence(page: Page, server: Server) -> None:
    page.show("HELLO WORLD")
    page.wait(lambda: "bad" in page.find("#message").get_attribute("class"))
    assert page.find("#message").text == server.error("/api/tracks", {"sequence": "HELLO WORLD"})[1]
    # Without the browser's note on the answer's status there is nothing in the console.
    notes = page.driver.get_log("browser")
    assert all("422" in note["message"] for note in notes)


def test_tracks_mutations_and_undo(page: Page, server: Server) -> None:
    page.show(f">my record\n{DNA}")
    page.wait(lambda: page.find("#name").text.startswith("my record"))
    assert len(page.driver.find_elements(By.CSS_SELECTOR, "path.curve")) == 2
    before = expected(server, DNA)
    same(page.columns(), before)

    page.pick(85)
    assert page.find("#which").text.startswith(f"Base 85 is {DNA[84]}")
    base = "C" if DNA[84] != "C" else "G"
    scores = server.answer("/api/substitutions", {"sequence": DNA, "position": 85})["models"]
    rows = page.driver.find_elements(By.CSS_SELECTOR, "#choices tr.values")
    shown = [number(row.find_elements(By.TAG_NAME, "td")["ACGT".index(base)].text) for row in rows]
    np.testing.assert_allclose(shown, [model["scores"][base] for model in scores], atol=6e-4)

    page.find(f'#choices [data-to="{base}"]').click()
    page.wait(lambda: page.find("#changed").is_displayed())
    page.settle()
    question = {"sequence": DNA, "position": 85, "base": base}
    found = page.table()
    for model in server.answer("/api/mutate", question)["models"]:
        for track in model["tracks"]:
            at = track["at"] - model["first"]
            place = model["offset"] + track["at"] + 1
            values = [place, track["before"][at], track["after"][at], track["change"]]
            row = found[f"{model['name']}|{track['output']}"]
            np.testing.assert_allclose(row, values, atol=6e-4)
            assert track["change"] != 0
    mutated = DNA[:84] + base + DNA[85:]
    same(page.columns(), expected(server, mutated))
    record = page.download("fasta", "sequence.fa").split("\n", 1)
    assert record[0] == f">my_mutated {DNA[84]}85{base}"
    assert record[1].replace("\n", "") == mutated
    assert page.find(".original").get_attribute("d")  # the track as it was

    page.find("#undo").click()
    page.settle()
    same(page.columns(), before)
    assert not page.find("#undo").is_enabled()


def test_keyboard_mouse_and_downloads(page: Page, server: Server) -> None:
    page.show(f">my record\n{DNA}")
    page.pick(31)
    letter = page.find('[data-base="35"]')
    ActionChains(page.driver).move_to_element(letter).click().perform()
    page.settle()
    assert page.find("#which").text.startswith(f"Base 35 is {DNA[34]}")
    assert page.find("#readout").text.startswith(f"Base 35 {DNA[34]}")
    base = "A" if DNA[34] != "A" else "T"
    page.driver.execute_script("document.getElementById('plot').focus()")
    page.keys(base.lower())
    page.wait(lambda: page.find("#which").text.startswith(f"Base 35 is {base}"))
    page.settle()
    mutated = DNA[:34] + base + DNA[35:]
    lines = page.download("bedgraph", "tracks.bedgraph").splitlines()
    assert sum(line.startswith("track ") for line in lines) == 2
    at = next(line for line in lines if line.startswith("my\t34\t35\t"))
    values = expected(server, mutated)["tuned|tis"]
    assert float(at.split("\t")[3]) == pytest.approx(values[34], rel=1e-3)
    page.driver.execute_script("document.getElementById('plot').focus()")
    page.keys("z")
    page.wait(lambda: page.find("#which").text.startswith(f"Base 35 is {DNA[34]}"))
    page.keys("0")
    assert not page.driver.find_elements(By.CSS_SELECTOR, "[data-base]")  # too many for letters
    page.find("#turn").click()
    page.wait(lambda: "reverse complement" in page.find("#name").text)


def test_regions_dark_and_narrow(page: Page, sequences: dict[str, str]) -> None:
    page.driver.execute_script("document.getElementById('sequence').value = ''")
    page.find("#region").send_keys("1:201-400", Keys.ENTER)
    page.wait(lambda: page.find("#name").text == "chr1 from base 201, 200 bases")
    assert (
        page.download("fasta", "sequence.fa").split("\n", 1)[1].replace("\n", "")
        == (sequences["chr1"][200:400])
    )
    script = "return getComputedStyle(document.body).backgroundColor"
    light = page.driver.execute_script(script)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert page.wait(lambda: page.driver.execute_script(script) != light)
    narrow = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    wide = "return document.documentElement.scrollWidth"
    page.wait(lambda: page.driver.execute_script(wide) <= 360)
