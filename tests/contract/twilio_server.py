"""A provider of messages and calls on loopback, in the shape of Twilio: forms with basic authentication in, ids out,
and replies with its signature over address and fields."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode
from xml.etree import ElementTree

from aiohttp import web

from contract.vendor_server import VendorServer

SID = "AC00canaryof0the0account"
TOKEN = "canary-of-the-auth-token"
OURS = "+15005550006"
PUBLIC_URL = "https://tocsin.example.org/api/v1/inbound/phone"


@dataclass
class TwilioServer(VendorServer):
    idempotency: list[str] = field(default_factory=list)
    """The key of each request that was taken."""

    @property
    def messages_url(self) -> str:
        return f"{self.root}/2010-04-01/Accounts/{SID}/Messages.json"

    @property
    def calls_url(self) -> str:
        return f"{self.root}/2010-04-01/Accounts/{SID}/Calls.json"

    async def take(self, request: web.Request) -> web.StreamResponse:
        kind = {self.messages_url: "SM", self.calls_url: "CA"}.get(f"{self.root}{request.path}")
        if kind is None:
            return web.Response(status=404)
        pair = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return self._no(20003, "Authenticate", 401)
        form = {name: str(value) for name, value in (await request.post()).items()}
        if not re.fullmatch(r"\+\d{3,15}", form.get("To", "")):
            return self._no(21211, f"Invalid 'To' Phone Number: {form.get('To')}")
        if form.get("From") != OURS:
            return self._no(21212, "Invalid 'From' Phone Number")
        if kind == "SM" and not 0 < len(form.get("Body", "")) <= 1600:
            return self._no(21617, "The concatenated message body exceeds the 1600 character limit")
        if kind == "CA" and not spoken(form.get("Twiml", "")):
            return self._no(12100, "Document parse failure")
        self.journal.append(form)
        self.idempotency.append(request.headers.get("idempotency-key", ""))
        answer = {"sid": f"{kind}{len(self.journal):032d}", "status": "queued", "to": form["To"], "error_code": None}
        return web.json_response(answer, status=201)

    def _no(self, code: int, message: str, status: int = 400) -> web.Response:
        self.refusals.append(message)
        return web.json_response({"code": code, "message": message, "status": status}, status=status)


def spoken(twiml: str) -> str:
    """What a call says; empty when the document is none."""
    try:
        document = ElementTree.fromstring(twiml)  # noqa: S314 - our own channel wrote it
    except ElementTree.ParseError:
        return ""
    said = [say.text or "" for say in document.iter("Say")]
    known = all(element.tag in ("Response", "Say", "Gather") for element in document.iter())
    return " ".join(said) if document.tag == "Response" and known else ""


def reply(text: str, *, token: str = TOKEN, url: str = PUBLIC_URL, **more: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of a short message that somebody sends us."""
    fields = {"MessageSid": "SM0001", "AccountSid": SID, "From": "+4915112345678", "To": OURS, "Body": text, **more}
    return signed(fields, token=token, url=url)


def pressed(digits: str, **more: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of keys that somebody we call presses."""
    fields = {"CallSid": "CA0001", "From": OURS, "To": "+4915112345678", "Direction": "outbound-api", "Digits": digits}
    return signed({**fields, **more})


def signed(fields: dict[str, str], *, token: str = TOKEN, url: str = PUBLIC_URL) -> tuple[dict[str, str], bytes]:
    text = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    mark = base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return {"x-twilio-signature": mark, "content-type": "application/x-www-form-urlencoded"}, urlencode(fields).encode()
