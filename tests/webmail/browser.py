"""Headless Chromium, driven by the WebDriver protocol with nothing but the standard library."""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time

from lib import env

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    def __init__(self):
        chromium, driver = env.program("chromium"), env.program("chromedriver", "chromium-driver")
        self.dir = tempfile.mkdtemp(prefix="postroom-browser-")
        self.port = env.free_port()
        self.log = open(os.path.join(self.dir, "driver.log"), "wb")
        self.process = subprocess.Popen([driver, f"--port={self.port}"], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
                                        env={**os.environ, "HOME": self.dir})
        self.session = None
        try:
            env.wait_until(self._ready, 30, "chromedriver")
            flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--disable-dev-shm-usage", "--window-size=1280,1000",
                     f"--user-data-dir={os.path.join(self.dir, 'profile')}"]
            options = {"binary": chromium, "args": flags}
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options,
                "unhandledPromptBehavior": "accept"}}})
            self.session = answer["sessionId"]
        except BaseException:
            self.close()
            raise

    def _ready(self):
        try:
            return self._call("GET", "/status")["ready"]
        except (OSError, AssertionError):
            return False

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"{answer['error']}: {answer['message'][:500]}")
        return answer

    def call(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    # --- pages ---

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    @property
    def url(self):
        return self.call("GET", "/url")

    @property
    def source(self):
        return self.call("GET", "/source")

    def script(self, text, *arguments):
        return self.call("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    def frame(self, css=None):
        """Into the frame with this selector; without one back to the page."""
        self.call("POST", "/frame", {"id": None if css is None else {ELEMENT: self.find(css)}})

    # --- elements ---

    def all(self, css):
        found = self.call("POST", "/elements", {"using": "css selector", "value": css})
        return [f[ELEMENT] for f in found]

    def find(self, css, timeout=20.0):
        """The first visible element; waits for it."""
        until = time.monotonic() + timeout
        while True:
            for element in self.all(css):
                try:
                    if self.call("GET", f"/element/{element}/displayed"):
                        return element
                except AssertionError:
                    pass  # it went away in between
            if time.monotonic() > until:
                raise AssertionError(f"no {css} on {self.url}\n{self.text('body', 1)[:2000]}")
            time.sleep(0.1)

    def text(self, css, timeout=20.0):
        return self.call("GET", f"/element/{self.find(css, timeout)}/text")

    def click(self, css):
        until = time.monotonic() + 20
        while True:
            try:
                self.call("POST", f"/element/{self.find(css)}/click", {})
                return
            except AssertionError:  # covered for a moment, or drawn anew
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def type(self, css, text):
        self.call("POST", f"/element/{self.find(css)}/value", {"text": text})

    def wait_text(self, css, wanted, timeout=20.0):
        def there():
            try:
                return wanted in self.text(css, 1)
            except AssertionError:
                return False
        env.wait_until(there, timeout, f"{wanted!r} in {css}")

    def picture(self, path):
        import base64
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self):
        if self.session is not None:
            try:
                self.call("DELETE", "")
            except (OSError, AssertionError):
                pass
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()
