#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a filtered memory stream and writes libxenguest's own, as devices/STREAM.md says.

Independent of the programs: written from the specification, it shares no line with them. Reads the
frames of one connection from stdin; exits with 1 and the reason when a rule is broken.
"""

import struct
import sys

import lz4.block
import xxhash
import zstandard

PAGE = 4096
SLOTS = 10240
MAX = 524930
BYTES, RECORD, PAGES, HASHES, END = range(1, 6)
ZERO, PLAIN, SAME, DELTA = range(4)


class Bad(Exception):
    pass


def need(condition, reason):
    if not condition:
        raise Bad(reason)


def expand(codec, payload, size):
    if codec == 0:
        return payload
    try:
        if codec == 1:
            plain = lz4.block.decompress(payload, uncompressed_size=size)
        else:
            plain = zstandard.ZstdDecompressor().decompress(payload, max_output_size=size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise Bad(f"damaged: {error}") from error
    need(len(plain) == size, "damaged: another size")
    return plain


def length(delta, at):
    value = delta[at]
    if value < 0x80:
        return value, at + 1
    need(delta[at + 1] < 0x80, "a length of three bytes")
    return value & 0x7F | delta[at + 1] << 7, at + 2


def apply(page, delta):
    page, at, out = bytearray(page), 0, 0
    while at < len(delta):
        stay, at = length(delta, at)
        new, at = length(delta, at)
        out += stay
        need(0 < new <= len(delta) - at and out + new <= PAGE, "a difference leaves its page")
        page[out:out + new] = delta[at:at + new]
        out, at = out + new, at + new
    return bytes(page)


class Reader:
    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.sequence = 0
        self.cache = {}  # place: pfn, pass, page
        self.pages = []  # pfns that are left of the record
        self.passed = 0

    def exactly(self, size):
        data = self.source.read(size)
        need(len(data) == size, "the stream ends early")
        return data

    def put(self, pfn, page):
        held = self.cache.get(pfn % SLOTS)
        if held and held[0] != pfn and (self.passed - held[1]) % 2**32 < 2:
            return
        self.cache[pfn % SLOTS] = (pfn, self.passed, page)

    def page(self, kind, pfn, data, at):
        held = self.cache.get(pfn % SLOTS)
        if kind == ZERO:
            return bytes(PAGE), at
        if kind == PLAIN:
            page, at = data[at:at + PAGE], at + PAGE
        else:
            need(self.passed > 0 and held and held[0] == pfn, "a page is not in the cache")
            page = held[2]
        if kind == DELTA:
            (size,) = struct.unpack_from(">H", data, at)
            page, at = apply(page, data[at + 2:at + 2 + size]), at + 2 + size
        need(len(page) == PAGE, "contents are cut")
        if self.passed > 0:
            self.put(pfn, page)
        return page, at

    def record(self, data):
        self.passed, count = struct.unpack_from(">II", data)
        entries = []
        need(len(data) % 10 == 8, "a record of another size")
        for entry, run in struct.iter_unpack(">QH", data[8:]):
            entries += range(entry, entry + run)
        need(0 < count <= 1024 and len(entries) == count, "a record of another count")
        self.pages = [e & (1 << 52) - 1 for e in entries if e >> 60 < 13]
        body = 8 + 8 * count + PAGE * len(self.pages)
        self.sink.write(struct.pack("<IIII", 1, body, count, 0))
        self.sink.write(struct.pack(f"<{count}Q", *entries))

    def contents(self, data):
        pfns, self.pages = self.pages[:128], self.pages[128:]
        need(pfns and len(data) >= 2, "pages that belong to no record")
        (runs,) = struct.unpack(">H", data[-2:])
        end = len(data) - 2 - 3 * runs
        need(end >= 0, "runs are cut")
        kinds = []
        for kind, run in struct.iter_unpack(">BH", data[end:-2]):
            need(kind <= DELTA and run > 0, "a run that means nothing")
            kinds += [kind] * run
        need(len(kinds) == len(pfns), "runs of another count")
        at, hashes, pages = 0, b"", []
        for kind, pfn in zip(kinds, pfns):
            page, at = self.page(kind, pfn, data[:end], at)
            hashes += struct.pack("<Q", xxhash.xxh3_64_intdigest(page))
            pages.append(page)
        need(at == end, "contents are left over")
        return hashes, pages

    def frame(self):
        header = self.exactly(40)
        magic, version, kind, codec, _, sequence, size, plain, checksum, _ = struct.unpack(
            ">4sBBBBQIIQQ", header)
        need(magic == b"XFMS" and version == 1, "no frame of version 1")
        need(BYTES <= kind <= END and codec <= 2, "an unknown type or codec")
        need(codec == 0 or kind == PAGES, "a codec where none may be")
        need(size <= MAX and plain <= MAX and (codec or size == plain), "a bad size")
        need(sequence == self.sequence, "out of order")
        self.sequence += 1
        data = expand(codec, self.exactly(size), plain)
        need(kind == PAGES or not self.pages, "pages are left of the record")
        hashed, pages = self.contents(data) if kind == PAGES else (data, [])
        seed = sequence ^ kind << 56
        need(xxhash.xxh3_64_intdigest(hashed, seed=seed) == checksum, "a bad checksum")
        if kind == BYTES:
            self.sink.write(data)
        elif kind == RECORD:
            self.record(data)
        self.sink.write(b"".join(pages))
        return kind != END


def main():
    reader = Reader(sys.stdin.buffer, sys.stdout.buffer)
    try:
        while reader.frame():
            pass
        need(not reader.source.read(1), "something follows the end")
    except (Bad, struct.error, IndexError) as error:
        sys.exit(f"stream_reader: frame {reader.sequence}: {error}")
    sys.stdout.buffer.flush()


main()
