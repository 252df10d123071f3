#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a file of vm-suspend's into one that plain `xl save` would have written.

xl_saved.py FILE NAME UUID MIB DISK MAC: in place of the optional data stands libxl's configuration
alone, as Xen 4.17 writes it; all that follows stays, byte for byte.
"""

import json
import struct
import sys

HEADER = struct.Struct("=32s4I")  # Xen: tools/xl/xl.h, struct save_file_header


def config(name, uuid, mib, disk, mac):
    kib = int(mib) * 1024
    return {
        "c_info": {"type": "pvh", "name": name, "uuid": uuid, "run_hotplug_scripts": "True"},
        "b_info": {
            "max_vcpus": 1,
            "avail_vcpus": [0],
            "vcpu_hard_affinity": [],
            "max_memkb": kib,
            "target_memkb": kib,
            "video_memkb": 0,
            "max_grant_frames": 64,
            "sched_params": {"sched": "credit2", "weight": 256, "cap": 0},
            "claim_mode": "True",
            "kernel": "/boot/vmlinuz",
            "type.pvh": {},
            "arch_arm": {},
            "arch_x86": {},
        },
        "disks": [{"pdev_path": disk, "vdev": "xvda", "format": "raw", "readwrite": 1}],
        "nics": [{"devid": 0, "mac": mac, "bridge": "xenbr0", "nictype": "vif"}],
        "on_reboot": "restart",
    }


def main(path, *facts):
    with open(path, "rb") as file:
        content = file.read()
    *header, optional_bytes = HEADER.unpack_from(content)
    text = json.dumps(config(*facts), indent=4).encode() + b"\0"
    optional = struct.pack("=I", len(text)) + text
    with open(path, "wb") as file:
        file.write(HEADER.pack(*header, len(optional)) + optional)
        file.write(content[HEADER.size + optional_bytes :])


main(*sys.argv[1:])
