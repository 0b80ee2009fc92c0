"""Headers that are refused: prologue, geometry, slots and recipients."""

import hashlib
import hmac
import struct
from dataclasses import replace

import cases
from cases import (
    aes,
    flipped,
    refuses,
    small,
    two_layers,
    with_every_slot,
    with_slots,
    with_wrong_mac,
)
from writer import Recipient, mac_of, patched

UNIT = 512


# Prologue and geometry


def sealed_fields():
    """Fields whose values the format does not allow, in documents sealed with these values."""
    magic = small("magic").core[:8]
    patches = [(f"magic-{i}", f"byte {i} of the magic", i, flipped(magic, i)[i]) for i in range(8)]
    patches += [
        ("version-0", "version 0", 8, 0),
        ("version-2", "version 2", 8, 2),
        ("suite-0", "suite 0", 9, 0),
        ("suite-2", "suite 2", 9, 2),
        ("chunk-length-2-11", "chunks of 2^11 bytes", 11, 11),
        ("chunk-length-2-25", "chunks of 2^25 bytes", 11, 25),
        ("chunk-length-2-0", "chunks of 1 byte", 11, 0),
    ]
    patches += [(f"reserved-{i}", f"reserved byte {i}", i, 1) for i in range(12, 16)]
    for name, description, offset, byte in patches:
        document = small(name, core={offset: bytes([byte])})
        refuses(name, f"prologue: {description}", "format", document.sealed)

    # Without a layer nothing is encrypted, and everything can be computed without a key.
    document = small("layers-0", recipients=[], layers=0)
    refuses(document.seed, "prologue: no layers", "format", document.sealed)
    three = [(layer, cases.AES) for layer in (1, 2, 3)]
    document = small("layers-3", recipients=three, layers=3)
    refuses(document.seed, "prologue: three layers", "format", document.sealed)

    for name, stated_len in (("2-44-and-1", 2**44 + 1), ("2-64-less-2", 2**64 - 2)):
        name, document = f"plaintext-length-{name}", small(name, stated_len=stated_len)
        description = f"prologue: plaintext length {stated_len}"
        refuses(name, description, "format", document.sealed)
        # Seen before a key is asked for, not by the body's length afterwards.
        description += ", no key at hand"
        refuses(f"{name}-no-key", description, "format", document.sealed, keys=[])
    for log2 in (12, 24):
        name = f"plaintext-length-2-44-chunks-2-{log2}"
        document = small(name, stated_len=2**44, log2=log2)
        refuses(name, "the greatest plaintext length, but a short body", "format", document.sealed)

    patches = [
        ("slots-0", "no slots", {0: b"\x00"}),
        ("slots-3", "three slots", {0: b"\x03"}),
        ("slot-size-0", "slots of no length", {1: b"\x00"}),
    ]
    patches += [
        (f"geometry-reserved-{i}", f"reserved byte {i}", {i - 128: b"\x01"})
        for i in range(130, 136)
    ]
    for name, description, patch in patches:
        refuses(name, f"geometry: {description}", "format", small(name, geometry=patch).sealed)
    one = small("one-slot-of-no-length", slots=1, geometry={1: b"\x00"})
    refuses(one.seed, "geometry: one slot of no length", "format", one.sealed)
    for offset in (136, 300, 511):
        document = small(f"gap-{offset}")
        document.gap = flipped(document.gap, offset - 136)
        refuses(
            document.seed, f"byte {offset} before the slots is not zero", "format", document.sealed
        )


def changed_fields():
    """Fields with allowed values that are not the ones that were sealed."""
    known, stream = small("changed-fields"), small("changed-fields-stream", stream=True)
    expiring = small("changed-fields-expiring", expires_at=2000)
    number = struct.Struct(">Q").pack
    for name, description, document, offset, value in (
        ("plaintext-length-less", "plaintext length, one less", known, 16, number(99)),
        ("plaintext-length-more", "plaintext length, one more", known, 16, number(101)),
        ("plaintext-length-hidden", "stated length, now a stream", known, 16, b"\xff" * 8),
        ("plaintext-length-given", "a stream, now of stated length", stream, 16, number(100)),
        ("expires-added", "an expiry where there was none", known, 24, number(4000)),
        ("expires-removed", "the expiry is gone", expiring, 24, number(0)),
        ("expires-later", "the expiry is later", expiring, 24, number(2**40)),
        ("chunk-length-changed", "another chunk length", known, 11, b"\x0d"),
    ):
        name, file = f"changed-{name}", patched(document.sealed, {offset: value})
        refuses(name, f"changed: {description}", "authentication", file, now=1999)
    layers = patched(known.sealed, {10: b"\x02"})
    refuses("changed-layers", "changed: two layers, with recipients of one", "format", layers)
    for field, start in (("salt", 32), ("context-tag", 64), ("commitment", 96)):
        for offset in (start, start + 31):
            file = flipped(known.sealed, offset, 0x80)
            refuses(
                f"{field}-byte-{offset}", f"changed: byte {offset}, {field}", "authentication", file
            )

    document = small("commitment-sealed")
    document.prologue = flipped(document.prologue, 96)
    description = "another commitment, with an HMAC that holds"
    file = with_every_slot(document, document.slot())
    refuses(document.seed, description, "authentication", file)


def changed_geometry():
    one, two = small("changed-one-slot", slots=1, size=3), small("changed-two-slots")
    refuses(
        "one-slot-called-two",
        "changed: one slot, now said to be two",
        "format",
        patched(one.sealed, {128: b"\x02", 129: b"\x01"}),
    )
    refuses(
        "two-slots-called-one",
        "changed: two slots, now said to be one",
        "format",
        patched(two.sealed, {128: b"\x01"}),
    )
    refuses(
        "slot-size-more",
        "changed: a slot of another size",
        "format",
        patched(one.sealed, {129: b"\x02"}),
    )
    refuses(
        "slot-size-beyond-end",
        "changed: a slot that ends behind the file",
        "format",
        patched(one.sealed, {129: b"\xff"}),
    )

    document = small("slot-widened", slots=1)
    mac = mac_of(document.slots[0])
    document.geometry, document.slot_len = b"\x01\x02" + bytes(6), document.slot_len + UNIT
    document.slots = [document.slot(mac=mac)]
    refuses(
        "slot-widened",
        "a wider slot with a right checksum and the HMAC of the narrow one",
        "authentication",
        document.sealed,
    )


# Slots and recipients


def slots():
    document = small("slots")
    first = document.slots[0]
    refuses(
        "both-slots-damaged",
        "both checksums are wrong",
        "format",
        with_slots(document, flipped(first, 9), flipped(first, -49)),
    )
    refuses(
        "both-slots-damaged-mac",
        "a byte of each slot's HMAC is damaged: neither checksum holds",
        "format",
        with_slots(document, flipped(first, -48), flipped(first, -17)),
    )
    one = small("one-slot-damaged", slots=1)
    refuses(
        one.seed,
        "the only slot's checksum is wrong",
        "format",
        with_slots(one, flipped(one.slots[0], -1)),
    )
    one = small("one-slot-damaged-mac", slots=1)
    refuses(
        one.seed,
        "a byte of the only slot's HMAC is damaged: its checksum does not hold",
        "format",
        with_slots(one, flipped(one.slots[0], -17)),
    )
    zero, first, second = (document.slot(generation) for generation in (0, 1, 2))
    refuses(
        "generation-0", "both slots have generation 0", "format", with_every_slot(document, zero)
    )
    refuses(
        "generation-0-beside-1",
        "the older slot has generation 0",
        "format",
        with_slots(document, first, zero),
    )
    refuses(
        "mac-of-one-of-two",
        "slots of one generation differ in the HMAC",
        "format",
        with_slots(document, first, with_wrong_mac(document)),
    )
    refuses(
        "mac-of-first-of-two",
        "slots of one generation differ in the HMAC, the first one's is wrong",
        "format",
        with_slots(document, with_wrong_mac(document), first),
    )
    refuses(
        "mac-of-both",
        "the HMAC of both slots is wrong",
        "authentication",
        with_every_slot(document, with_wrong_mac(document)),
    )
    refuses(
        "mac-first-byte",
        "the first byte of both slots' HMAC is wrong",
        "authentication",
        with_every_slot(document, with_wrong_mac(document, offset=0)),
    )
    refuses(
        "newest-slot-mac",
        "the newer slot's HMAC is wrong: the older one must not serve",
        "authentication",
        with_slots(document, first, with_wrong_mac(document, 2)),
    )
    refuses(
        "newest-first-slot-mac",
        "the newer, first slot's HMAC is wrong",
        "authentication",
        with_slots(document, with_wrong_mac(document, 2, 12), first),
    )
    one = small("one-slot-mac", slots=1)
    refuses(
        one.seed,
        "the only slot's HMAC is wrong",
        "authentication",
        with_slots(one, with_wrong_mac(one)),
    )
    raised = document.slot(9, mac=mac_of(first))
    refuses(
        "generation-raised",
        "a generation raised without the key",
        "authentication",
        with_slots(document, first, raised),
    )

    two = small("same-generation", recipients=[(1, cases.AES), (1, cases.AES_2)])
    fewer = two.slot(recipients=[two.recipient((1, cases.AES))])
    refuses(
        two.seed,
        "both slots hold, have one generation and differ",
        "format",
        with_slots(two, two.slot(), fewer),
    )
    mac = mac_of(two.slot())
    removed = two.slot(recipients=two.recipients[:1], mac=mac)
    refuses(
        "recipient-removed",
        "a recipient removed without the key",
        "authentication",
        with_every_slot(two, removed),
    )
    added = [*two.recipients, two.recipient((1, aes("vault/mallory/1")))]
    added = two.slot(recipients=added, mac=mac)
    refuses(
        "recipient-added",
        "a recipient added without the key",
        "authentication",
        with_every_slot(two, added),
    )
    bad = document.slot(2, b"\x03" + document.recipients[0].encode()[1:])
    refuses(
        "newest-slot-recipients",
        "the newer slot's recipients break the rules",
        "format",
        with_slots(document, first, bad),
    )
    bad = document.slot(1, b"\x03" + document.recipients[0].encode()[1:])
    refuses(
        "older-slot-recipients",
        "the older slot's recipients break the rules",
        "format",
        with_slots(document, bad, second),
    )

    content = first[:-48]
    checksum = hashlib.sha256(content).digest()[:16]
    for name, description, covered in (
        ("without-prologue", "leaves out the prologue", document.geometry + content),
        ("without-geometry", "leaves out the geometry", document.prologue + content),
        (
            "without-generation",
            "leaves out the generation",
            document.prologue + document.geometry + content[8:],
        ),
        (
            "with-checksum",
            "covers a checksum as well",
            document.prologue + document.geometry + content + checksum,
        ),
    ):
        mac = hmac.digest(document.header_key, covered, "sha256")
        refuses(
            f"mac-{name}",
            f"the HMAC {description}",
            "authentication",
            with_every_slot(document, document.slot(mac=mac)),
        )
    refuses(
        "checksum-without-mac",
        "both checksums leave out the HMAC",
        "format",
        with_every_slot(document, document.slot(checksum=checksum)),
    )
    refuses(
        "checksum-before-mac",
        "both slots have the checksum before an HMAC that covers it",
        "format",
        with_every_slot(document, content + checksum + document.mac(content + checksum)),
    )


def recipients():
    document = small("recipients", slots=1, size=2)
    good = document.recipients[0]
    other = document.recipient((1, aes("vault/z/1")))
    rsa = document.recipient((1, cases.RSA))
    unknown = Recipient(1, 200, b"vault/unknown/1", bytes(20))
    x = [document.recipient((1, aes(f"x/{i}"))) for i in range(9)]

    def list_of(name, description, entries, *, fill=b"", within=document):
        data = entries if isinstance(entries, bytes) else b"".join(e.encode() for e in entries)
        slot = within.slot(recipients=data, fill=fill)
        refuses(name, f"recipients: {description}", "format", with_every_slot(within, slot))

    list_of("unsorted-ids", "key ids out of order", [other, good])
    longer = replace(good, key_id=good.key_id + b"0")
    list_of("unsorted-ids-length", "a longer key id before its beginning", [longer, good])
    list_of("unsorted-algorithms", "algorithms out of order", [good, rsa])
    list_of("unsorted-unknown", "an unknown algorithm out of order", [unknown, good])
    list_of("duplicate", "one recipient twice", [good, good])
    list_of(
        "duplicate-id",
        "one layer, algorithm and id with two wrapped keys",
        [good, replace(good, wrapped=other.wrapped)],
    )
    list_of("duplicate-unknown", "one unknown recipient twice", [good, unknown, unknown])
    list_of("none", "none", [])
    list_of("nine", "nine", [good, *x[:8]])
    list_of("nine-with-unknown", "nine, one of an unknown algorithm", [good, *x[:7], unknown])
    list_of("layer-3", "one of layer 3", [good, replace(good, layer=3)])
    list_of(
        "layer-3-unknown",
        "one of layer 3 and an unknown algorithm",
        [good, replace(unknown, layer=3)],
    )
    list_of("layer-0", "one of layer 0", [replace(good, layer=0)])
    list_of("layer-0-behind", "one of layer 0 behind a good one", [good, replace(good, layer=0)])
    list_of("layer-2-of-1", "one of layer 2 in a document of one", [good, replace(good, layer=2)])
    two = two_layers("recipients-of-two-layers", slots=1, size=2)
    inner, outer = two.recipients
    list_of("no-layer-1", "two layers, none of layer 1", [outer], within=two)
    list_of("no-layer-2", "two layers, none of layer 2", [inner], within=two)
    list_of("unsorted-layers", "layers out of order", [outer, inner], within=two)
    list_of(
        "layer-3-of-2",
        "two layers, one of layer 3",
        [inner, outer, replace(outer, layer=3)],
        within=two,
    )
    nine = [two.recipient((2, aes(f"x/{i}"))) for i in range(9)]
    list_of("nine-of-layer-2", "two layers, nine of layer 2", [inner, *nine], within=two)

    for length in (0, 40, 47, 49, 56):
        wrapped = (good.wrapped + bytes(8))[:length]
        list_of(f"a256kw-{length}", f"A256KW with {length} bytes", [replace(good, wrapped=wrapped)])
    for length in (0, 255, 257, 384):
        wrapped = (rsa.wrapped + bytes(128))[:length]
        list_of(
            f"rsa-{length}",
            f"RSA-OAEP-256 with {length} bytes",
            [replace(rsa, wrapped=wrapped), good],
        )

    for name, key_id in (
        ("empty", b""),
        ("256", b"k" * 256),
        ("space", b"vault/documents 1"),
        ("delete", b"vault/documents\x7f1"),
        ("control", b"vault/documents\x1f1"),
        ("zero", b"vault/documents\x001"),
        ("high", b"vault/documents\x801"),
        ("utf-8", "vault/dokumentø/1".encode()),
    ):
        list_of(f"id-{name}", f"a key id: {name}", [replace(good, key_id=key_id)])
    list_of(
        "id-space-unknown",
        "a space in the id of an unknown algorithm",
        [good, replace(unknown, key_id=b"a b")],
    )

    room = document.slot_len - 56
    encoded = good.encode()
    big = Recipient(1, 201, b"u", bytes(room - len(encoded) - 12))
    filled = encoded + big.encode()
    assert len(filled) == room - 5
    list_of(
        "past-slot-in-lengths",
        "one whose lengths run past the slot",
        filled + b"\x01\xca\x00\x01\x00",
    )
    too_long = encoded + struct.pack(">BBHH", 1, 201, 1, room - len(encoded) - 6) + b"u"
    list_of("past-slot-by-one", "a wrapped key that runs one byte past the slot", too_long)
    too_long = encoded + struct.pack(">BBHH", 1, 201, 1, 0xFFFF) + b"u"
    list_of("past-slot-far", "a wrapped key that runs far past the slot", too_long)
    list_of(
        "id-past-slot",
        "a key id that runs past the slot",
        encoded + struct.pack(">BBHH", 1, 201, 0xFFFF, 0),
    )
    list_of("not-zero-behind", "a byte behind the list's end", [good], fill=b"\x00\x01")
    fill = bytes(room - len(encoded) - 1) + b"\x80"
    list_of("not-zero-at-end", "the last byte before the HMAC", [good], fill=fill)


PARTS = (sealed_fields, changed_fields, changed_geometry, slots, recipients)
