"""Debian's Postfix on loopback, with a configuration, a queue and a Maildir of its own: no service, nothing of the
machine's own mail is touched. It takes mail for `example.org` over STARTTLS only, and relays nothing.

Needs root: Postfix runs its parts as users of its own.
"""

import asyncio
import mailbox
import os
import shutil
import signal
import subprocess
import tempfile
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as default_policy
from pathlib import Path
from typing import Self

from contract.mail_certificates import MailCertificates
from integration.running import free_port

PROGRAM = "/usr/sbin/postfix"
DAEMONS = Path("/usr/lib/postfix/sbin")
THERE = Path(PROGRAM).exists() and os.geteuid() == 0
DOMAIN = "example.org"
NOBODY = 65534

MAIN = """
compatibility_level = 3.6
config_directory = {here}/config
queue_directory = {here}/queue
data_directory = {here}/state
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {here}/log
maillog_file_prefixes = {here}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.org
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {here}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {pair}
smtpd_tls_received_header = yes
smtpd_relay_restrictions = reject_unauth_destination
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
"""


class Postfix:
    """One mail server; `mails` is what lies in the mailbox, oldest first."""

    def __init__(self) -> None:
        self.here = Path(tempfile.mkdtemp(prefix="tocsin-postfix-"))  # not below pytest's, which only root may enter
        self.here.chmod(0o755)
        self.port = free_port()
        self.certificates = MailCertificates(self._folder("tls"))
        self._process: subprocess.Popen[bytes] | None = None
        for name, owner in (("config", "root"), ("queue", "root"), ("state", "postfix"), ("mail", "nobody")):
            shutil.chown(self._folder(name), owner)
        words = {
            "here": self.here,
            "daemons": DAEMONS,
            "domain": DOMAIN,
            "nobody": NOBODY,
            "pair": self.certificates.pair("good"),
            "port": self.port,
        }
        (self.here / "config/main.cf").write_text(MAIN.format(**words))
        (self.here / "config/master.cf").write_text(MASTER.format(**words))

    def _folder(self, name: str) -> Path:
        folder = self.here / name
        folder.mkdir()
        return folder

    async def __aenter__(self) -> Self:
        config = str(self.here / "config")
        checked = subprocess.run([PROGRAM, "-c", config, "check"], capture_output=True, text=True, timeout=30)  # noqa: ASYNC221
        assert checked.returncode == 0, checked.stderr
        # In a session of its own: at its end it ends the processes of its group.
        self._process = subprocess.Popen([DAEMONS / "master", "-c", config, "-d"], start_new_session=True)  # noqa: ASYNC220
        for _ in range(600):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                assert self._process.poll() is None, self.log()
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return self
        raise AssertionError(f"Postfix does not listen: {self.log()}")

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, 20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.here, ignore_errors=True)

    def log(self) -> str:
        log = self.here / "log"
        return log.read_text() if log.exists() else "(no log)"

    def mails(self) -> list[EmailMessage]:
        if not (self.here / "mail/inbox/new").exists():
            return []
        box = mailbox.Maildir(self.here / "mail/inbox", factory=None, create=False)
        parser = BytesParser(policy=default_policy)
        found = [(box.get_bytes(key), key) for key in box.iterkeys()]
        return [parser.parsebytes(text) for text, _ in sorted(found, key=lambda one: one[1])]
