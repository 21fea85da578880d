"""What people see of runs: ``look.py``, driven in Chromium, with screenshots to look at."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from experiment.looking.found import find
from interface.resolvers import REPOSITORY
from tests.running import TINY_HER, hydra_main, train

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="no Chromium: apt-get install chromium chromium-driver"
    ),
]
SCREENSHOTS = REPOSITORY / "data" / "screenshots"
PATIENCE_SECONDS = 120
N_TRIALS = 3
RUN = "2026-01-01_00-00-00-s1-filmed"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A filmed run, and a sweep of made-up trials below their parent."""
    folder = tmp_path_factory.mktemp("ui")
    uri = f"sqlite:///{folder}/mlflow.db"
    overrides = [text for text in TINY_HER if text != "tracking=none"]
    tracked = [f"tracking.uri={uri}", f"tracking.artifact_location={folder}/mlruns"]
    filmed = ["render=record", "render.n_episodes=1", "n_epochs=4"]
    result = train(folder / RUN, *overrides, *tracked, *filmed)
    client = MlflowClient(uri)
    experiment = client.get_run(str(result.run_id)).info.experiment_id
    parent = client.create_run(experiment, run_name="sweep", tags={"study": "sweep"}).info.run_id
    for trial in range(N_TRIALS):
        tags = {"mlflow.parentRunId": parent, "study": "sweep"}
        run = client.create_run(experiment, run_name=f"trial-{trial}", tags=tags).info.run_id
        client.log_param(run, "algorithm.gamma", 0.9 + trial / 100)
        client.log_metric(run, "eval/success_rate", trial / N_TRIALS, step=150)
        client.set_terminated(run)
    client.set_terminated(parent)
    return folder, {"experiment": experiment, "run": str(result.run_id)}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def address(store: tuple[Path, dict[str, str]]) -> Iterator[str]:
    """Start ``look.py`` as a user does."""
    port = free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "experiment/look.py", f"uri=sqlite:///{store[0]}/mlflow.db"),
            *("browser=false", f"port={port}", f"search_port={free_port()}"),
        ],
        cwd=REPOSITORY,
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/"
    wait_for(lambda: urllib.request.urlopen(url, timeout=1).status == 200)
    yield url
    server.terminate()
    assert server.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "window-size=1400,900"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    yield driver
    driver.quit()


def wait_for(holds: Callable[[], Any]) -> Any:
    """Ask again until the answer is true; pages are drawn in pieces."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = holds()
        except Exception:
            if time.monotonic() > end:
                raise
            answer = None
        if answer:
            return answer
        assert time.monotonic() < end, "the page does not show it"
        time.sleep(0.3)


def text_of(browser: Any) -> str:
    return browser.find_element("tag name", "body").text


def all_of(browser: Any, selector: str) -> list[Any]:
    return browser.find_elements("css selector", selector)


def keep(browser: Any, name: str) -> None:
    browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


def test_the_experiment_opens_at_its_runs(address: str, browser: Any, store: Any):
    browser.get(address)
    wait_for(lambda: "Model training" in text_of(browser))
    browser.find_element("xpath", "//*[text()='Model training']").click()
    link = wait_for(lambda: browser.find_element("link text", "PointReach-v0"))
    link.click()
    wait_for(lambda: "her-1-filmed" in text_of(browser))
    keep(browser, "experiment")


def page_of(store: tuple[Path, dict[str, str]], address: str, *overrides: str) -> str:
    """Ask look.py for the address of a page."""
    given = [f"tracking.uri='sqlite:///{store[0]}/mlflow.db'", *overrides]
    with hydra_main(given, store[0], "look") as cfg:
        return find(cfg).page(address.rstrip("/"))


def test_the_table_shows_success_beside_the_names_without_a_click(
    address: str, browser: Any, store: Any
):
    browser.get(page_of(store, address))
    wait_for(lambda: "her-1-filmed" in text_of(browser))
    wait_for(lambda: "success" in text_of(browser))
    assert "GenAI apps" not in text_of(browser)
    headings = [one.text for one in all_of(browser, "[role='columnheader']")]
    assert not [text for text in headings if text.startswith("system/")]
    keep(browser, "table")


def test_a_run_opens_on_its_curves_without_a_click(address: str, browser: Any, store: Any):
    browser.get(page_of(store, address, f"run='{store[0]}/{RUN}'"))
    wait_for(lambda: "success_rate" in text_of(browser))
    wait_for(lambda: all_of(browser, ".js-plotly-plot .scatterlayer path.js-line"))
    keep(browser, "curves-by-look")


def open_sweep(browser: Any) -> None:
    """Click the plus sign before the name of the sweep's run; MLflow remembers open ones."""
    script = """
        const cells = [...document.querySelectorAll("[role='gridcell']")];
        const named = cells.filter(cell => cell.textContent.trim().endsWith("sweep"));
        const button = named.map(cell => cell.querySelector("button")).find(found => found);
        if (button) button.click();
        return Boolean(button);
    """

    def opened() -> bool:
        if "trial-" not in text_of(browser):
            browser.execute_script(script)
            time.sleep(3)
        return "trial-" in text_of(browser)

    wait_for(opened)


def test_trials_are_nested_below_their_sweep(address: str, browser: Any, store: Any):
    browser.get(f"{address}#/experiments/{store[1]['experiment']}/runs")
    wait_for(lambda: "her-1-filmed" in text_of(browser))
    assert "trial-0" not in text_of(browser)
    open_sweep(browser)
    wait_for(lambda: all(f"trial-{trial}" in text_of(browser) for trial in range(N_TRIALS)))
    keep(browser, "sweep")


def test_the_success_curve_is_drawn(address: str, browser: Any, store: Any):
    browser.get(
        f"{address}#/experiments/{store[1]['experiment']}/runs/{store[1]['run']}/model-metrics"
    )
    wait_for(lambda: "success_rate" in text_of(browser))
    points = wait_for(lambda: all_of(browser, ".js-plotly-plot .scatterlayer path.js-line"))
    assert any(len(point.get_attribute("d")) > 10 for point in points)
    keep(browser, "curves")


def test_the_film_plays(address: str, browser: Any, store: Any):
    run = f"{address}#/experiments/{store[1]['experiment']}/runs/{store[1]['run']}"
    browser.get(f"{run}/artifacts/films/epoch_4.mp4")
    wait_for(lambda: all_of(browser, "video"))
    browser.execute_script("document.querySelector('video').muted = true")
    browser.execute_script("document.querySelector('video').play()")
    played = "return document.querySelector('video').currentTime"
    wait_for(lambda: browser.execute_script(played) > 1)
    keep(browser, "film")


def test_a_search_by_parameter_finds_its_run(address: str, browser: Any, store: Any):
    wanted = "params.%60algorithm.gamma%60%20%3D%20%220.91%22"
    browser.get(f"{address}#/experiments/{store[1]['experiment']}/runs?searchFilter={wanted}")
    wait_for(lambda: "2 matching runs" in text_of(browser))
    time.sleep(3)  # the rows come after their number
    open_sweep(browser)
    assert "trial-1" in text_of(browser)
    assert "trial-0" not in text_of(browser)
    assert "her-1-filmed" not in text_of(browser)
    keep(browser, "search")
