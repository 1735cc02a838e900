import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** To be trusted by the client. */
  readonly certificatePem: string;
}

/**
 * A self-signed certificate for 127.0.0.1, ::1, 127.0.0.2 and `localhost`, made with what Node has: a test must not need
 * openssl, and a key that lies in a repository is one that somebody will use.
 */
export function writeTestCertificate(folder: string): CertificateFiles {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const name = sequence(set(sequence(oid([2, 5, 4, 3]), der(0x0c, Buffer.from("portolan test")))));
  const ecdsaWithSha256 = sequence(oid([1, 2, 840, 10045, 4, 3, 2]));
  const addresses = [
    [127, 0, 0, 1],
    [127, 0, 0, 2],
    [...Array<number>(15).fill(0), 1],
  ];
  const alternatives = sequence(
    der(0x82, Buffer.from("localhost")),
    ...addresses.map((address) => der(0x87, Buffer.from(address))),
  );
  const extensions = sequence(sequence(oid([2, 5, 29, 17]), der(0x04, alternatives)));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    sequence(der(0x17, Buffer.from("200101000000Z")), der(0x17, Buffer.from("491231235959Z"))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = sequence(body, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.of(0), signature])));
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  const certificatePem = ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join(
    "\n",
  );
  const files = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
  writeFileSync(files.certFile, certificatePem);
  writeFileSync(files.keyFile, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return { ...files, certificatePem };
}

export interface MadeCertificate {
  readonly subject: string;
  readonly privateKey: KeyObject;
  readonly der: Buffer;
  readonly pem: string;
}

export interface WantedCertificate {
  readonly subject: string;
  /** Absent: it signs itself. */
  readonly issuer?: MadeCertificate;
  readonly namedCurve?: "P-256" | "P-384" | "P-521";
  /** An authority, with how many others may stand below it; absent: none. */
  readonly authority?: { readonly pathLength?: number };
  /** First octet of the bits: 0x80 signatures, 0x04 certificates; absent: it does not say. */
  readonly keyUsage?: number;
  readonly codeSigning?: boolean;
  /** The last number below 2.5.29 of an extension that must be understood, e.g. 30: constraints on names. */
  readonly critical?: number;
  /** `YYMMDDHHMMSSZ` */
  readonly life?: readonly [from: string, to: string];
}

/** A certificate of an authority, or of whom it vouches for; made with what Node has, as the one above. */
export function makeCertificate(wanted: WantedCertificate): MadeCertificate {
  const { subject, issuer, namedCurve = "P-256", authority, keyUsage, codeSigning, critical } = wanted;
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
  const nameOf = (text: string) => sequence(set(sequence(oid([2, 5, 4, 3]), der(0x0c, Buffer.from(text)))));
  const extension = (last: number, value: Buffer, isCritical = false) =>
    sequence(oid([2, 5, 29, last]), ...(isCritical ? [der(0x01, Buffer.of(0xff))] : []), der(0x04, value));
  const pathLength = authority?.pathLength;
  const basic = authority
    ? [der(0x01, Buffer.of(0xff)), ...(pathLength === undefined ? [] : [der(0x02, Buffer.of(pathLength))])]
    : [];
  const extensions = [
    extension(19, sequence(...basic), true),
    ...(keyUsage === undefined ? [] : [extension(15, der(0x03, Buffer.of(0, keyUsage)), true)]),
    ...(codeSigning ? [extension(37, sequence(oid([1, 3, 6, 1, 5, 5, 7, 3, 3])))] : []),
    ...(critical === undefined ? [] : [extension(critical, sequence(), true)]),
  ];
  const ecdsaWithSha256 = sequence(oid([1, 2, 840, 10045, 4, 3, 2]));
  const [from, to] = wanted.life ?? ["200101000000Z", "491231235959Z"];
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    nameOf(issuer?.subject ?? subject),
    sequence(der(0x17, Buffer.from(from)), der(0x17, Buffer.from(to))),
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", body, issuer?.privateKey ?? privateKey);
  const certificate = sequence(body, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.of(0), signature])));
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  const pem = ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
  return { subject, privateKey, der: certificate, pem };
}

function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const length =
    body.length < 128
      ? Buffer.of(body.length)
      : body.length < 256
        ? Buffer.of(0x81, body.length)
        : Buffer.of(0x82, body.length >> 8, body.length & 0xff);
  return Buffer.concat([Buffer.of(tag), length, body]);
}

function sequence(...content: readonly Buffer[]): Buffer {
  return der(0x30, ...content);
}

function set(...content: readonly Buffer[]): Buffer {
  return der(0x31, ...content);
}

function oid([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = rest.flatMap((part) => {
    const sevens = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) sevens.unshift((left & 0x7f) | 0x80);
    return sevens;
  });
  return der(0x06, Buffer.from([40 * first + second, ...bytes]));
}
