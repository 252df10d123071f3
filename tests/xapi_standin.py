#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""In XAPI's place, as far as tasks go: JSON-RPC 2.0, posted to /jsonrpc on a socket.

usage: xapi_standin.py serve SOCKET
       xapi_standin.py call SOCKET METHOD [TEXT ...]    prints the result

Refuses what XAPI refuses: a session that is none, a task that is none, a change of one that has
ended.
The session "test" is there for who calls by hand.
"""
import http.server
import json
import socket
import socketserver
import sys

sessions = {"test"}
tasks = {}


class Refused(Exception):
    pass


def login(*_):
    ref = f"OpaqueRef:session-{len(sessions)}"
    sessions.add(ref)
    return ref


def create(label, description):
    ref = f"OpaqueRef:task-{len(tasks)}"
    tasks[ref] = {"name_label": label, "name_description": description, "status": "pending",
                  "progress": 0.0, "result": "", "error_info": [], "other_config": {},
                  "current_operations": {}}
    return ref


def setter(field):
    def set_field(ref, value):
        if tasks[ref]["status"] != "pending":
            raise Refused("OPERATION_NOT_ALLOWED", field)
        tasks[ref][field] = value
    return set_field


methods = {
    "task.create": create,
    "task.cancel": lambda ref: tasks[ref]["current_operations"].update({"OpaqueRef:c": "cancel"}),
    "task.get_all_records": lambda: tasks,
    "task.get_by_name_label": lambda label: [r for r in tasks if tasks[r]["name_label"] == label],
    "task.get_current_operations": lambda ref: tasks[ref]["current_operations"],
    "task.get_status": lambda ref: tasks[ref]["status"],
    "task.get_other_config": lambda ref: tasks[ref]["other_config"],
    "task.add_to_other_config": lambda ref, key, value: tasks[ref]["other_config"].update(
        {key: value}),
    "task.set_progress": setter("progress"),
    "task.set_status": setter("status"),
    "task.set_result": setter("result"),
    "task.set_error_info": setter("error_info"),
    "session.logout_all": lambda: sessions.intersection_update({"test"}),
}


def answer(method, params):
    if method == "session.login_with_password":
        return login(*params)
    if params[0] not in sessions:
        raise Refused("SESSION_INVALID", params[0])
    try:
        return methods[method](*params[1:])
    except KeyError as missing:
        raise Refused("HANDLE_INVALID", "task", str(missing)) from missing


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            result = answer(call["method"], call["params"])
            reply["result"] = "" if result is None else result
        except Refused as why:
            reply["error"] = {"code": 1, "message": why.args[0], "data": list(why.args)}
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "socket"

    def log_message(self, *_):
        pass


def serve(path):
    with socketserver.UnixStreamServer(path, Handler) as server:
        server.serve_forever()


def call_by_hand(path, method, *params):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                           "params": ["test", *params]})
        connection.sendall(f"POST /jsonrpc HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                           .encode())
        reply = json.loads(connection.makefile().read().split("\n\n", 1)[1])
    print(json.dumps(reply.get("result", reply.get("error")), sort_keys=True))


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    call_by_hand(*sys.argv[2:])
