import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  composeNote,
  formatCheckpoint,
  formatVerifier,
  noteVerifier,
  parseCheckpoint,
  parseNote,
  parseVerifier,
  rawPublicKey,
  verifyNote,
} from "./index.ts";

/** The worked example of Go's `golang.org/x/mod/sumdb/note` package, whose format C2SP signed-note adopted. */
const goVerifier = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const goText =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const goNote = `${goText}
— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;

function freshKey(name: string) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = rawPublicKey(publicKey.export({ type: "spki", format: "pem" }).toString());
  if (raw === undefined) throw new Error("a fresh Ed25519 key has a raw form");
  return { verifier: noteVerifier(name, raw), privateKey };
}

describe("signed notes", () => {
  test("the published example verifies, and its key prints as published", () => {
    const verifier = parseVerifier(goVerifier);
    const note = parseNote(goNote);
    if (verifier === undefined || note === undefined) throw new Error("the example must parse");
    expect(note.text).toBe(goText);
    expect(verifyNote(note, [verifier])).toEqual([verifier]);
    expect(formatVerifier(verifier)).toBe(goVerifier);
  });

  test("signing the published text with the published key gives the published note", () => {
    // Secret key of the same example: 32 bytes of seed after the type byte.
    const seed = Buffer.from("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "base64").subarray(1);
    const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
    const privateKey = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
    const pem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
    const verifier = noteVerifier("PeterNeumann", rawPublicKey(pem) ?? Buffer.alloc(0));
    const signature = sign(null, Buffer.from(goText), privateKey);
    expect(composeNote(goText, [{ verifier, signature }])).toBe(goNote);
  });

  test("a changed byte of the text, another key's signature and an unknown key count for nothing", () => {
    const { verifier, privateKey } = freshKey("portolan/org_a");
    const other = freshKey("portolan/org_a");
    const signature = sign(null, Buffer.from("hello\n"), privateKey);
    const note = composeNote("hello\n", [{ verifier, signature }]);
    const changed = parseNote(note.replace("hello", "hallo"));
    const sound = parseNote(note);
    if (changed === undefined || sound === undefined) throw new Error("both notes must parse");
    expect(verifyNote(sound, [verifier])).toHaveLength(1);
    expect(verifyNote(changed, [verifier])).toEqual([]);
    expect(verifyNote(sound, [other.verifier])).toEqual([]);
    const forged = parseNote(
      composeNote("hello\n", [{ verifier, signature: sign(null, Buffer.from("hello\n"), other.privateKey) }]),
    );
    expect(forged && verifyNote(forged, [verifier])).toEqual([]);
  });

  test("malformed notes and keys are refused", () => {
    for (const bad of ["", "text", "text\n", "text\n\n", "text\n\n— name\n", "a\tb\n\n— n AAAAAAA=\n"]) {
      expect(parseNote(bad)).toBeUndefined();
    }
    expect(parseVerifier(goVerifier.replace("c74f20a3", "c74f20a4"))).toBeUndefined();
    expect(parseVerifier("a b+00000000+AA==")).toBeUndefined();
    expect(() => noteVerifier("a b", Buffer.alloc(32))).toThrow(RangeError);
    expect(rawPublicKey("not a key")).toBeUndefined();
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    expect(rawPublicKey(publicKey.export({ type: "spki", format: "pem" }).toString())).toBeUndefined();
  });
});

describe("checkpoints", () => {
  test("come back as they went in", () => {
    fc.assert(
      fc.property(fc.nat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (size, root) => {
        const checkpoint = { origin: "portolan/org_a", size, root: Buffer.from(root), extensions: ["at 12"] };
        expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint);
      }),
    );
  });

  test("leading zeros, short roots, empty lines and a missing newline are refused", () => {
    const root = Buffer.alloc(32).toString("base64");
    const bad = [`o\n01\n${root}\n`, `o\n1\nAAAA\n`, `o\n1\n${root}\n\n`, `o\n1\n${root}`, `\n1\n${root}\n`];
    for (const text of bad) expect(parseCheckpoint(text)).toBeUndefined();
  });
});
