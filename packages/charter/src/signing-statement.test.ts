import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { verifyCharterBundle } from "./bundle.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import {
  charterSigningBytes,
  charterSigningPrefix,
  type SigningStatement,
  verifyCharterSignature,
} from "./signing-statement.ts";
import { readTemplate } from "./templates.ts";
import type { CharterBundle } from "./views.ts";

const { document, digest } = requireValid(parseCharter(readTemplate("flight-delays")));

function newKey() {
  return generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}

const statement: SigningStatement = {
  organisationId: "org_1",
  charterId: "cht_1",
  useCaseId: "uc_1",
  version: 3,
  role: "team_lead",
  signer: "usr_1",
  keyId: "sgk_1",
  charter: document,
};
const key = newKey();

function signed(what: SigningStatement, privatePem = key.privateKey): string {
  return sign(null, charterSigningBytes(what), createPrivateKey(privatePem)).toString("base64");
}

describe("a charter signature", () => {
  test("verifies over the same statement, in whatever order its keys come", () => {
    const reordered = Object.fromEntries(Object.entries(document).toReversed()) as typeof document;
    expect(
      verifyCharterSignature({ ...statement, charter: reordered }, signed(statement), key.publicKey),
    ).toBe(true);
  });

  test("starts with its own prefix, so that it is no signature of anything else", () => {
    const bytes = Buffer.from(charterSigningBytes(statement)).toString("utf8");
    expect(bytes.startsWith(`${charterSigningPrefix}{"charter":{`)).toBe(true);
  });

  test("any changed byte of the signature fails", () => {
    const good = Buffer.from(signed(statement), "base64");
    fc.assert(
      fc.property(fc.nat(63), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bad = Buffer.from(good);
        bad[at] = (bad[at] ?? 0) ^ change;
        return !verifyCharterSignature(statement, bad.toString("base64"), key.publicKey);
      }),
      { numRuns: 200 },
    );
  });

  test("any changed value of the charter fails", () => {
    const good = signed(statement);
    const leaves = leafPointers(document);
    expect(leaves.length).toBeGreaterThan(60);
    for (const path of leaves) {
      const changed = structuredClone(document);
      changeAt(changed, path);
      expect(
        verifyCharterSignature({ ...statement, charter: changed }, good, key.publicKey),
        path.join("/"),
      ).toBe(false);
    }
  });

  test.each(["organisationId", "charterId", "useCaseId", "version", "role", "signer", "keyId"] as const)(
    "is bound to its %s",
    (field) => {
      const other = {
        ...statement,
        [field]: field === "version" ? 4 : field === "role" ? "finance" : "other",
      };
      expect(verifyCharterSignature(other, signed(statement), key.publicKey)).toBe(false);
    },
  );

  test("of another key, another algorithm or another spelling fails", () => {
    const good = signed(statement);
    const rsa = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({
      type: "spki",
      format: "pem",
    });
    expect(verifyCharterSignature(statement, good, newKey().publicKey)).toBe(false);
    expect(verifyCharterSignature(statement, good, rsa.toString())).toBe(false);
    expect(verifyCharterSignature(statement, good, "no key")).toBe(false);
    expect(verifyCharterSignature(statement, ` ${good}`, key.publicKey)).toBe(false);
    expect(verifyCharterSignature(statement, "", key.publicKey)).toBe(false);
  });
});

describe("an exported bundle", () => {
  const risk = newKey();
  function bundle(change: Partial<CharterBundle> = {}): CharterBundle {
    const signature = (
      role: "team_lead" | "approver_risk",
      signer: string,
      keyId: string,
      pair: typeof key,
    ) => ({
      id: `sig_${role}`,
      role,
      signer,
      keyId,
      publicKeyPem: pair.publicKey,
      signature: signed({ ...statement, role, signer, keyId }, pair.privateKey),
      signedAt: 1,
    });
    return {
      format: "portolan-charter-bundle/v1",
      organisationId: "org_1",
      charterId: "cht_1",
      useCaseId: "uc_1",
      version: 3,
      digest,
      charter: document,
      signatures: [
        signature("team_lead", "usr_1", "sgk_1", key),
        signature("approver_risk", "usr_2", "sgk_2", risk),
      ],
      ...change,
    };
  }

  test("verifies with nothing but itself", () => {
    expect(verifyCharterBundle(bundle()).kind).toBe("signed");
  });

  test.each([
    ["a missing signature", { signatures: bundle().signatures.slice(0, 1) }, /approver_risk has not signed/],
    ["another version", { version: 4 }, /does not verify/],
    ["another digest", { digest: `sha256:${"0".repeat(64)}` }, /digest/],
    ["a charter that is none", { charter: { ...document, purposes: [] } }, /purposes/],
    [
      "another ceiling",
      {
        charter: { ...document, nonNegotiables: { ...document.nonNegotiables, costCeiling: "9 USD/month" } },
      },
      /does not verify/,
    ],
  ])("with %s does not", (_, change, problem) => {
    const verdict = verifyCharterBundle(bundle(change));
    expect(verdict.kind === "not_signed" ? verdict.problems.join("; ") : "signed").toMatch(problem);
  });
});

type Path = readonly (string | number)[];

function leafPointers(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, child]) => leafPointers(child, [...path, name]));
}

function changeAt(value: unknown, path: Path): void {
  const last = path.at(-1) ?? "";
  let at = value as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>;
  const old = at[last];
  at[last] = typeof old === "number" ? old + 1e-9 : typeof old === "boolean" ? !old : `${String(old)}.`;
}
