"""The business rule of the handbook, run by Node.js in place of ServiceNow: what it posts is taken and understood."""

import json
import re
import subprocess
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest

from integration.monitors import needs
from tocsin.notify.channel import Asked
from tocsin.notify.channels.servicenow import ServiceNow

pytestmark = pytest.mark.integration

KEY = "dGhlIGtleSBvZiB0aGUgcnVsZSBpbiB0aGUgaGFuZGJvb2s="
SYS_ID = "0123456789abcdef" * 2
AROUND = """
const crypto = require('crypto');
const [ticket, before, journal, now, key] = JSON.parse(require('fs').readFileSync(0));
const asked = {headers: {}};
const record = (fields) => ({getValue: (name) => fields[name] === undefined ? null : fields[name],
                             getUniqueValue: () => fields.sys_id});
const current = record(ticket), previous = record(before);
current.work_notes = {changes: () => journal !== '', getJournalEntry: () => journal};
const gs = {getUserName: () => 'ana.lima', getUserDisplayName: () => 'Ana Lima \\u00e4$\\u{1f600}',
            getProperty: (name) => name === 'tocsin.key' ? key : null};
function GlideDateTime() { this.getNumericValue = () => now; }
function GlideCertificateEncryption() {
  this.generateMac = (key, algorithm, text) => {
    if (algorithm !== 'HmacSHA256') throw new Error(algorithm);
    return crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(text, 'latin1').digest('base64');
  };
}
const sn_ws = {RESTMessageV2: function () {
  this.setHttpMethod = (method) => { asked.method = method; };
  this.setEndpoint = (endpoint) => { asked.endpoint = endpoint; };
  this.setRequestHeader = (name, value) => { asked.headers[name] = value; };
  this.setRequestBody = (body) => { asked.body = body; };
  this.executeAsync = () => { console.log(JSON.stringify(asked)); };
}};
"""
"""What ServiceNow has and Node.js does not."""


def rule() -> str:
    page = files("tocsin").joinpath("docs/servicenow.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```javascript\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(script)


def run(before: str, after: str, journal: str = "", **fields: str) -> tuple[Asked, ...]:
    """What tocsin understands of a change of a ticket."""
    now = datetime.now(UTC)
    ticket = {"sys_id": SYS_ID, "number": "INC0010001", "correlation_id": "inc_aaonlyfortests", "sys_mod_count": "3"}
    given = [{**ticket, "state": after, **fields}, {"state": before}, journal, int(now.timestamp() * 1000), KEY]
    done = subprocess.run(
        [needs("node", "nodejs"), "-e", AROUND + rule()],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if not done.stdout:
        return ()
    posted: dict[str, Any] = json.loads(done.stdout)
    assert (posted["method"], posted["endpoint"].rpartition("/")[2]) == ("POST", "desk")
    assert "$" not in posted["body"]
    channel = ServiceNow("desk", "https://x.example", username="tocsin", password="p", inbound_secret=(f"whsec_{KEY}",))
    return channel.hear(posted["headers"], posted["body"].encode("ascii"), now).asked


def test_what_the_rule_posts_is_taken_and_understood() -> None:
    (resolve,) = run("2", "6", close_notes="Größe ${x} 😀")
    assert (resolve.verb, resolve.incident, resolve.sender) == ("resolve", "inc_aaonlyfortests", "ana.lima")
    assert resolve.reason == "in ServiceNow INC0010001: Größe ${x} 😀"
    assert resolve.sender_name == "Ana Lima ä$😀"
    note, acknowledge = run("1", "2", "2026-11-21 12:00:00 - Ana Lima (Work notes)\nI look\nat it\n\n")
    assert (note.verb, note.arguments) == ("note", {"text": "I look\nat it"})
    assert (acknowledge.verb, acknowledge.key) == ("acknowledge", f"{SYS_ID}.3")
    assert run("2", "2") == ()
