import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { createTokenVerifier } from "@portolan/identity/policy";
import { systemClock } from "@portolan/kernel";
import { CredentialBudget } from "../apps/gateway/src/limits/credential-budget.ts";

/**
 * What a flood of bad tokens costs a gateway: processor time (all threads) per token, for every kind that a sender may make up, without a
 * budget and beyond it. A remembered good token is there for comparison.
 *
 * Usage: node bench/bad-tokens.ts [tokens per round]
 */
const count = Number(process.argv[2] ?? 5000);
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const seconds = Math.floor(Date.now() / 1000);
const claims = {
  iss: "https://login.example",
  aud: "portolan",
  sub: "ada",
  iat: seconds - 10,
  exp: seconds + 600,
};

function token(over: Record<string, unknown>, key = privateKey, kid = "k1"): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const input = `${part({ alg: "RS256", kid, typ: "at+jwt" })}.${part({ ...claims, ...over })}`;
  return `${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`;
}

/** Many tokens of one kind, made quickly: the signature of one with the claims of another is as bad as any. */
function many(over: Record<string, unknown>, key = stranger, kid = "k1"): string[] {
  const [header = "", , signature = ""] = token(over, key, kid).split(".");
  return Array.from({ length: count }, (_, i) => {
    const body = Buffer.from(JSON.stringify({ ...claims, ...over, jti: `${i}` })).toString("base64url");
    return `${header}.${body}.${signature}`;
  });
}

const issuer = {
  issuer: claims.iss,
  organisationId: "org",
  audiences: ["portolan"],
  algorithms: ["RS256" as const],
  tokenType: "at+jwt" as const,
  jwks: { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k1" }] },
  subjectClaim: "sub",
  environments: ["dev" as const],
};
const verifier = createTokenVerifier({ clock: systemClock, issuers: () => [issuer] });

async function cost(tokens: readonly string[], budget: CredentialBudget): Promise<number> {
  const before = process.cpuUsage();
  for (const text of tokens) {
    const verify = async (): Promise<{ kind: string; reason?: string }> => verifier.verify(text);
    if (verifier.remembers(text)) await verify();
    else await budget.spend("192.0.2.1", performance.now(), verify).catch(() => undefined);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / tokens.length;
}

const good = token({});
await verifier.verify(good);
const kinds: [string, string[]][] = [
  ["a remembered good token", Array.from({ length: count }, () => good)],
  ["a bad signature", many({})],
  ["expired", many({ iat: seconds - 1000, exp: seconds - 600 })],
  ["an unknown key id", many({}, stranger, "k2")],
  ["an unknown issuer", many({ iss: "https://elsewhere.example" })],
  ["no token", Array.from({ length: count }, () => randomBytes(400).toString("base64url"))],
];
for (const [title, tokens] of kinds) {
  await cost(tokens.slice(0, 500), new CredentialBudget(0));
  const open = await cost(tokens, new CredentialBudget(0));
  const bounded = await cost(tokens, new CredentialBudget(0.01));
  process.stdout.write(`${title}: ${open.toFixed(1)} µs each, ${bounded.toFixed(1)} µs beyond the budget\n`);
}
