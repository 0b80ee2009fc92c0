"""Bodies, detached halves and other files that are refused."""

from cases import (
    BOTH,
    ONE_LAYER,
    TWO_LAYERS,
    flipped,
    refuses,
    small,
    text,
    two_layers,
    with_wrong_mac,
)
from writer import Document

# The body

FULL = 4096 + 16


def cuts():
    """Truncated and extended bodies of three chunks, the last of 5 bytes."""
    known, stream = (
        Document(seed, text(8197), ONE_LAYER, stream=seed == "cut-stream")
        for seed in ("cut", "cut-stream")
    )
    start = len(known.header)
    places = (
        ("no-body", 0, "format"),
        ("one-byte", 1, "format"),
        ("a-tag-alone", 16, "authentication"),
        ("in-first-record", 2000, "authentication"),
        ("in-first-tag", FULL - 1, "authentication"),
        ("first-boundary", FULL, "authentication"),
        ("after-first-boundary", FULL + 1, "format"),
        ("second-tag-alone", FULL + 16, "format"),
        ("second-of-one-byte", FULL + 17, "authentication"),
        ("in-second-record", FULL + 3000, "authentication"),
        ("in-second-tag", 2 * FULL - 8, "authentication"),
        ("last-chunk", 2 * FULL, "authentication"),
        ("in-last-record", 2 * FULL + 3, "format"),
        ("last-tag-alone", 2 * FULL + 16, "format"),
        ("last-byte", 2 * FULL + 5 + 15, "authentication"),
    )
    for document in (known, stream):
        for name, kept, of_stream in places:
            expect = of_stream if document is stream else "format"
            refuses(
                f"{document.seed}-{name}",
                f"{document.seed}: {kept} bytes of the body are left ({name})",
                expect,
                document.sealed[: start + kept],
            )
        more = (
            ("byte", b"\x00"),
            ("empty-chunk", document.record(3, b"", True)),
            ("record", document.records[2]),
            ("document", document.sealed),
        )
        for name, added in more:
            expect = "authentication" if document is stream else "format"
            refuses(
                f"{document.seed}-appended-{name}",
                f"{document.seed}: appended: {name}",
                expect,
                document.sealed + added,
            )

    two = two_layers("cut-two-layers", text(4097))
    refuses(
        "cut-two-layers-last-chunk",
        "two layers: the last chunk is gone",
        "format",
        two.sealed[:-33],
        keys=BOTH,
    )
    two = two_layers("cut-two-layers-stream", text(4097), stream=True)
    for kept, expect in (
        (0, "format"),
        (31, "format"),
        (32, "authentication"),
        (4128, "authentication"),
        (4160, "format"),
    ):
        file = two.header + two.body[:kept]
        refuses(
            f"cut-two-layers-stream-{kept}",
            f"two layers, a stream: {kept} bytes of the body are left",
            expect,
            file,
            keys=BOTH,
        )
    empty = Document("cut-empty", b"", ONE_LAYER)
    refuses("cut-empty-record", "the empty document's record is gone", "format", empty.header)


def rearranged():
    for seed in ("chunks", "chunks-stream"):
        stream = seed == "chunks-stream"
        document = Document(seed, text(8197), ONE_LAYER, stream=stream)
        length = "authentication" if stream else "format"
        a, b, c = document.records
        for name, records, expect in (
            ("swapped", [b, a, c], "authentication"),
            ("swapped-last", [a, c, b], "authentication"),
            ("repeated-for-another", [a, a, c], "authentication"),
            ("duplicated-first", [a, a, b, c], length),
            ("duplicated-last", [a, b, c, c], length),
            ("removed-first", [b, c], length),
            ("removed-middle", [a, c], length),
            ("zeros-for-a-chunk", [a, bytes(FULL), c], "authentication"),
        ):
            file = document.header + b"".join(records)
            refuses(f"{seed}-{name}", f"{seed}: {name}", expect, file)

    mine, other = (
        Document(seed, text(8200), ONE_LAYER) for seed in ("splice-mine", "splice-other")
    )
    for i in range(3):
        records = [*mine.records]
        records[i] = other.records[i]
        file = mine.header + b"".join(records)
        refuses(
            f"spliced-{i}",
            f"chunk {i} is another document's, under the same recipient's key",
            "authentication",
            file,
        )
    refuses(
        "spliced-body",
        "the body of another document under the same recipient's key",
        "authentication",
        mine.header + other.body,
    )
    core = Document("splice-mine", text(8200), ONE_LAYER, context=[("a", "b")])
    refuses(
        "spliced-other-core",
        "the body of a document with the same data key and salt and another context",
        "authentication",
        mine.header + core.body,
    )


def flips():
    for seed, layers in (("flip", 1), ("flip-two-layers", 2)):
        recipients, at_hand = (ONE_LAYER, ["aes"]) if layers == 1 else (TWO_LAYERS, BOTH)
        document = Document(seed, text(2 * 4096 + 100), recipients, layers=layers)
        starts = [sum(map(len, document.records[:i])) for i in range(4)]
        for i, which in enumerate(("first", "middle", "last")):
            places = [("ciphertext", starts[i] + 50), ("tag", starts[i + 1] - 1)]
            if layers == 2:
                places.append(("inner-tag", starts[i + 1] - 17))
            for part, offset in places:
                file = flipped(document.sealed, len(document.header) + offset, 0x10)
                refuses(
                    f"{seed}-{which}-{part}",
                    f"{layers} layers: a bit of the {which} chunk's {part}",
                    "authentication",
                    file,
                    keys=at_hand,
                )
    empty = Document("flip-empty", b"", ONE_LAYER)
    refuses(
        "flip-empty-tag",
        "a bit of the empty document's tag",
        "authentication",
        flipped(empty.sealed, -16),
    )


def misused():
    """Bodies of a writer that did something else than the format says, with the right keys."""

    def body(name, description, expect, length, make, *, keys=("aes",), layers=1, **how):
        recipients = ONE_LAYER if layers == 1 else TWO_LAYERS
        document = Document(name, text(length), recipients, layers=layers, **how)
        document.records = make(document)
        refuses(name, f"body: {description}", expect, document.sealed, keys=list(keys))

    wrong = "authentication"
    first, second, third = (text(3 * 4096)[i * 4096 : (i + 1) * 4096] for i in range(3))
    for stream in (False, True):
        of = "-stream" if stream else ""
        how = {"stream": stream}
        body(
            f"last-not-marked{of}",
            "a full last chunk is not sealed as last",
            wrong,
            4096,
            lambda d: [d.record(0, first, False)],
            **how,
        )
        body(
            f"short-last-not-marked{of}",
            "a short last chunk is not sealed as last",
            wrong,
            100,
            lambda d: [d.record(0, d.text, False)],
            **how,
        )
        body(
            f"empty-not-marked{of}",
            "the empty chunk is not sealed as last",
            wrong,
            0,
            lambda d: [d.record(0, b"", False)],
            **how,
        )
        body(
            f"marked-too-early{of}",
            "each chunk is sealed as last",
            wrong,
            8192,
            lambda d: [d.record(0, first, True), d.record(1, second, True)],
            **how,
        )
        body(
            f"empty-last-chunk{of}",
            "an empty chunk follows full ones",
            "format",
            4096,
            lambda d: [d.record(0, first, False), d.record(1, b"", True)],
            **how,
        )
        body(
            f"empty-last-unmarked{of}",
            "an empty chunk follows a full last one",
            "format",
            4096,
            lambda d: [d.record(0, first, True), d.record(1, b"", True)],
            **how,
        )
        body(
            f"counted-from-1{of}",
            "chunks are counted from 1",
            wrong,
            8192,
            lambda d: [d.record(1, first, False), d.record(2, second, True)],
            **how,
        )
        body(
            f"layers-of-body-2{of}",
            "records of two layers under a header of one",
            wrong if stream else "format",
            100,
            lambda d: [
                d.record(0, d.text, True, keys=[*d.chunk_keys, d.chunk_key(2, d.data_keys[0])])
            ],
            **how,
        )
        body(
            f"layers-of-body-1{of}",
            "records of one layer under a header of two",
            wrong if stream else "format",
            100,
            lambda d: [d.record(0, d.text, True, keys=d.chunk_keys[:1])],
            layers=2,
            keys=BOTH,
            **how,
        )
    body(
        "stream-two-ends",
        "a stream is cut behind a chunk that is not the last",
        wrong,
        3 * 4096,
        lambda d: d.records[:2],
        stream=True,
    )
    body(
        "short-middle-chunk",
        "a chunk before the last is short",
        wrong,
        8191,
        lambda d: [d.record(0, first[:-1], False), d.record(1, second, True)],
        stream=True,
    )
    body(
        "long-chunk",
        "one chunk of two chunks' length",
        "format",
        8192,
        lambda d: [d.record(0, d.text, True)],
    )
    body(
        "length-fits-two-layers",
        "records of two layers whose length fits one",
        wrong,
        100,
        lambda d: [d.record(0, d.text, True, keys=[*d.chunk_keys, d.chunk_key(2, d.data_keys[0])])],
        stated_len=116,
    )
    body(
        "associated-data",
        "the core as associated data",
        wrong,
        100,
        lambda d: [d.record(0, d.text, True, associated=d.core)],
    )
    body(
        "layers-reversed",
        "the inner layer outside",
        wrong,
        100,
        lambda d: [d.record(0, d.text, True, keys=d.chunk_keys[::-1])],
        layers=2,
        keys=BOTH,
    )
    body(
        "inner-key-twice",
        "both layers under the inner key",
        wrong,
        100,
        lambda d: [d.record(0, d.text, True, keys=d.chunk_keys[:1] * 2)],
        layers=2,
        keys=BOTH,
    )
    body(
        "outer-key-twice",
        "both layers under the outer key",
        wrong,
        100,
        lambda d: [d.record(0, d.text, True, keys=d.chunk_keys[1:] * 2)],
        layers=2,
        keys=BOTH,
    )
    body(
        "data-key-as-chunk-key",
        "the data key itself as chunk key",
        wrong,
        100,
        lambda d: [d.record(0, d.text, True, keys=d.data_keys)],
    )
    stated = 3 * 4096
    body(
        "stated-more-by-a-chunk",
        "a chunk more is stated than there is",
        "format",
        8192,
        lambda d: d.records,
        stated_len=stated,
    )
    body(
        "stated-less-by-a-chunk",
        "a chunk less is stated than there is",
        "format",
        stated,
        lambda d: d.records,
        stated_len=8192,
    )
    body(
        "stated-more-by-one",
        "a byte more is stated than there is",
        "format",
        100,
        lambda d: d.records,
        stated_len=101,
    )
    body(
        "stated-less-by-one",
        "a byte less is stated than there is",
        "format",
        100,
        lambda d: d.records,
        stated_len=99,
    )


# Detached headers


def detached():
    def apart(name, description, expect, header, file, at_hand=("aes",)):
        refuses(
            f"detached-{name}",
            f"detached: {description}",
            expect,
            file,
            header=header,
            keys=list(at_hand),
        )

    known, stream = small("detached"), small("detached-stream", stream=True)
    other = small("detached-other")
    apart("other-body", "the body of another document", "format", known.header, other.detached_body)
    apart(
        "other-prologue",
        "the prologue of another document before the right records",
        "format",
        known.header,
        other.prologue + known.body,
    )
    apart(
        "other-records",
        "another document's records behind the right prologue",
        "authentication",
        known.header,
        known.prologue + other.body,
    )
    apart(
        "other-header",
        "the header of another document",
        "format",
        other.header,
        known.detached_body,
    )
    for offset in (0, 8, 15, 23, 40, 70, 127):
        apart(
            f"body-prologue-{offset}",
            f"byte {offset} of the body's prologue is changed",
            "format",
            known.header,
            flipped(known.detached_body, offset),
        )
    for kept in (0, 1, 64, 127):
        apart(
            f"body-{kept}",
            f"{kept} bytes of the body are left",
            "format",
            known.header,
            known.detached_body[:kept],
        )
    apart("no-records", "the prologue alone", "format", known.header, known.prologue)
    apart(
        "no-records-stream",
        "a stream, the prologue alone",
        "format",
        stream.header,
        stream.prologue,
    )
    apart("cut", "the body ends a byte early", "format", known.header, known.detached_body[:-1])
    apart(
        "cut-stream",
        "a stream ends a byte early",
        "authentication",
        stream.header,
        stream.detached_body[:-1],
    )
    apart(
        "appended", "a byte follows the body", "format", known.header, known.detached_body + b"\x00"
    )
    apart(
        "flip",
        "a bit of the body",
        "authentication",
        known.header,
        flipped(known.detached_body, -40),
    )
    apart(
        "without-prologue", "the records without the prologue", "format", known.header, known.body
    )
    apart(
        "attached-body",
        "the whole attached document as the body",
        "format",
        known.header,
        known.sealed,
    )
    apart(
        "attached-body-stream",
        "a stream: the whole attached document as the body",
        "authentication",
        stream.header,
        stream.sealed,
    )
    apart("header-as-body", "the header as both", "format", known.header, known.header)
    apart("body-as-header", "the body as both", "format", known.detached_body, known.detached_body)
    for kept in (0, 1, 8, 64, 127, 128, 135, 136, 300, 511, 512, 600, 1023, 1024, 1535):
        apart(
            f"header-{kept}",
            f"{kept} bytes of the header are left",
            "format",
            known.header[:kept],
            known.detached_body,
        )
    document = small("detached-mac")
    body = document.detached_body
    document.slots = [with_wrong_mac(document)] * 2
    apart("mac", "the HMAC of both slots is wrong", "authentication", document.header, body)
    apart("no-key", "no key at hand", "no_key", known.header, known.detached_body, ["aes-2"])
    two = two_layers("detached-two", text(4097))
    apart(
        "two-layers-flip",
        "two layers, a bit of the body",
        "authentication",
        two.header,
        flipped(two.detached_body, 200),
        BOTH,
    )
    for document, expect in ((known, "format"), (stream, "authentication")):
        refuses(
            f"attached-{document.seed}",
            "a detached body read as a whole document",
            "format",
            document.detached_body,
        )
        joined = document.header + document.detached_body
        refuses(
            f"joined-{document.seed}",
            "a detached header and body, one behind the other",
            expect,
            joined,
        )


# No documents


def others():
    document = small("cut-header")
    for kept in (7, 8, 11, 64, 96, 127, 128, 135, 136, 511, 512, 600, 1023, 1024, 1500, 1535):
        refuses(
            f"header-{kept}",
            f"{kept} bytes of the header are left",
            "format",
            document.sealed[:kept],
        )
    refuses("empty-file", "an empty file", "format", b"")
    refuses("one-byte", "one byte", "format", document.sealed[:1])
    refuses("no-document", "a text", "format", b"This file is no sealed document.\n" * 20)
    refuses(
        "picture",
        "the beginning of a PNG file",
        "format",
        bytes.fromhex("89504E470D0A1A0A") + document.sealed[8:],
    )
    refuses("byte-before", "a byte before the document", "format", b"\x00" + document.sealed)
    refuses("byte-lost", "the first byte is gone", "format", document.sealed[1:])
    refuses(
        "line-ends-changed",
        "line feeds became carriage returns with line feeds",
        "format",
        document.sealed.replace(b"\n", b"\r\n"),
    )
    refuses("zeros", "zeros only", "format", bytes(2048))


PARTS = (cuts, rearranged, flips, misused, detached, others)
