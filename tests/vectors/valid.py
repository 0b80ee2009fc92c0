"""Documents that open."""

import cases
from cases import CASES, ONE_LAYER, TWO_LAYERS, TWO_LAYERS_RSA, Case, aes, text
from writer import Document, Recipient, RsaKey, xor


def opens(name, description, document, *, detached=False, file=None, expect="opens", **how):
    """`document` as it is, or changed to `file`, opens to the document's text."""
    how.setdefault("context", document.context)
    header = None
    if detached:
        header, file = document.header, document.detached_body if file is None else file
    file = document.sealed if file is None else file
    CASES.append(Case(name, description, file, expect, header, text=document.text, **how))


def seal(name, description, length, recipients=ONE_LAYER, *, keys=("aes",), now=None, **how):
    """Seals a text of `length` bytes; it opens."""
    if recipients in (TWO_LAYERS, TWO_LAYERS_RSA):
        how["layers"] = 2
    document = Document(name, text(length), recipients, **how)
    opens(name, description, document, keys=list(keys), now=now)


def lengths():
    for length in (0, 1, 15, 16, 17, 4095, 4096, 4097, 8192, 8193, 12293):
        seal(f"length-{length}", f"{length} bytes of stated length", length)
    for length in (0, 1, 16, 4095, 4096, 4097, 8192, 12293):
        seal(f"stream-{length}", f"a stream of {length} bytes", length, stream=True)
    for log2, length in ((13, 8193), (14, 16385), (16, 100), (18, 100), (20, 100), (24, 100)):
        name = f"chunk-length-2-{log2}"
        seal(name, f"{length} bytes in chunks of 2^{log2} bytes", length, log2=log2)
    seal(
        "stream-chunk-length-2-13",
        "a stream of two full chunks of 2^13",
        16384,
        log2=13,
        stream=True,
    )


def geometries():
    seal("one-slot", "one slot of the least size", 100, slots=1)
    seal("one-slot-empty", "one slot, no text", 0, slots=1)
    seal("one-slot-size-3", "one slot, three units", 100, slots=1, size=3)
    seal("one-slot-size-255", "one slot, the greatest size", 100, slots=1, size=255)
    seal("two-slots-size-1", "two slots of the least size", 100)
    seal("two-slots-size-3", "two slots of three units each", 4097, size=3)
    seal("one-slot-stream", "one slot, a stream of three chunks", 8200, slots=1, stream=True)


def layers():
    customer = ["service", "customer"]
    for length in (0, 1, 4096, 4097, 12293):
        name = f"two-layers-{length}"
        seal(name, f"two layers, {length} bytes", length, TWO_LAYERS, keys=customer)
    for length in (0, 4096, 8200):
        name = f"two-layers-stream-{length}"
        description = f"two layers, a stream of {length} bytes"
        seal(name, description, length, TWO_LAYERS, keys=customer, stream=True)
    seal("two-layers-one-slot", "two layers, one slot", 100, TWO_LAYERS, keys=customer, slots=1)
    seal(
        "two-layers-rsa", "the outer layer under RSA-OAEP-256", 100, TWO_LAYERS_RSA,
        keys=["rsa", "service"],
    )  # fmt: skip
    seal(
        "two-layers-context", "two layers, a context and an expiry", 4097, TWO_LAYERS_RSA,
        keys=["service", "rsa"], context=[("tenant", "7")], expires_at=2000, now=1999,
    )  # fmt: skip
    both = Document("two-layers-one-key", text(100), [(1, cases.AES), (2, cases.AES)], layers=2)
    opens("two-layers-one-key", "one key wraps both layers", both)


def recipients():
    seal("rsa", "RSA-OAEP-256", 100, [(1, cases.RSA)], keys=["rsa"])
    seal(
        "rsa-one-slot",
        "RSA-OAEP-256 in a header of 512 bytes",
        4097,
        [(1, cases.RSA_2)],
        keys=["rsa-2"],
        slots=1,
    )
    mixed = [(1, cases.AES), (1, cases.RSA)]
    seal("aes-and-rsa-open-aes", "two recipients, the AES key at hand", 100, mixed)
    seal("aes-and-rsa-open-rsa", "two recipients, the RSA key at hand", 100, mixed, keys=["rsa"])
    both = ["aes-2", "rsa", "aes"]
    seal("aes-and-rsa-open-both", "two recipients, both keys at hand", 100, mixed, keys=both)

    others = [(1, aes(f"resource/{i}/service/1")) for i in range(7)]
    seal(
        "eight-open-last",
        "eight recipients, the last one's key at hand",
        100,
        [*others, *ONE_LAYER],
    )
    others = [(1, aes(f"x/{i}")) for i in range(7)]
    seal(
        "eight-open-first",
        "eight recipients, the first one's key at hand",
        100,
        [*others, *ONE_LAYER],
    )
    for count in range(2, 8):
        name = f"recipients-{count}"
        seal(name, f"{count} recipients", 100, [*others[: count - 1], *ONE_LAYER])
    rsa = [(1, RsaKey(f"x/{i}", cases.RSA_2.p, cases.RSA_2.q)) for i in range(7)]
    seal("eight-rsa", "eight RSA recipients", 100, [*rsa, (1, cases.RSA)], keys=["rsa"])
    outer = [(2, key) for _, key in others]
    seal(
        "eight-a-layer", "eight recipients in each of two layers", 100,
        [*others, *outer, (1, cases.SERVICE), (2, cases.RSA)], keys=["rsa", "service"], layers=2,
    )  # fmt: skip

    seal("id-of-one-byte", "a key id of one byte", 100, [(1, cases.SHORT_ID)], keys=["short-id"])
    seal(
        "id-of-255-bytes",
        "a key id of 255 bytes",
        100,
        [(1, cases.LONG_ID)],
        keys=["long-id"],
        slots=1,
    )
    bounds = [(1, aes("!~" * 8)), (1, cases.AES)]
    seal("id-of-outermost-bytes", "a key id of the bytes 21 and 7E", 100, bounds)
    order = [(1, aes(key_id)) for key_id in ("B", "a", "aa", "b")]
    seal(
        "ids-in-order-of-bytes",
        "upper case before lower, shorter before longer",
        100,
        [*order, *ONE_LAYER],
    )
    same = [(1, cases.AES), (1, cases.RSA_AES_ID)]
    seal("same-id-open-aes", "one key id with two algorithms, the AES key at hand", 100, same)
    seal(
        "same-id-open-rsa",
        "one key id with two algorithms, the RSA key at hand",
        100,
        same,
        keys=["rsa-aes-id"],
    )
    fill = [(1, aes("x" * (320 - 2 * 54 - len(cases.AES.key_id)))), *ONE_LAYER]
    seal("slot-is-full", "recipients up to the HMAC, no zero between", 100, fill, slots=1)

    for algorithm, length in ((0, 48), (3, 384), (4, 512), (5, 1120), (6, 1600), (7, 0), (255, 1)):
        unknown = Recipient(1, algorithm, b"vault/unknown/1", bytes(length))
        name, description = (
            f"algorithm-{algorithm}",
            f"a recipient of unknown algorithm {algorithm}",
        )
        seal(name, f"{description} beside a known one", 100, [unknown, *ONE_LAYER])
    unknown = Recipient(1, 9, cases.AES.key_id.encode(), b"\x07" * 48)
    seal(
        "algorithm-9-same-id",
        "an unknown algorithm under the id of the key at hand",
        100,
        [unknown, *ONE_LAYER],
    )

    document = Document("first-is-damaged", text(100), [(1, cases.AES), (1, cases.RSA)])
    broken, good = (document.recipient(entry) for entry in ((1, cases.RSA), (1, cases.AES)))
    broken = Recipient(
        1, broken.algorithm, broken.key_id, xor(broken.wrapped, bytes(255) + b"\x01")
    )
    document.slots = [document.slot(recipients=[broken, good])] * 2
    description = "two recipients match keys at hand, the first does not unwrap"
    opens("first-is-damaged", description, document, keys=["rsa", "aes"])
    wrong = ["aes-same-id", "aes"]
    seal("first-key-is-wrong", "two keys at hand have one id, the first is wrong", 100, keys=wrong)

    # Two data keys were wrapped for one layer: a reader may stop at the first that unwraps.
    document = Document("two-data-keys", text(100), [(1, cases.AES), (1, cases.AES_2)])
    first, second = document.recipients
    first = document.recipient((1, cases.AES), document.payload(1)[:8] + bytes(32))
    document.slots = [document.slot(recipients=[first, second])] * 2
    description = "the first of two recipients holds another data key"
    either = ["opens", "authentication"]
    opens("two-data-keys", description, document, keys=["aes", "aes-2"], expect=either)


def contexts():
    for name, description, pairs in (
        ("one", "one pair", [("tenant", "7")]),
        (
            "several",
            "several pairs, not in order",
            [("tenant", "7"), ("file", "a.txt"), ("b", "c")],
        ),
        ("non-ascii", "text beyond ASCII", [("Straße", "Zürich"), ("名前", "文書")]),
        (
            "order",
            "keys whose order by UTF-16 units is another",
            [("\U00010000", "b"), ("\uffff", "a")],
        ),
        ("prefix", "a key that begins another", [("ab", "2"), ("a", "1"), ("a b", "3")]),
        ("empty-values", "empty values", [("a", ""), ("b", "")]),
        ("long-value", "a value whose length needs two bytes", [("note", "n" * 300)]),
        ("256-pairs", "the greatest number of pairs", [(f"k{i}", "") for i in range(256)]),
    ):
        seal(f"context-{name}", f"context: {description}", 100, context=pairs)
    reordered = Document(
        "context-reordered", text(100), ONE_LAYER, context=[("a", "1"), ("b", "2")]
    )
    description = "context: the same pairs, given in another order"
    opens("context-reordered", description, reordered, context=[("b", "2"), ("a", "1")])


def expiries():
    for name, expires_at, now in (
        ("one-second-left", 1_800_000_000, 1_799_999_999),
        ("first-second", 1, 0),
        ("end-of-time", 2**64 - 1, 2**64 - 2),
    ):
        seal(
            f"expires-{name}",
            f"expires at {expires_at}, opened at {now}",
            100,
            expires_at=expires_at,
            now=now,
        )
    seal("expires-never", "never expires, opened at the end of time", 100, now=2**64 - 1)


def slots():
    def two(name, description, change, **how):
        document = Document(name, text(100), [(1, cases.AES), (1, cases.RSA)], **how)
        change(document)
        opens(name, description, document)

    def damage(index, offset):
        def change(document):
            slot = bytearray(document.slots[index])
            slot[offset] ^= 0x40
            document.slots[index] = bytes(slot)

        return change

    def replace(**slots):
        def change(document):
            for index, make in slots.items():
                document.slots[int(index[-1])] = make(document)

        return change

    two("damaged-first-slot", "a recipient in the first slot is damaged", damage(0, 40))
    two("damaged-second-slot", "a recipient in the second slot is damaged", damage(1, 40))
    two("damaged-generation", "the first slot's generation is damaged", damage(0, 0))
    two("damaged-zeros", "a zero behind the second slot's recipients is damaged", damage(1, -49))
    for which, index in (("first", 0), ("second", 1)):
        for part, byte, offset in (
            ("mac", "the first byte of the HMAC", -48),
            ("mac-end", "the last byte of the HMAC", -17),
            ("checksum", "the first byte of the checksum", -16),
            ("checksum-end", "the last byte of the checksum", -1),
        ):
            name = f"damaged-{part}-of-{which}"
            two(name, f"{byte} is damaged in the {which} slot", damage(index, offset))
    two("zeroed-slot", "the first slot is all zero", replace(slot0=lambda d: bytes(d.slot_len)))
    two("overwritten-slot", "the second slot is noise", replace(slot1=lambda d: text(d.slot_len)))

    def mac_of_older(document):
        document.slots = [document.slot(1, mac=bytes(32)), document.slot(2)]

    two("older-slot-mac", "the older slot's HMAC does not hold: it is not asked for", mac_of_older)

    def only_rsa(document):
        return [document.recipient((1, cases.RSA))]

    newer = replace(
        slot1=lambda d: d.slot(2, d.recipients[1:]), slot0=lambda d: d.slot(1, only_rsa(d))
    )
    two("newer-second", "only the newer, second slot names the key at hand", newer)
    newer = replace(
        slot0=lambda d: d.slot(2, d.recipients[1:]), slot1=lambda d: d.slot(1, only_rsa(d))
    )
    two("newer-first", "only the newer, first slot names the key at hand", newer)
    carry = replace(slot0=lambda d: d.slot(255, only_rsa(d)), slot1=lambda d: d.slot(256))
    two("generation-256", "generation 256 is above 255", carry)
    high = replace(
        slot0=lambda d: d.slot(2**64 - 1), slot1=lambda d: d.slot(2**64 - 2, only_rsa(d))
    )
    two("generation-highest", "the highest generation, 2^64 - 1", high)

    def newest_damaged(document):
        document.slots = [
            document.slot(1),
            document.slot(2, only_rsa(document), checksum=bytes(16)),
        ]

    two("newest-damaged", "the newer slot is damaged, the older one serves", newest_damaged)

    def newest_damaged_mac(document):
        newer = bytearray(document.slot(2, only_rsa(document)))
        newer[-40] ^= 1
        document.slots = [document.slot(1), bytes(newer)]

    description = "the newer slot's HMAC is damaged, the older slot serves"
    two("newest-damaged-mac", description, newest_damaged_mac)
    one = Document("one-slot-generation-7", text(100), ONE_LAYER, slots=1)
    one.slots = [one.slot(7)]
    opens("one-slot-generation-7", "one slot, rewritten six times", one)


def detached():
    for length in (0, 100, 4096, 12293):
        document = Document(f"detached-{length}", text(length), ONE_LAYER)
        opens(document.seed, f"detached, {length} bytes", document, detached=True)
    for length in (0, 8192):
        document = Document(f"detached-stream-{length}", text(length), ONE_LAYER, stream=True)
        opens(document.seed, f"detached, a stream of {length} bytes", document, detached=True)
    document = Document("detached-one-slot", text(100), ONE_LAYER, slots=1, context=[("a", "b")])
    opens(document.seed, "detached, one slot and a context", document, detached=True)
    document = Document("detached-two-layers", text(4097), TWO_LAYERS_RSA, layers=2)
    opens(document.seed, "detached, two layers", document, detached=True, keys=["service", "rsa"])

    document = Document("detached-rewritten", text(100), [(1, cases.RSA)])
    body = document.detached_body
    document.slots = [document.slot(2, [document.recipient(ONE_LAYER[0])])] * 2
    description = "detached, the header's recipients are others than when it was sealed"
    opens(document.seed, description, document, detached=True, file=body)
    document = Document("detached-damaged-slot", text(100), ONE_LAYER)
    document.slots[0] = bytes(document.slot_len)
    opens(document.seed, "detached, the first slot is damaged", document, detached=True)

    # The format leaves it to the reader whether it looks at what follows a detached header.
    document = Document("detached-header-goes-on", text(100), ONE_LAYER)
    description = "detached, more bytes follow the header in its file"
    header, body = document.header + b"more", document.detached_body
    either, found = ["opens", "format"], document.text
    CASES.append(Case(document.seed, description, body, either, header, text=found))


PARTS = (lengths, geometries, layers, recipients, contexts, expiries, slots, detached)
