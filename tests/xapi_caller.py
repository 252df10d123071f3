#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""In xapi's place: calls a plugin as xapi does, with texts that have no type, and reads its answer.

usage: xapi_caller.py [--typed] PROGRAM [--config FILE] FUNCTION [NAME=VALUE ...]
       xapi_caller.py --raw CALL PROGRAM [--config FILE]

Prints "Success VALUE" or "Failure CODE | PARAMETER ...", and fails when the plugin did not keep to
what xapi expects of one: exit status 0, nothing but one methodResponse on stdout, a text as value.
"""
import subprocess
import sys
import xmlrpc.client


def encode(function, args, typed):
    call = xmlrpc.client.dumps(("OpaqueRef:session", args), function)
    if not typed:
        call = call.replace("<value><string></string></value>", "<value/>")
        call = call.replace("<string>", "").replace("</string>", "")
    return call


def main(words):
    raw = typed = False
    while words[0] in ("--raw", "--typed"):
        typed = words[0] == "--typed" or typed
        raw = words[0] == "--raw" or raw
        words = words[1:]
    call = words.pop(0) if raw else None
    program = [words.pop(0)]
    if words and words[0] == "--config":
        program += [words.pop(0), words.pop(0)]
    if call is None:
        call = encode(words[0], dict(word.split("=", 1) for word in words[1:]), typed)
    ran = subprocess.run(program + [call], stdin=subprocess.DEVNULL, capture_output=True,
                         timeout=90, env={"PATH": "/sbin:/usr/sbin:/bin:/usr/bin"}, check=False)
    if ran.returncode != 0:
        sys.exit(f"exit status {ran.returncode}: {ran.stderr.decode()}")
    (answer,), _ = xmlrpc.client.loads(ran.stdout)
    if answer["Status"] == "Success":
        if not isinstance(answer["Value"], str):
            sys.exit("the value is no text")
        print("Success", answer["Value"])
    else:
        print("Failure", " | ".join(answer["ErrorDescription"]))


main(sys.argv[1:])
