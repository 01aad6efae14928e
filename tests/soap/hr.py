"""A SOAP 1.1 service for personnel, in memory: what a vendor of 2006 would sell. Says its port, and answers its state at GET /."""

import json
import threading
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
HR = "{urn:legacy:hr}"
FIELDS = ("login", "first", "last", "mail", "manager", "active")

lock = threading.Lock()
employees, teams, counter = {}, {}, [0]


class Refused(Exception):
    def __init__(self, code, text):
        self.code, self.text = code, text


def element(name, value):
    return f"<{name}>{escape(value)}</{name}>" if value else f"<{name}/>"


def shown(key, fields):
    return element("id", key) + "".join(element(name, str(value)) for name, value in fields.items() if name != "members")


def fresh():
    counter[0] += 1
    return str(counter[0])


def one(table, key):
    if key not in table:
        raise Refused("Client.NotFound", f"there is no {key}")
    return table[key]


def unique(table, name, value, but=None):
    if not value:
        raise Refused("Client.Invalid", f"{name} is missing")
    if any(row[name].lower() == value.lower() for key, row in table.items() if key != but):
        raise Refused("Client.Duplicate", f"the {name} is taken")


def text(body, name):
    found = body.find(HR + name)
    return "" if found is None else found.text or ""


def employee(body):
    given = body.find(HR + "employee")
    fields = {name: text(given, name) for name in FIELDS}
    if fields["manager"]:
        one(employees, fields["manager"])
    return text(given, "id"), fields


def page(body, table):
    offset, limit = int(text(body, "offset") or 0), int(text(body, "limit") or 100)
    return list(table)[offset:offset + limit]


def answer(operation, body):
    if operation == "Ping":
        return "<alive>Y</alive>"
    if operation == "CreateEmployee":
        _, fields = employee(body)
        unique(employees, "login", fields["login"])
        key = fresh()
        employees[key] = fields | {"version": 1}
        return element("id", key)
    if operation == "UpdateEmployee":
        key, fields = employee(body)
        old = one(employees, key)
        unique(employees, "login", fields["login"], key)
        employees[key] = fields | {"version": old["version"] + 1}
        return ""
    if operation == "GetEmployee":
        key = text(body, "id")
        return f"<employee>{shown(key, one(employees, key))}</employee>"
    if operation == "FindEmployee":
        wanted = text(body, "login").lower()
        return "".join(f"<employee>{shown(k, e)}</employee>" for k, e in employees.items() if e["login"].lower() == wanted)
    if operation == "ListEmployees":
        return "".join(f"<employee>{shown(k, employees[k])}</employee>" for k in page(body, employees))
    if operation == "DismissEmployee":
        key = text(body, "id")
        one(employees, key)
        del employees[key]
        for team in teams.values():
            team["members"].pop(key, None)
        for other in employees.values():
            if other["manager"] == key:
                other["manager"] = ""
        return ""
    if operation == "CreateTeam":
        unique(teams, "name", text(body, "name"))
        key = fresh()
        teams[key] = {"name": text(body, "name"), "members": {}}
        return element("id", key)
    if operation == "RenameTeam":
        key = text(body, "id")
        unique(teams, "name", text(body, "name"), key)
        one(teams, key)["name"] = text(body, "name")
        return ""
    if operation == "GetTeam":
        key = text(body, "id")
        return f"<team>{shown(key, one(teams, key))}</team>"
    if operation == "ListTeams":
        return "".join(f"<team>{shown(k, teams[k])}</team>" for k in page(body, teams))
    if operation == "DissolveTeam":
        one(teams, text(body, "id"))
        del teams[text(body, "id")]
        return ""
    if operation == "ListMembers":
        return "".join(element("member", m) for m in page(body, one(teams, text(body, "id"))["members"]))
    if operation in ("JoinTeam", "LeaveTeam"):
        members = one(teams, text(body, "id"))["members"]
        given = [m.text for m in body.findall(HR + "member")]
        for member in given:
            if operation == "JoinTeam" and (member not in employees or member in members):
                raise Refused("Client.Invalid", f"member {member} is unknown, or in the team")
            if operation == "LeaveTeam" and member not in members:
                raise Refused("Client.NotFound", f"member {member} is not in the team")
        for member in given:
            if operation == "JoinTeam":
                members[member] = True
            else:
                del members[member]
        return ""
    raise Refused("Client", f"there is no operation {operation}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def send(self, status, kind, body):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with lock:
            self.send(200, "application/json", json.dumps({"employees": employees, "teams": teams}))

    def do_POST(self):
        given = self.rfile.read(int(self.headers["Content-Length"]))
        status = 200
        try:
            body = ET.fromstring(given).find(ENVELOPE + "Body")[0]
            operation = body.tag.removeprefix(HR)
            if self.headers.get("SOAPAction") != f"urn:legacy:hr/{operation}":
                raise Refused("Client", "SOAPAction and body differ")
            with lock:
                inner = f'<{operation}Response xmlns="urn:legacy:hr">{answer(operation, body)}</{operation}Response>'
        except Refused as refused:
            status = 500
            inner = f"<s:Fault>{element('faultcode', refused.code)}{element('faultstring', refused.text)}</s:Fault>"
        except ET.ParseError as error:
            status = 500
            inner = f"<s:Fault><faultcode>Client</faultcode>{element('faultstring', str(error))}</s:Fault>"
        envelope = f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{inner}</s:Body></s:Envelope>'
        self.send(status, "text/xml; charset=utf-8", '<?xml version="1.0" encoding="UTF-8"?>' + envelope)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
