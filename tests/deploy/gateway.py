# SPDX-License-Identifier: Apache-2.0
"""The gateway of ``secured``: a real nginx, with certificates and a token of the test's own."""

from __future__ import annotations

import re
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import trustme

from tests.deploy.parts import Part, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
_SECURED = DEPLOY / "secured"
_README = _SECURED.with_name("README.md")
_ASK_SECONDS = 10.0


class Gateway:
    """One before a Jaeger, with a certificate authority and a token of its own."""

    def __init__(self, stack: ExitStack, folder: Path, behind: Mapping[str, int]) -> None:
        """Starts one that ends with the stack.

        Args:
            stack: what ends it.
            folder: where it works; it is made.
            behind: the ports of what it lets through to, by nginx.conf's names for them.
        """
        secrets = folder / "secrets"
        secrets.mkdir(parents=True)
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(secrets / "tls.crt")
        certificate.private_key_pem.write_to_path(secrets / "tls.key")
        self.authority = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.authority)
        self.token = _make_token(folder)
        self.otlp_http, self.otlp_grpc, self.ui = free_ports(3)
        listens = {"4318": self.otlp_http, "4317": self.otlp_grpc, "16686": self.ui}
        config = (_SECURED / "nginx.conf").read_text()
        for public, port in listens.items():
            config = _replaced(config, f"listen {public} ", f"listen 127.0.0.1:{port} ")
        for name, port in behind.items():
            config = _replaced(config, f"//{name};", f"//127.0.0.1:{port};")
        # It would be shared with others here; in its container it is the container's.
        config = config.replace("/tmp/", f"{folder}/")  # noqa: S108
        (folder / "nginx.conf").write_text(config)
        command = [str(nginx()), "-e", "stderr", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
        self.part = Part("gateway", command, folder, {})
        stack.callback(self.part.stop)
        for port in listens.values():
            self.part.listens(port)
        # Not `create_default_context`: the tests' conftest.py has another one for it.
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.load_verify_locations(self.authority)
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=trusting))

    def fetch(
        self, url: str, authorization: str = "", post: bytes | None = None
    ) -> tuple[int, bytes, str | None]:
        """Status, body and what a browser would ask for.

        Args:
            url: the address.
            authorization: the header; empty: none.
            post: a JSON document to be sent there.
        """
        headers = {"Content-Type": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        request = Request(url, post, headers)  # noqa: S310 -- the loopback
        try:
            with self._opener.open(request, timeout=_ASK_SECONDS) as response:
                return response.status, response.read(), response.headers["WWW-Authenticate"]
        except HTTPError as error:
            with error:
                return error.code, error.read(), error.headers["WWW-Authenticate"]


def nginx() -> Path:
    """Where ``nginx.sh`` puts it."""
    command = [str(Path(__file__).with_name("nginx.sh")), "where"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())  # noqa: S603


def _make_token(folder: Path) -> str:
    """Makes one with the lines of the README, in a folder of the test's own."""
    [script] = re.findall(r"```sh\n(mkdir -p secrets\n.*?)```", _README.read_text(), re.DOTALL)
    done = subprocess.run(  # noqa: S603
        ["sh", "-euc", f"{script}\necho $token"],  # noqa: S607
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)
