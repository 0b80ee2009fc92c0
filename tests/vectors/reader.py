"""A reader of sealed documents, from docs/format.md alone: the format's second description.

It shares nothing with the writer beside it.
"""

import hashlib
import hmac
import struct
from itertools import pairwise
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

CORE_LEN, PROLOGUE_LEN, PREFIX_LEN, UNIT = 96, 128, 136, 512
STREAM = 2**64 - 1
ALGORITHMS = {"RSA-OAEP-256": 1, "A256KW": 2}
WRAPPED_LEN = {1: 256, 2: 48}


class Refused(Exception):
    """The document is refused: as `format`, `authentication`, `no_key` or `expired`, and why."""

    def __init__(self, outcome, reason):
        super().__init__(reason)
        self.outcome = outcome


def demand(holds, reason, outcome="format"):
    if not holds:
        raise Refused(outcome, reason)


class Recipient(NamedTuple):
    layer: int
    algorithm: int
    key_id: bytes
    wrapped: bytes


class Header(NamedTuple):
    length: int
    layers: int
    chunk_len: int
    plaintext_len: int
    expires_at: int
    prefix: bytes  # prologue and geometry
    slot: bytes
    recipients: list


# The header


def parse_header(data):
    """Step 1 of reading: everything that shows without a key."""
    demand(len(data) >= PREFIX_LEN, "it ends within prologue or geometry")
    fields = struct.unpack_from(">8sBBBBIQQ", data)
    magic, version, suite, layers, log2, reserved, plaintext_len, expires_at = fields
    demand(magic == bytes.fromhex("93 53 52 4D 0D 0A 1A 0A"), "magic")
    demand((version, suite) == (1, 1), "version or suite")
    demand(layers in (1, 2), "layers")
    demand(12 <= log2 <= 24, "chunk length")
    demand(reserved == 0, "reserved bytes of the prologue")
    demand(plaintext_len == STREAM or is_possible(plaintext_len, 1 << log2), "plaintext length")

    slots, size = data[128], data[129]
    demand(slots in (1, 2), "number of slots")
    demand(size > 0, "size of a slot")
    demand(not any(data[130:136]), "reserved bytes of the geometry")
    ends = [size * UNIT] if slots == 1 else [UNIT + size * UNIT, UNIT + 2 * size * UNIT]
    starts = [PREFIX_LEN] if slots == 1 else [UNIT, ends[0]]
    demand(len(data) >= ends[-1], "it ends within its slots")
    demand(not any(data[PREFIX_LEN : starts[0]]), "bytes before the slots")

    found = [data[start:end] for start, end in zip(starts, ends, strict=True)]
    slot, recipients = choose_slot(found, layers)
    prefix = data[:PREFIX_LEN]
    chunk_len = 1 << log2
    return Header(ends[-1], layers, chunk_len, plaintext_len, expires_at, prefix, slot, recipients)


def is_possible(plaintext_len, chunk_len):
    return plaintext_len <= min(2**44, 2**32 * chunk_len)


def choose_slot(slots, layers):
    """The whole slot of the highest generation, and its recipients."""
    whole = {slot for slot in slots if hashlib.sha256(slot[:-16]).digest()[:16] == slot[-16:]}
    demand(whole, "no slot is whole")
    recipients = {slot: parse_recipients(slot[8:-48], layers) for slot in whole}
    generations = [slot[:8] for slot in whole]  # big-endian: in the order of their bytes
    demand(bytes(8) not in generations, "generation 0")
    demand(len(set(generations)) == len(whole), "slots of one generation differ")
    newest = max(whole, key=lambda slot: slot[:8])
    return newest, recipients[newest]


def parse_recipients(data, layers):
    """A slot's recipients, those of unknown algorithms included."""
    recipients, at = [], 0
    while at < len(data) and data[at] != 0:
        demand(at + 6 <= len(data), "a recipient runs past the slot")
        layer, algorithm, id_len, wrapped_len = struct.unpack_from(">BBHH", data, at)
        middle, end = at + 6 + id_len, at + 6 + id_len + wrapped_len
        demand(end <= len(data), "a recipient runs past the slot")
        recipient = Recipient(layer, algorithm, data[at + 6 : middle], data[middle:end])
        demand(layer <= layers, "a recipient of a layer that the document has not")
        demand(1 <= id_len <= 255, "length of a key id")
        demand(all(0x21 <= byte <= 0x7E for byte in recipient.key_id), "bytes of a key id")
        demand(wrapped_len == WRAPPED_LEN.get(algorithm, wrapped_len), "length of a wrapped key")
        recipients.append(recipient)
        at = end
    demand(not any(data[at:]), "bytes behind the recipients")
    demand(all(a[:3] < b[:3] for a, b in pairwise(recipients)), "recipients are not in order")
    for layer in range(1, layers + 1):
        count = sum(recipient.layer == layer for recipient in recipients)
        demand(1 <= count <= 8, "number of a layer's recipients")
    return recipients


# The keys


def unwrap_data_key(header, layer, keys):
    """Step 2: a layer's data key. `keys` are the caller's: algorithm, key id and key of each."""
    matching = [
        (recipient, key)
        for recipient in header.recipients
        for algorithm, key_id, key in keys
        if recipient[:3] == (layer, algorithm, key_id)
    ]
    demand(matching, f"no key of layer {layer}", "no_key")
    for recipient, key in matching:
        payload = unwrap(recipient, key)
        if len(payload) == 40 and payload[:8] == b"SRMDK" + bytes([1, 1, layer]):
            return payload[8:]
    raise Refused("authentication", f"no wrapped key of layer {layer} unwraps")


def unwrap(recipient, key):
    """The payload, empty where it does not unwrap."""
    try:
        if recipient.algorithm == ALGORITHMS["A256KW"]:
            return aes_key_unwrap(key, recipient.wrapped)
        sha256 = hashes.SHA256()
        return key.decrypt(recipient.wrapped, padding.OAEP(padding.MGF1(sha256), sha256, None))
    except (InvalidUnwrap, ValueError):
        return b""


def expand(key, label, info=b""):
    return HKDFExpand(hashes.SHA256(), 32, label.encode() + info).derive(key)


def unlock(header, keys, context, now):
    """Steps 2 and 3: the key of each layer's chunks, once the whole header is authenticated."""
    core, salt = header.prefix[:CORE_LEN], header.prefix[32:64]
    data_keys = [unwrap_data_key(header, layer, keys) for layer in range(1, header.layers + 1)]
    prk = hmac.digest(salt, b"".join(data_keys), "sha256")
    core_hash = hashlib.sha256(core).digest()

    commitment = expand(prk, "strongroom/1 commit", core_hash)
    authentic(commitment, header.prefix[CORE_LEN:PROLOGUE_LEN], "commitment")
    header_key = expand(prk, "strongroom/1 header", core_hash)
    mac = hmac.digest(header_key, header.prefix + header.slot[:-48], "sha256")
    authentic(mac, header.slot[-48:-16], "HMAC of the slot")
    tag = hmac.digest(expand(prk, "strongroom/1 context"), encode_context(context), "sha256")
    authentic(tag, core[64:], "context tag")
    demand(header.expires_at == 0 or now < header.expires_at, "its time is up", "expired")

    return [
        expand(
            hmac.digest(salt, data_key, "sha256"),
            "strongroom/1 chunk key",
            bytes([layer]) + core_hash,
        )
        for layer, data_key in enumerate(data_keys, 1)
    ]


def authentic(computed, found, what):
    demand(hmac.compare_digest(computed, found), what, "authentication")


def encode_context(context):
    pairs = sorted((key.encode(), value.encode()) for key, value in context)
    texts = (text for pair in pairs for text in pair)
    return b"".join(struct.pack(">H", len(text)) + text for text in texts)


# The body


def open_body(header, chunk_keys, body):
    """Steps 4 and 5. The last chunk first: nothing is believed of a stream before that."""
    overhead = 16 * header.layers
    record_len = header.chunk_len + overhead
    records = max(1, -(-len(body) // record_len))
    plaintext_len = len(body) - records * overhead
    before_last = (records - 1) * header.chunk_len
    demand(plaintext_len > before_last or plaintext_len == 0, "no plaintext has such a body")
    demand(is_possible(plaintext_len, header.chunk_len), "plaintext length")
    demand(header.plaintext_len in (STREAM, plaintext_len), "another length than stated")

    chunks = []
    for index in reversed(range(records)):
        record = body[index * record_len : (index + 1) * record_len]
        nonce = struct.pack(">6xIxB", index, index == records - 1)
        for key in reversed(chunk_keys):  # the outer layer first
            try:
                record = AESGCM(key).decrypt(nonce, record, None)
            except InvalidTag:
                raise Refused("authentication", f"tag of chunk {index}") from None
        chunks.append(record)
    return b"".join(reversed(chunks))


def read_document(data, detached_header, keys, context, now):
    """The plaintext of a document, or of a detached body where its header is given apart."""
    header = parse_header(data if detached_header is None else detached_header)
    chunk_keys = unlock(header, keys, context, now)
    if detached_header is None:
        return open_body(header, chunk_keys, data[header.length :])
    demand(data[:PROLOGUE_LEN] == header.prefix[:PROLOGUE_LEN], "the body's prologue is another")
    return open_body(header, chunk_keys, data[PROLOGUE_LEN:])
