// What X.509 certificates may be used for, which OpenSSL's parser knows and Node does not tell (RFC 5280, section 4.2.1). Of bytes that OpenSSL
// has parsed before.

export interface CertificateExtensions {
  /** `digitalSignature`; absent: the certificate does not say what its key is for. */
  readonly signs?: boolean;
  /** `keyCertSign`; absent: it does not say. */
  readonly signsCertificates?: boolean;
  readonly isAuthority: boolean;
  /** How many authorities may stand between it and the leaf. */
  readonly pathLength?: number;
  /** Dotted names of extensions that have to be understood and are not, e.g. constraints on names. */
  readonly unknownCritical: readonly string[];
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

const tags = {
  boolean: 1,
  integer: 2,
  bitString: 3,
  octetString: 4,
  oid: 6,
  sequence: 0x30,
  extensions: 0xa3,
};
const names = { keyUsage: "2.5.29.15", basicConstraints: "2.5.29.19" };
/** Critical ones that need no more understanding: alternative names of the subject, and what else a key is for, which Node tells. */
const understood = new Set([names.keyUsage, names.basicConstraints, "2.5.29.17", "2.5.29.37"]);

/** @returns `undefined` for bytes that are no certificate */
export function readExtensions(certificate: Uint8Array): CertificateExtensions | undefined {
  const [outer] = elementsOf(certificate) ?? [];
  const [toBeSigned] = (outer && elementsOf(outer.content)) ?? [];
  const parts = toBeSigned && elementsOf(toBeSigned.content);
  if (parts === undefined) return undefined;
  const [list] =
    elementsOf(parts.find(({ tag }) => tag === tags.extensions)?.content ?? new Uint8Array()) ?? [];
  const extensions = list ? elementsOf(list.content) : [];
  if (extensions === undefined) return undefined;
  let found: CertificateExtensions = { isAuthority: false, unknownCritical: [] };
  for (const { content } of extensions) {
    const [oid, second, third] = elementsOf(content) ?? [];
    const value = third ?? second;
    if (oid?.tag !== tags.oid || value?.tag !== tags.octetString) return undefined;
    const name = oidText(oid.content);
    const isCritical = third !== undefined && second?.content[0] !== 0;
    if (isCritical && !understood.has(name))
      found = { ...found, unknownCritical: [...found.unknownCritical, name] };
    found = { ...found, ...meaningOf(name, value.content) };
  }
  return found;
}

function meaningOf(name: string, value: Uint8Array): Partial<CertificateExtensions> {
  const [element] = elementsOf(value) ?? [];
  if (name === names.keyUsage && element?.tag === tags.bitString) {
    // The first octet counts unused bits; bit 0 is the highest: digitalSignature 0, keyCertSign 5.
    const bits = element.content[1] ?? 0;
    return { signs: (bits & 0x80) !== 0, signsCertificates: (bits & 0x04) !== 0 };
  }
  if (name !== names.basicConstraints || element?.tag !== tags.sequence) return {};
  const parts = elementsOf(element.content) ?? [];
  const length = parts.find(({ tag }) => tag === tags.integer)?.content;
  return {
    isAuthority: parts.some(({ tag, content }) => tag === tags.boolean && content[0] !== 0),
    ...(length ? { pathLength: length.reduce((sum, byte) => sum * 256 + byte, 0) } : {}),
  };
}

/** The elements of DER bytes, one after the other. @returns `undefined` where they do not fill the bytes exactly */
function elementsOf(bytes: Uint8Array): Element[] | undefined {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    const first = bytes[at + 1];
    if (first === undefined) return undefined;
    const octets = first < 0x80 ? 0 : first & 0x7f;
    if (octets > 4 || first === 0x80) return undefined;
    const start = at + 2 + octets;
    const length =
      octets === 0 ? first : bytes.subarray(at + 2, start).reduce((sum, byte) => sum * 256 + byte, 0);
    if (start + length > bytes.length) return undefined;
    found.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

function oidText(content: Uint8Array): string {
  const first = content[0] ?? 0;
  const parts = [Math.min(2, Math.floor(first / 40))];
  parts.push(first - 40 * (parts[0] ?? 0));
  let value = 0;
  for (const byte of content.subarray(1)) {
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      parts.push(value);
      value = 0;
    }
  }
  return parts.join(".");
}
