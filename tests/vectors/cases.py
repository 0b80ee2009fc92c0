"""What the modules of cases share: keys, small documents, and the list that cases are added to."""

import hashlib
from dataclasses import dataclass, field

from writer import AesKey, Document, RsaKey, derive, mac_of, patched, prime


def aes(key_id, label=None):
    return AesKey(key_id, derive(f"aes/{label or key_id}", 32))


AES = aes("vault/documents/1")
AES_2 = aes("vault/documents/2")
AES_SAME_ID = aes(AES.key_id, "another key of the same id")
AES_UPPER = AesKey("vault/Documents/1", AES.secret)
CUSTOMER = aes("resource/7/customer/1")
SERVICE = aes("resource/7/service/1")
SHORT_ID = aes("k")
LONG_ID = aes("k" * 255)
RSA = RsaKey(
    "https://contoso.vault.azure.net/keys/documents/3f5c6b7a8d9e", prime("1 p"), prime("1 q")
)
RSA_2 = RsaKey("vault/rsa/2", prime("2 p"), prime("2 q"))
RSA_SAME_ID = RsaKey(RSA.key_id, RSA_2.p, RSA_2.q)
RSA_AES_ID = RsaKey(AES.key_id, RSA.p, RSA.q)
AES_RSA_ID = aes(RSA.key_id)

KEYS = {
    "aes": AES,
    "aes-2": AES_2,
    "aes-same-id": AES_SAME_ID,
    "aes-upper": AES_UPPER,
    "aes-rsa-id": AES_RSA_ID,
    "customer": CUSTOMER,
    "service": SERVICE,
    "short-id": SHORT_ID,
    "long-id": LONG_ID,
    "rsa": RSA,
    "rsa-2": RSA_2,
    "rsa-same-id": RSA_SAME_ID,
    "rsa-aes-id": RSA_AES_ID,
}

ONE_LAYER = [(1, AES)]
TWO_LAYERS = [(1, SERVICE), (2, CUSTOMER)]
TWO_LAYERS_RSA = [(1, SERVICE), (2, RSA)]
BOTH = ["service", "customer"]  # the keys of TWO_LAYERS


def text(length):
    """The first bytes of one text, so that a wrong chunk in a right place shows."""
    return derive("text", length)


@dataclass
class Case:
    """A document's files, how to open it, and what comes of that."""

    name: str
    description: str
    file: bytes
    expect: str | list
    header: bytes | None = None
    keys: list = field(default_factory=lambda: ["aes"])
    context: list = field(default_factory=list)
    now: int | None = None
    text: bytes | None = None

    def entry(self):
        """What the index says of it."""
        entry = {
            "name": self.name,
            "description": self.description,
            "file": f"documents/{self.name}.sealed",
            "keys": self.keys,
            "context": [list(pair) for pair in self.context],
            "now": self.now,
            "expect": self.expect,
        }
        if self.header is not None:
            entry["header"] = f"documents/{self.name}.header"
        if self.text is not None:
            entry["plaintext_len"] = len(self.text)
            entry["plaintext_sha256"] = hashlib.sha256(self.text).hexdigest()
        return entry


CASES = []


def refuses(name, description, expect, file, **how):
    CASES.append(Case(name, description, file, expect, **how))


def flipped(data, offset, bit=0x01):
    """`data` with one bit flipped."""
    return patched(data, {offset: bytes([data[offset] ^ bit])})


def small(seed, **how):
    return Document(seed, text(100), how.pop("recipients", ONE_LAYER), **how)


def two_layers(seed, content=None, **how):
    content = text(100) if content is None else content
    return Document(seed, content, TWO_LAYERS, layers=2, **how)


def with_wrong_mac(document, generation=1, offset=-1):
    """A slot of `document` whose HMAC has one bit flipped, under a right checksum."""
    return document.slot(generation, mac=flipped(mac_of(document.slot(generation)), offset))


def with_slots(document, *slots):
    document.slots = list(slots)
    return document.sealed


def with_every_slot(document, slot):
    return with_slots(document, *[slot] * len(document.slots))
