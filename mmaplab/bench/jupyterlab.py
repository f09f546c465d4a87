"""One JupyterLab on this machine and one headless Chromium that looks at it; needs Playwright.

    with Lab(root, chromium, log) as lab:
        view = lab.open("notebooks/05_the_page_fault.ipynb", width=1280)
        view.run_all()
        view.pictures(folder, "page fault")
        view.problems()             what went wrong, in words; an empty list is good

JupyterLab is started by `mmaplab lab`, with a home of its own, on a free port. Two settings differ: nothing is saved,
so the notebooks stay as they are, and JupyterLab lets the page run its commands. The browser tests look at the course
with it, and the bench measures with it what a click takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Browser, Page, Request, Response, WebSocket, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")

SETTINGS = {
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False, "confirmClosingDocument": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False, "kernelShutdown": True},
}

# No host but this one can be reached: what needs the internet shows itself as a failed request.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

STATE = """() => {
  const app = window.jupyterapp, panel = app && app.shell.currentWidget;
  if (!panel || !panel.content || !panel.content.widgets || !panel.sessionContext) return {ready: false};
  const kernel = panel.sessionContext.session && panel.sessionContext.session.kernel;
  const cells = panel.content.widgets.filter(cell => cell.model.type === 'code');
  const source = cell => cell.model.sharedModel.getSource();
  const outputs = cell => Array.from({length: cell.model.outputs.length}, (_, i) => cell.model.outputs.get(i).toJSON());
  const tagged = (cell, tag) => (cell.model.sharedModel.getMetadata().tags || []).includes(tag);
  const drawn = cell => [...cell.node.querySelectorAll('.jp-OutputArea-output')].some(area => area.offsetHeight > 20);
  return {
    ready: panel.content.widgets.length > 0 && !!kernel && panel.sessionContext.isReady,
    status: kernel ? kernel.status : null,
    running: cells.filter(cell => cell.promptNode && cell.promptNode.textContent.includes('*')).length,
    unrun: cells.filter(cell => source(cell).trim() && !cell.model.executionCount).map(source),
    errors: cells.filter(cell => !tagged(cell, 'raises-exception')).flatMap(cell => outputs(cell)
      .filter(output => output.output_type === 'error').map(output => output.ename + ': ' + output.evalue)),
    empty: cells.filter(cell => tagged(cell, 'widget') && !drawn(cell)).map(source),
    broken: [...document.querySelectorAll('.jp-OutputArea img')]
      .filter(image => image.complete && !image.naturalWidth).map(image => image.alt || image.src.slice(0, 80)),
    dialogs: [...document.querySelectorAll('.jp-Dialog, .Toastify__toast')].map(box => box.innerText),
  };
}"""

RUN_ALL = """() => {
  window.finished = false;
  window.jupyterapp.commands.execute('notebook:run-all-cells').finally(() => { window.finished = true; });
}"""

PRESS_ALL = """async () => {
  const pause = ms => new Promise(done => setTimeout(done, ms));
  let pressed = 0;
  for (const button of document.querySelectorAll('.jp-OutputArea-output button')) {
    if (!button.isConnected || button.disabled || !button.offsetParent) continue;
    button.click();
    pressed += 1;
    await pause(15);
    if (button.closest('.presenting')) button.click();
  }
  return pressed;
}"""

FAILED_CALLBACK = re.compile(rb'"msg_type":\s*"error".*"msg_type":\s*"comm_msg"', re.DOTALL)
"""A message of the kernel that says that a widget's click, not a cell, has raised."""

ONLY_THE_NOTEBOOK = """() => {
  const shell = window.jupyterapp.shell;
  shell.collapseLeft();
  shell.collapseRight();
}"""

SCROLLER = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"


def find_chromium() -> str | None:
    """Return the path of a Chromium: CHROMIUM of the environment, or one that is installed; None without one."""
    named = os.environ.get("CHROMIUM")
    found = [shutil.which(name) for name in ([named] if named else NAMES)]
    return next((path for path in found if path), str(MAC) if MAC.exists() and not named else None)


@dataclass
class View:
    """One notebook in one browser page: what the browser complained about, and how often it spoke to the kernel."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    sent: int = 0

    def listen(self) -> None:
        """Keep errors of the console, scripts that fail, and requests that are not answered."""
        self.page.on("console", lambda said: self.complain(f"console: {said.text}") if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complain(f"script: {error}"))
        self.page.on("requestfailed", self.request_failed)
        self.page.on("response", self.answered)
        self.page.on("websocket", self.follow)

    def follow(self, socket: WebSocket) -> None:
        """Count what is sent to a kernel, and listen to what it answers."""
        socket.on("framesent", self.count_message)
        socket.on("framereceived", self.hear)

    def hear(self, message: bytes | str) -> None:
        """Note a widget whose click has raised: the kernel says so, and no cell shows it."""
        told = message.encode() if isinstance(message, str) else message
        if FAILED_CALLBACK.search(told):
            self.complain(f"a click raised: {told.decode(errors='replace')[-600:]}")

    def complain(self, what: str) -> None:
        """Note a complaint once."""
        if what not in self.complaints:
            self.complaints.append(what)

    def request_failed(self, request: Request) -> None:
        """Note a request without an answer; one that the page itself gave up is none."""
        if request.failure != "net::ERR_ABORTED":
            self.complain(f"request: {request.method} {request.url.split('?')[0]}: {request.failure}")

    def answered(self, response: Response) -> None:
        """Note an answer that is an error."""
        if response.status >= 400:
            self.complain(f"answer: {response.status} {response.url.split('?')[0]}")

    def count_message(self, message: bytes | str) -> None:
        """Count a message to the kernel; all of them go over the page's web sockets."""
        self.sent += 1

    def state(self) -> dict[str, Any]:
        """Return what JupyterLab says about the notebook: see STATE."""
        state: dict[str, Any] = self.page.evaluate(STATE)
        if state.get("status") == "dead":
            raise RuntimeError("the notebook's kernel died")
        return state

    def wait(self, until: Callable[[dict[str, Any]], bool], seconds: float, what: str) -> None:
        """Wait for a state; raises TimeoutError that says for what."""
        end = time.monotonic() + seconds
        while not until(state := self.state()):
            if time.monotonic() > end:
                raise TimeoutError(f"{what} took more than {seconds:.0f} s; {state}")
            self.page.wait_for_timeout(100)

    def run_all(self, seconds: float = 240) -> None:
        """Run all cells; return when the kernel was idle three times in a row, so that late outputs have come."""
        self.page.evaluate(RUN_ALL)
        self.wait(lambda state: bool(self.page.evaluate("window.finished")), seconds, "running the cells")
        for _ in range(3):
            self.wait(lambda state: state["status"] == "idle" and not state["running"], seconds, "the last outputs")
            self.page.wait_for_timeout(150)

    def press_all(self, seconds: float = 120) -> int:
        """Press every button of every widget once; return how many, when all that they set going has ended."""
        pressed = int(self.page.evaluate(PRESS_ALL))
        for _ in range(3):
            self.wait(lambda state: state["status"] == "idle", seconds, "what the buttons set going")
            self.page.wait_for_timeout(150)
        return pressed

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme, such as `JupyterLab Dark`, and wait until the page has its colours."""
        self.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
        wanted = "false" if name.endswith("Dark") else "true"
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=wanted)
        self.page.wait_for_timeout(500)

    def problems(self) -> list[str]:
        """Return everything that a reader would see go wrong, in words."""
        state = self.state()
        return [
            *(f"a cell raised {error}" for error in state["errors"]),
            *(f"a cell did not run: {source[:60]!r}" for source in state["unrun"]),
            *(f"a widget is not drawn: {source[:60]!r}" for source in state["empty"]),
            *(f"a picture is broken: {image}" for image in state["broken"]),
            *(f"a dialog is open: {text}" for text in state["dialogs"]),
            *self.complaints,
        ]

    def pictures(self, folder: Path, name: str) -> list[Path]:
        """Write one picture per screenful, from the top; return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{name}-[0-9][0-9].png"):
            old.unlink()
        paths: list[Path] = []
        top, total, visible = 0, 1, 0
        while top + visible < total and len(paths) < 99:
            top += max(0, visible - 40)
            scroll = "([css, top]) => { document.querySelector(css).scrollTop = top; }"
            self.page.evaluate(scroll, [SCROLLER, top])
            self.page.wait_for_timeout(150)
            paths.append(folder / f"{name}-{len(paths) + 1:02d}.png")
            self.page.screenshot(path=paths[-1])
            size = "css => { const box = document.querySelector(css); return [box.scrollHeight, box.clientHeight]; }"
            total, visible = self.page.evaluate(size, SCROLLER)
        return paths

    def close(self) -> None:
        """Shut the notebook's kernel down and close the page."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()


class Lab:
    """A JupyterLab that serves `root`, in which the notebook `first` is, and a browser; a context manager.

    Entering it raises RuntimeError where JupyterLab does not start.
    """

    browser: Browser
    url: str

    def __init__(
        self,
        root: Path,
        chromium: str,
        log: Path,
        first: str = "notebooks/00_start_here.ipynb",
        browser: Browser | None = None,
    ) -> None:
        self.root, self.chromium, self.log, self.first, self.given = root, chromium, log, first, browser
        self.token = secrets.token_hex(16)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True)))
            self.start_server(stack, home)
            if self.given:  # Playwright runs once in a thread: a second server shares the first one's browser
                self.browser = self.given
            else:
                playwright = stack.enter_context(sync_playwright())
                self.browser = playwright.chromium.launch(executable_path=self.chromium, args=CHROMIUM_FLAGS)
                stack.callback(self.browser.close)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def start_server(self, stack: contextlib.ExitStack, home: Path) -> None:
        """Start JupyterLab with `home` as its home, and wait until it answers."""
        for name, settings in SETTINGS.items():
            path = home / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings), encoding="utf-8")
        options = ["--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
        options += [f"--IdentityProvider.token={self.token}", "--LabApp.expose_app_in_browser=True"]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "mmaplab", "lab", "--root", str(self.root), "--open", self.first]
        server = subprocess.Popen(
            [*command, *options],
            env=private_environment(home),
            stdout=stack.enter_context(self.log.open("w")),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stack.callback(stop, server)
        self.url = self.wait_for_server(server, home / "runtime")

    def wait_for_server(self, server: subprocess.Popen[bytes], runtime: Path, seconds: float = 60) -> str:
        """Return the server's address once it answers; it writes its real port into its runtime folder."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and server.poll() is None:
            for path in runtime.glob("jpserver-*.json"):
                with contextlib.suppress(OSError, ValueError):
                    url = str(json.loads(path.read_text(encoding="utf-8"))["url"])
                    urllib.request.urlopen(f"{url}api/status?token={self.token}", timeout=5).close()
                    return url
            time.sleep(0.05)
        raise RuntimeError(f"JupyterLab did not start; {self.log} ends:\n{self.log.read_text()[-3000:]}")

    def open(self, path: str, width: int = 1280, height: int = 900) -> View:
        """Open a notebook by its path below the root, in a light page of its own; the kernel is ready, no cell ran."""
        view = View(self.browser.new_page(viewport={"width": width, "height": height}))
        view.listen()
        view.page.goto(f"{self.url}lab/tree/{path}?token={self.token}&reset")
        view.wait(lambda state: bool(state["ready"]), 90, f"opening {path}")
        view.page.evaluate(ONLY_THE_NOTEBOOK)
        if view.page.evaluate("document.body.dataset.jpThemeLight") != "true":
            view.theme("JupyterLab Light")
        return view


def private_environment(home: Path) -> dict[str, str]:
    """Return an environment in which JupyterLab, its kernels and mmaplab read and write below `home` only."""
    private = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
    theirs = ("JUPYTER", "IPYTHON", "JPY_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(theirs)}
    environment |= {f"JUPYTER_{key}": str(home / folder) for key, folder in private.items()}
    environment |= {
        "HOME": str(home),
        "MMAPLAB_HOME": str(home / "mmaplab"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    return environment


def stop(server: subprocess.Popen[bytes]) -> None:
    """End JupyterLab and its kernels; SIGTERM, because SIGINT would ask whether one is sure."""
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
