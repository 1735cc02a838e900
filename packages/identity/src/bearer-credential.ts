import { maxCredentialLength } from "@portolan/kernel";

/** `Bearer <credential>`; the scheme in any case (RFC 9110), one space, no list. */
const bearerForm = /^bearer ([\x21-\x7e]+)$/i;

/** The credential of an `Authorization` header; `undefined` without one, in another form, or beyond any length that counts. */
export function bearerCredential(header: string | undefined): string | undefined {
  const credential = bearerForm.exec(header ?? "")?.[1];
  return credential !== undefined && credential.length <= maxCredentialLength ? credential : undefined;
}
