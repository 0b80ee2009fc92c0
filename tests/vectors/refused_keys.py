"""Documents that are refused for a key, a context or the time."""

from dataclasses import replace

import cases
from cases import BOTH, TWO_LAYERS, flipped, refuses, small, two_layers, with_every_slot, with_slots
from writer import Recipient, derive, encode_context, mac_of, oaep, patched, sorted_context


def keys():
    document = small("keys", recipients=[(1, cases.AES), (1, cases.RSA)])
    for name, at_hand in (
        ("aes", ["aes-same-id"]),
        ("rsa", ["rsa-same-id"]),
        ("both", ["aes-same-id", "rsa-same-id"]),
    ):
        refuses(
            f"wrong-key-{name}",
            "the key at hand has the right id and is another",
            "authentication",
            document.sealed,
            keys=at_hand,
        )
    for name, description, at_hand in (
        ("none", "no key at hand", []),
        ("other-id", "the key at hand has another id", ["aes-2", "rsa-2"]),
        ("other-case", "the key at hand is the right one, its id in other case", ["aes-upper"]),
        (
            "other-algorithm-aes",
            "the key at hand has the id of an RSA recipient and is AES",
            ["aes-rsa-id"],
        ),
        (
            "other-algorithm-rsa",
            "the key at hand has the id of an AES recipient and is RSA",
            ["rsa-aes-id"],
        ),
    ):
        refuses(f"no-key-{name}", description, "no_key", document.sealed, keys=at_hand)
    ids = [cases.AES.key_id.encode(), cases.RSA.key_id.encode()]
    unknown = [
        Recipient(1, 3, ids[1], bytes(384)),
        Recipient(1, 77, ids[0], document.recipients[1].wrapped),
    ]
    only = small("no-key-unknown-algorithms", recipients=unknown)
    refuses(
        only.seed,
        "all recipients have unknown algorithms",
        "no_key",
        only.sealed,
        keys=["aes", "rsa"],
    )
    two = two_layers("no-key-of-a-layer")
    for layer, at_hand in ((2, ["service"]), (1, ["customer"])):
        refuses(
            f"no-key-layer-{layer}",
            f"two layers, no key of layer {layer}",
            "no_key",
            two.sealed,
            keys=at_hand,
        )
    recipients = [(1, cases.RSA), (1, cases.AES), (2, cases.CUSTOMER)]
    document = small("no-key-first-is-damaged", recipients=recipients, slots=1, layers=2)
    first, *others = document.recipients
    damaged = replace(first, wrapped=flipped(first.wrapped, 255))
    file = with_every_slot(document, document.slot(recipients=[damaged, *others]))
    description = "only the second recipient of layer 1 unwraps, no key of layer 2"
    refuses(document.seed, description, "no_key", file, keys=["rsa", "aes"])
    crossed = small(
        "no-key-of-other-layer", layers=2, recipients=[(1, cases.SERVICE), (2, cases.CUSTOMER)]
    )
    inner, outer = (
        crossed.recipient((layer, key)) for layer, key in ((1, cases.CUSTOMER), (2, cases.SERVICE))
    )
    slot = crossed.slot(recipients=[inner, outer])
    refuses(
        "keys-of-layers-crossed",
        "each layer names the other's key and is wrapped with it, one is at hand",
        "no_key",
        with_every_slot(crossed, slot),
        keys=["service"],
    )


def payloads():
    document = small("payloads", recipients=[(1, cases.AES), (1, cases.RSA)], slots=1)
    good = document.payload(1)
    changes = [
        ("prefix", b"SRMDX" + good[5:]),
        ("prefix-case", b"srmdk" + good[5:]),
        ("version", patched(good, {5: b"\x02"})),
        ("suite", patched(good, {6: b"\x02"})),
        ("layer-2", patched(good, {7: b"\x02"})),
        ("layer-0", patched(good, {7: b"\x00"})),
    ]
    lengths = [("empty", b""), ("39", good[:39]), ("41", good + b"\x00"), ("key-alone", good[8:])]
    for key, at_hand, payloads in (
        (cases.AES, "aes", changes),
        (cases.RSA, "rsa", changes + lengths),
    ):
        for name, payload in payloads:
            slot = document.slot(recipients=[document.recipient((1, key), payload)])
            name, description = (
                f"payload-{at_hand}-{name}",
                f"wrapped for {at_hand}: another payload ({name})",
            )
            refuses(
                name, description, "authentication", with_every_slot(document, slot), keys=[at_hand]
            )

    def wrapped(name, description, key, data):
        entry = Recipient(1, key.algorithm, key.key_id.encode(), data)
        slot = document.slot(recipients=[entry])
        at_hand = ["aes" if key is cases.AES else "rsa"]
        refuses(
            f"wrapped-{name}",
            f"wrapped key: {description}",
            "authentication",
            with_every_slot(document, slot),
            keys=at_hand,
        )

    aes_key, rsa_key = cases.AES, cases.RSA
    data = aes_key.wrap(good)
    for offset in (0, 20, 47):
        wrapped(
            f"aes-bit-{offset}", f"A256KW, a bit of byte {offset}", aes_key, flipped(data, offset)
        )
    wrapped(
        "aes-initial-value",
        "A256KW with another initial value",
        aes_key,
        aes_key.wrap(good, initial=b"\xa5" * 8),
    )
    data = rsa_key.wrap(good, "payloads")
    for offset in (1, 128, 255):
        wrapped(
            f"rsa-bit-{offset}",
            f"RSA-OAEP-256, a bit of byte {offset}",
            rsa_key,
            flipped(data, offset),
        )
    wrapped("rsa-label", "OAEP with a label", rsa_key, rsa_key.wrap(good, oaep_label=b"x"))
    wrapped(
        "rsa-sha-1",
        "OAEP with SHA-1",
        rsa_key,
        rsa_key.wrap(good, digest="sha1", mask_digest="sha1"),
    )
    wrapped(
        "rsa-mgf1-sha-1",
        "OAEP with SHA-256, MGF1 with SHA-1",
        rsa_key,
        rsa_key.wrap(good, mask_digest="sha1"),
    )
    wrapped("rsa-zero", "RSA, the number 0", rsa_key, bytes(256))
    wrapped("rsa-modulus", "RSA, the modulus itself", rsa_key, rsa_key.modulus.to_bytes(256, "big"))
    wrapped("rsa-above-modulus", "RSA, a number above the modulus", rsa_key, b"\xff" * 256)
    padding = bytes(b | 1 for b in derive("pkcs1", 256 - 3 - 40))
    wrapped(
        "rsa1-5", "RSA1_5 padding", rsa_key, rsa_key.encrypt(b"\x00\x02" + padding + b"\x00" + good)
    )
    block = oaep(good, "payloads")
    wrapped(
        "rsa-first-byte",
        "OAEP whose first byte is not zero",
        rsa_key,
        rsa_key.encrypt(b"\x01" + block[1:]),
    )


def data_keys():
    """Right keys at the wrong place."""
    two = two_layers("data-keys")
    inner, outer = two.data_keys
    two.data_keys = [outer, inner]
    slot = two.slot(recipients=[two.recipient(entry) for entry in TWO_LAYERS])
    refuses(
        "data-keys-swapped",
        "the layers' data keys are swapped in the header",
        "authentication",
        with_every_slot(two, slot),
        keys=BOTH,
    )
    two = two_layers("wrapped-keys-swapped")
    inner, outer = two.recipients
    swapped = [replace(inner, wrapped=outer.wrapped), replace(outer, wrapped=inner.wrapped)]
    slot = two.slot(recipients=swapped)
    refuses(
        two.seed,
        "the layers' wrapped keys are swapped",
        "authentication",
        with_every_slot(two, slot),
        keys=BOTH,
    )
    for layer, recipients in (
        (1, [(1, cases.AES), (2, cases.CUSTOMER)]),
        (2, [(1, cases.CUSTOMER), (2, cases.AES)]),
    ):
        document = small(f"wrong-key-layer-{layer}", recipients=recipients, layers=2)
        description = (
            f"two layers, the key at hand for layer {layer} has the right id and is another"
        )
        refuses(
            document.seed,
            description,
            "authentication",
            document.sealed,
            keys=["aes-same-id", "customer"],
        )

    for removed in (1, 2):
        document = two_layers("layer-stripped")
        kept = document.recipients[2 - removed]
        document.prologue = patched(document.prologue, {10: b"\x01"})
        document.slots = [document.slot(recipients=[replace(kept, layer=1)], mac=bytes(32))] * 2
        refuses(
            f"layer-{removed}-stripped",
            f"layer {removed} is stripped from the header",
            "authentication",
            document.sealed,
            keys=BOTH,
        )
    document = two_layers("layer-hidden")
    refuses(
        document.seed,
        "one layer is stated, the recipients are of two",
        "format",
        patched(document.sealed, {10: b"\x01"}),
        keys=BOTH,
    )

    mine, other = small("data-keys-mine"), small("data-keys-other")
    slot = mine.slot(recipients=other.recipients, mac=mac_of(mine.slots[0]))
    refuses(
        "recipient-swapped-in",
        "a recipient from another document under the same key",
        "authentication",
        with_every_slot(mine, slot),
    )
    slot = mine.slot(recipients=other.recipients)
    refuses(
        "recipient-swapped-in-sealed",
        "the same, with an HMAC that holds for the right data key",
        "authentication",
        with_every_slot(mine, slot),
    )
    refuses(
        "slots-swapped-in",
        "the slots of another document under the same key",
        "authentication",
        with_slots(mine, *other.slots),
    )
    refuses(
        "prologue-swapped-in",
        "the prologue of another document under the same key",
        "authentication",
        other.prologue + small("data-keys-mine").sealed[128:],
    )


def contexts():
    pairs = [("file", "a.txt"), ("tenant", "7")]
    document = small("context", context=pairs)
    for name, description, given in (
        ("missing", "none given", []),
        ("value", "another value", [pairs[0], ("tenant", "8")]),
        ("key", "another key", [pairs[0], ("tenants", "7")]),
        ("less", "a pair less", pairs[:1]),
        ("more", "a pair more", [*pairs, ("z", "")]),
        ("case", "a value in other case", [("file", "A.txt"), pairs[1]]),
        ("exchanged", "values exchanged", [("file", "7"), ("tenant", "a.txt")]),
    ):
        refuses(
            f"context-{name}",
            f"context: {description}",
            "authentication",
            document.sealed,
            context=given,
        )
    plain = small("context-none")
    refuses(
        "context-of-none",
        "context: given, though sealed without",
        "authentication",
        plain.sealed,
        context=pairs,
    )
    refuses(
        "context-empty-pair",
        "context: one empty value, though sealed without",
        "authentication",
        plain.sealed,
        context=[("a", "")],
    )
    cut = small("context-cut", context=[("ab", "c")])
    refuses(
        cut.seed,
        "context: the bound of key and value is elsewhere",
        "authentication",
        cut.sealed,
        context=[("a", "bc")],
    )
    composed = small("context-composed", context=[("name", "\u00fc")])
    refuses(
        composed.seed,
        "context: another normal form of the same text",
        "authentication",
        composed.sealed,
        context=[("name", "u\u0308")],
    )
    unsorted = small("context-unsorted", context_bytes=encode_context(pairs[::-1]))
    refuses(
        unsorted.seed,
        "context: sealed with pairs out of order",
        "authentication",
        unsorted.sealed,
        context=pairs,
    )
    order = [("\uffff", "a"), ("\U00010000", "b")]
    assert sorted_context(order) == order
    units = small("context-utf-16-order", context_bytes=encode_context(order[::-1]))
    refuses(
        units.seed,
        "context: sealed in the order of UTF-16 units",
        "authentication",
        units.sealed,
        context=order,
    )


def expiries():
    for name, expires_at, now in (
        ("now", 1_800_000_000, 1_800_000_000),
        ("a-second-ago", 1_800_000_000, 1_800_000_001),
        ("long-ago", 1, 2**63),
        ("end-of-time", 2**64 - 1, 2**64 - 1),
    ):
        document = small(f"expired-{name}", expires_at=expires_at)
        refuses(
            document.seed,
            f"expires at {expires_at}, opened at {now}",
            "expired",
            document.sealed,
            now=now,
        )
    one = small("expired-one-slot-stream", expires_at=7, slots=1, stream=True)
    refuses(one.seed, "a stream with one slot, expired", "expired", one.sealed, now=8)
    two = two_layers("expired-two-layers", expires_at=7)
    refuses(two.seed, "two layers, expired", "expired", two.sealed, keys=BOTH, now=8)
    both = [(1, cases.RSA), (1, cases.AES)]
    document = small("expired-first-is-damaged", recipients=both, slots=1, expires_at=7)
    first, second = document.recipients
    slot = document.slot(recipients=[replace(first, wrapped=flipped(first.wrapped, 255)), second])
    description = "expired; of two recipients that match, only the second unwraps"
    file, at_hand = with_every_slot(document, slot), ["rsa", "aes"]
    refuses(document.seed, description, "expired", file, now=8, keys=at_hand)

    document = small("expired-and-cut", expires_at=7)
    refuses(
        document.seed,
        "expired, and the body is cut: the header comes first",
        "expired",
        document.sealed[:-1],
        now=8,
    )
    refuses(
        "expired-other-context",
        "expired, and the context is another: that comes first",
        "authentication",
        document.sealed,
        now=8,
        context=[("a", "b")],
    )
    refuses(
        "cut-and-no-key",
        "no key at hand, and the body is cut: the header comes first",
        "no_key",
        document.sealed[:-1],
        now=6,
        keys=[],
    )


PARTS = (keys, payloads, data_keys, contexts, expiries)
