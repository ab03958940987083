"""Does a running tocsin do what it is for? Eleven scenarios from outside, over HTTP and nothing else.

In: the address of a tocsin, and a token where it wants one. Out: the figures that `AcceptanceTester.run_all_tests`
names, and per scenario what was seen. The scenarios tolerate any settings: one that the settings make impossible fails
and says what it needs. They are done for real: incidents are opened, people are told. Everything carries the label
`tocsin_test`, and is resolved and voided at the end.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import Any, Final

import httpx
import msgspec

from tocsin.testing.outside import Unmet, alerts_of_sources, body_of, expect

WAIT_SECONDS: Final = 20.0
"""For anything that has to become true: a hundred times of what it takes on a quiet machine."""
POLL_SECONDS: Final = 0.1
TIMEOUT_SECONDS: Final = 35.0
PLAYBOOKS: Final = (
    "database-connection-failure",
    "high-error-rate",
    "security-incident",
    "performance-degradation",
)
PREFIX: Final = "[acceptance]"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How one scenario went."""

    name: str
    passed: bool
    detail: str
    """What was seen; for a failure what was expected, or what it needs."""
    seconds: float


class AcceptanceTester:
    """Runs the scenarios against one tocsin. Use once."""

    def __init__(self, base_url: str, token: str = "", *, wait: float = WAIT_SECONDS) -> None:
        """
        Args:
            token: where the API wants one; it must be allowed to write.
            wait: seconds that anything may take to become true.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {"X-Tocsin-Actor": "acceptance"}
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"), headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
        )
        self._wait = wait
        self._run = token_hex(4)
        self._created: dict[str, str] = {}
        self._keys: list[str] = []
        self._alerts = 0
        self.results: list[Result] = []

    def check_reachable(self) -> None:
        """Nothing when something answers at the address.

        Raises:
            httpx.HTTPError: nothing does.
        """
        self._http.get("/-/healthy")

    def run_all_tests(self, told: Callable[[Result], None] | None = None) -> dict[str, Any]:
        """Run every scenario, and clean up.

        Args:
            told: called after each scenario.

        Returns:
            `total_tests`, `passed_tests`, `failed_tests`, `success_rate` (per cent), `created_incidents`,
            `processed_alerts`, and `results`.
        """
        try:
            for name, scenario in self._scenarios():
                result = self._one(name, scenario)
                self.results.append(result)
                if told is not None:
                    told(result)
        finally:
            self._clean_up()
            self._http.close()
        passed = sum(one.passed for one in self.results)
        return {
            "total_tests": len(self.results),
            "passed_tests": passed,
            "failed_tests": len(self.results) - passed,
            "success_rate": round(100.0 * passed / len(self.results), 1),
            "created_incidents": len(self._created),
            "processed_alerts": self._alerts,
            "results": [msgspec.to_builtins(one) for one in self.results],
        }

    def _scenarios(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "incident_creation", self.incident_creation
        yield "creation_from_various_sources", self.creation_from_various_sources
        yield "alert_to_incident", self.alert_to_incident
        yield "alert_correlation", self.alert_correlation
        yield "alert_deduplication", self.alert_deduplication
        yield "bulk_alerts", self.bulk_alerts
        yield "automatic_escalation", self.automatic_escalation
        yield "manual_escalation", self.manual_escalation
        yield "playbook_execution", self.playbook_execution
        yield "multi_channel_notification", self.multi_channel_notification
        yield "incident_lifecycle", self.incident_lifecycle

    def _one(self, name: str, scenario: Callable[[], str]) -> Result:
        began = time.monotonic()
        try:
            detail, passed = scenario(), True
        except Unmet as error:
            detail, passed = str(error), False
        except httpx.HTTPError as error:
            detail, passed = f"the server did not answer: {type(error).__name__}: {error}", False
        except (KeyError, TypeError, IndexError, ValueError) as error:
            detail, passed = f"an answer has another form: {type(error).__name__}: {error}", False
        return Result(name=name, passed=passed, detail=detail, seconds=round(time.monotonic() - began, 3))

    # ---- the scenarios -----------------------------------------------------------------------------------------------

    def incident_creation(self) -> str:
        """A person opens an incident; sending it again opens no second one."""
        key = f"acceptance-{self._run}-create"
        body = {
            "title": self._title("declared"),
            "severity": "low",
            "category": "system",
            "service": self._service("declared"),
            "description": "Opened by the acceptance test.",
            "labels": {"tocsin_test": "true"},
            "command_id": key,
        }
        made = self._created_by(self._send("POST", "/api/incident_response", body, expected=(201,)))
        expect(made["status"] == "open" and made["severity"] == "low", f"an open incident of severity low, got {made}")
        again = self._send("POST", "/api/incident_response", body, expected=(201,))
        expect(again["id"] == made["id"], f"the same command opened {again['number']} besides {made['number']}")
        listed = self._get("/api/incident_response", q=made["number"])["items"]
        expect([one["id"] for one in listed] == [made["id"]], f"{made['number']} is not in the list")
        return f"{made['number']} opened by a person"

    def creation_from_various_sources(self) -> str:
        """Alerts of five kinds of sources become incidents."""
        found = []
        for source, path, parameters, body, title in alerts_of_sources(self._run):
            self._keys.append(title)
            self._post(path, body, parameters)
            self._alerts += 1
            incident = self._until(partial(self._incident_titled, title), f"an incident from {source}")
            found.append(f"{source}: {incident['number']}")
        return ", ".join(found)

    def alert_to_incident(self) -> str:
        """An incident is created from an alert, and carries it."""
        alert = self._alert("from-alert", severity="high", category="database")
        made = self._created_by(self._send("POST", "/api/incident_response/from-alert", alert, expected=(201,)))
        expect(made["action"] == "create_new", f"action create_new, got {made['action']}")
        known = self._get(f"/api/incident_response/{made['id']}")["alert_list"]["items"]
        expect(made["alert_id"] in [one["alert_id"] for one in known], "the incident does not have its alert")
        body = {"alert_id": made["alert_id"]}
        again = self._send("POST", "/api/incident_response/from-alert", body, expected=(200,))
        expect(again["id"] == made["id"], "a known alert must lead to its own incident")
        return f"{made['number']} from {made['alert_id']}"

    def alert_correlation(self) -> str:
        """Two different alerts of one correlation id become one incident: the first creates, the second updates."""
        name = f"acceptance-{self._run}-correlation"
        first = self._sent({**self._alert("correlation-1"), "correlation_id": name})
        second = self._sent({**self._alert("correlation-2"), "correlation_id": name})
        expect(first["action"] == "create_new", f"the first: create_new, got {first['action']} ({first['reason']})")
        expect(
            second["action"] == "update_existing",
            f"the second: update_existing, got {second['action']} ({second['reason']})",
        )
        expect(first["incident"] == second["incident"], "both must be in one incident")
        expect(second["existing_alert_id"] == first["alert_id"], "existing_alert_id must name the first alert")
        expect(second["correlation_id"] == name, "correlation_id must be what was sent")
        return f"{first['number']}: {first['reason']}, then {second['reason']}"

    def alert_deduplication(self) -> str:
        """The same alert three times is one alert, seen three times."""
        alert = self._alert("repeat")
        first = self._sent(alert)
        repeats = [self._sent(alert) for _ in range(2)]
        for one in repeats:
            expect(one["action"] == "update_existing", f"a repeat: update_existing, got {one['action']}")
            expect(one["existing_alert_id"] == first["alert_id"], "a repeat must name the alert that it repeats")

        def seen() -> dict[str, Any] | None:
            found: dict[str, Any] = self._get(f"/api/incident_response/{first['incident']}")
            return found if found["occurrences"] >= 3 else None

        incident = self._until(seen, "three occurrences")
        expect(incident["alerts"] == 1, f"one alert, got {incident['alerts']}")
        return f"{incident['number']}: 1 alert, {incident['occurrences']} occurrences"

    def bulk_alerts(self) -> str:
        """Ten alerts of one group in one request become one incident; a wrong one is named and stops nothing."""
        service = self._service("bulk")
        alerts = [
            {**self._alert(f"bulk-{number}"), "correlation_id": f"acceptance-{self._run}-bulk", "service": service}
            for number in range(10)
        ]
        answer = self._post("/api/alerting/bulk", [*alerts, {"nonsense": True}], {"wait": self._wait})
        self._alerts += answer["accepted"]
        expect(answer["accepted"] == 10, f"10 accepted, got {answer['accepted']}")
        expect(answer["items"][10]["error"] is not None, "the wrong alert must be named")
        incidents = {one["incident"] for one in answer["items"][:10]}
        self._note(incidents, answer["items"])
        expect(len(incidents) == 1 and None not in incidents, f"one incident, got {len(incidents)}")
        actions = [one["action"] for one in answer["items"][:10]]
        expect(actions.count("create_new") == 1, f"one create_new, got {actions}")
        return f"10 alerts in {answer['items'][0]['number']}"

    def automatic_escalation(self) -> str:
        """An incident of severity emergency calls somebody by itself, without anybody asking."""
        route = self._get("/api/v1/explain/escalation", labels="severity=emergency,category=security", hours=1)
        soon = [row for row in route["rows"] if row["kind"] == "escalation.fired" and row["after_minutes"] < 0.2]
        expect(bool(soon), "needs an escalation rule or policy that calls within 10 s for severity emergency")
        made = self._sent({**self._alert("automatic"), "severity": "emergency", "category": "security"})
        expect(made["action"] == "create_new", f"a new incident, got {made['action']}")

        def called() -> dict[str, Any] | None:
            found: dict[str, Any] = self._get(f"/api/incident_response/{made['incident']}")["escalation"]
            return found if found["fired"] else None

        escalation = self._until(called, "an escalation that fired by itself")
        expect(bool(escalation["team"]), "a call must be for somebody")
        return f"{made['number']}: level {escalation['level']} called {escalation['team']}"

    def manual_escalation(self) -> str:
        """A person escalates an incident, and the call is recorded with who asked for it."""
        made = self._declared("manual escalation", severity="high")
        body = {"incident": made["number"], "level": 1, "reason": "acceptance test"}
        self._send("POST", "/api/incident_response/escalate", body, expected=(200,))

        def asked() -> dict[str, Any] | None:
            found: dict[str, Any] = self._get(f"/api/incident_response/{made['id']}")
            types = [entry["type"] for entry in found["timeline"]]
            return found if "incident.escalation_requested" in types and "escalation.fired" in types else None

        needs = "a call after it was asked for (needs an escalation rule or policy for severity high)"
        found = self._until(asked, needs)
        return f"{made['number']}: called {found['escalation']['team']}"

    def playbook_execution(self) -> str:
        """The four playbooks are there with six steps each, and one is run step by step."""
        items = {one["name"]: one for one in self._get("/api/incident_response/playbooks")["items"]}
        missing = [name for name in PLAYBOOKS if name not in items]
        expect(not missing, f"needs the shipped playbooks {', '.join(missing)} (disabled in the settings)")
        for name in PLAYBOOKS:
            short = f"needs the shipped playbook {name}: its own one has not six steps"
            expect(len(items[name]["steps"]) == 6, short)
            expect(items[name]["estimated_duration_minutes"] > 0 and bool(items[name]["required_skills"]), short)
        made = self._declared("playbook", severity="high", category="database")
        self._command("playbook_start", made["id"], {"playbook": PLAYBOOKS[0]})
        for number in range(1, 7):
            outcome = "skipped" if number == 5 else "done"
            self._command("playbook_step", made["id"], {"step": number, "outcome": outcome, "note": f"step {number}"})
        found = self._get(f"/api/incident_response/{made['id']}")
        (run,) = found["playbooks"]
        expect(bool(run["finished_at"]), "the run must be finished after its last step")
        steps = [(step["outcome"], bool(step["by"]), bool(step["at"])) for step in run["steps"]]
        expected = [("skipped" if number == 5 else "done", True, True) for number in range(1, 7)]
        expect(steps == expected, f"each step with outcome, who and when; got {steps}")
        return f"{made['number']}: {run['title']}, 6 steps by {run['steps'][0]['by']}"

    def multi_channel_notification(self) -> str:
        """An incident is told on two channels at least, and each delivery is receipted."""
        alert = {**self._alert("channels"), "severity": "critical", "category": "security"}
        labels = f"severity=critical,category=security,service={alert['service']}"
        route = self._get("/api/v1/explain/route", labels=labels)
        channels = {one["channel"] for one in route["announced"]}
        channels |= {one for row in route["escalation"] for reached in row["reached"] for one in reached["channels"]}
        expect(len(channels) > 1, f"needs two channels for severity critical, the settings have {sorted(channels)}")
        made = self._sent(alert)

        def delivered() -> set[str]:
            found = self._get(f"/api/incident_response/{made['incident']}")["deliveries"]
            reached = {one["channel"] for one in found if one["status"] == "delivered"}
            return reached if len(reached) > 1 else set()

        reached = self._until(delivered, f"deliveries on two of {sorted(channels)}")
        return f"{made['number']} told on {', '.join(sorted(reached))}"

    def incident_lifecycle(self) -> str:
        """From open to closed, each step in the timeline with who did it and why; then voided, and still readable."""
        made = self._declared("lifecycle", severity="medium")
        path = f"/api/incident_response/{made['id']}"
        self._send("PUT", path, {"assignee": "ana", "severity": "high", "note": "looking"})
        for status in ("investigating", "acknowledged", "mitigated", "resolved"):
            found = self._send("PUT", path, {"status": status, "reason": f"to {status}"})
            expect(found["status"] == status, f"status {status}, got {found['status']}")
        cause = {"root_cause": "the acceptance test", "root_cause_category": "unknown", "status": "closed"}
        found = self._send("PUT", path, cause)
        expect(found["status"] == "closed", f"status closed, got {found['status']}")
        entries = [entry for entry in self._get(path)["timeline"] if entry["type"].startswith("incident.")]
        types = {entry["type"] for entry in entries}
        wanted = {f"incident.{word}" for word in ("opened", "investigating", "acknowledged", "mitigated", "resolved",
                                                  "closed", "assigned", "noted")}  # fmt: skip
        expect(wanted <= types, f"the timeline lacks {', '.join(sorted(wanted - types))}")
        expect(all(entry["actor"] and entry["at"] for entry in entries), "each entry must say who and when")
        self._send("DELETE", path)
        expect(self._get(path)["id"] == made["id"], "the log must keep a voided incident")
        expect(self._get("/api/incident_response", q=made["number"])["items"] == [], "lists must leave it out")
        return f"{made['number']}: {len(entries)} entries from open to closed"

    # ---- how ---------------------------------------------------------------------------------------------------------

    def _title(self, name: str) -> str:
        return f"{PREFIX} {name} {self._run}"

    def _service(self, name: str) -> str:
        return f"acceptance-{name}-{self._run}"

    def _alert(self, name: str, **fields: str) -> dict[str, Any]:
        key = f"acceptance-{self._run}-{name}"
        self._keys.append(key)
        return {
            "title": self._title(name),
            "severity": "low",
            "service": self._service(name),
            "key": key,
            "labels": {"tocsin_test": "true", "alertname": key},
            **fields,
        }

    def _sent(self, alert: dict[str, Any]) -> dict[str, Any]:
        """What became of one alert, once that is known."""
        answer: dict[str, Any] = self._post("/api/alerting/send", alert, {"wait": self._wait})
        self._alerts += 1
        expect(answer["action"] != "pending", f"the outcome of an alert within {self._wait:g} s")
        self._note({answer["incident"]}, [answer])
        return answer

    def _note(self, incidents: Iterable[str | None], answers: Iterable[dict[str, Any]]) -> None:
        numbers = {one["incident"]: one["number"] for one in answers}
        self._created |= {one: numbers[one] for one in incidents if one}

    def _declared(self, name: str, **fields: str) -> dict[str, Any]:
        body = {"title": self._title(name), "service": self._service(name.replace(" ", "-")), **fields}
        body["labels"] = {"tocsin_test": "true"}  # type: ignore[assignment]
        return self._created_by(self._send("POST", "/api/incident_response", body, expected=(201,)))

    def _created_by(self, incident: dict[str, Any]) -> dict[str, Any]:
        self._created[incident["id"]] = incident["number"]
        if incident.get("alert_id"):
            self._alerts += 1
        return incident

    def _incident_titled(self, title: str) -> dict[str, Any] | None:
        items = self._get("/api/incident_response", q=title)["items"]
        if not items:
            return None
        self._created[items[0]["id"]] = items[0]["number"]
        found: dict[str, Any] = items[0]
        return found

    def _command(self, verb: str, incident: str, arguments: dict[str, Any]) -> None:
        body = {"verb": verb, "incident": incident, "arguments": arguments}
        outcome = self._post("/api/v1/commands", body, {"wait": self._wait})
        expect(outcome["outcome"] == "applied", f"{verb}: applied, got {outcome['outcome']} ({outcome['reason']})")

    def _get(self, path: str, **parameters: Any) -> Any:
        return body_of(self._http.get(path, params=parameters), (200,))

    def _post(self, path: str, body: Any, parameters: dict[str, Any] | None = None) -> Any:
        return body_of(self._http.post(path, json=body, params=parameters), (200, 201, 202, 207))

    def _send(self, method: str, path: str, body: Any = None, expected: tuple[int, ...] = (200,)) -> dict[str, Any]:
        answer = self._http.request(method, path, json=body, params={"wait": self._wait})
        found: dict[str, Any] = body_of(answer, expected)
        return found

    def _until(self, look: Callable[[], Any], what: str) -> Any:
        ends = time.monotonic() + self._wait
        while not (found := look()):
            if time.monotonic() > ends:
                raise Unmet(f"{what} within {self._wait:g} s")
            time.sleep(POLL_SECONDS)
        return found

    def _clean_up(self) -> None:
        """Everything that the scenarios opened is voided; what fails here is not their matter."""
        resolved = [{"key": key, "status": "resolved", "service": ""} for key in self._keys]
        with suppress(httpx.HTTPError):
            self._http.post("/api/v1/alerts", json=[{k: v for k, v in one.items() if v} for one in resolved])
        for incident in self._created:
            with suppress(httpx.HTTPError):
                self._http.request("DELETE", f"/api/incident_response/{incident}", params={"reason": "acceptance test"})
