/** Bytes of the beginning that have to be seen. */
export const headBytes = 64;

/** First bytes of the forms that hide what they hold. */
const signatures: readonly { readonly form: string; readonly bytes: string }[] = [
  { form: "gzip", bytes: "\x1f\x8b\x08" },
  { form: "zstd", bytes: "\x28\xb5\x2f\xfd" },
  { form: "zip archive", bytes: "PK\x03\x04" },
  { form: "zip archive", bytes: "PK\x05\x06" },
  { form: "bzip2", bytes: "BZh" },
  { form: "xz", bytes: "\xfd7zXZ\0" },
  { form: "lz4", bytes: "\x04\x22\x4d\x18" },
  { form: "7z archive", bytes: "7z\xbc\xaf\x27\x1c" },
  { form: "rar archive", bytes: "Rar!\x1a\x07" },
  { form: "HDF5, whose parts may be packed", bytes: "\x89HDF\r\n\x1a\n" },
  { form: "Arrow, whose parts may be packed", bytes: "ARROW1\0\0" },
  { form: "PDF, whose parts are packed", bytes: "%PDF-" },
  { form: "image", bytes: "\x89PNG\r\n\x1a\n" },
  { form: "image", bytes: "\xff\xd8\xff" },
  { form: "encrypted Parquet", bytes: "PARE" },
  { form: "encrypted (age)", bytes: "age-encryption.org/v1" },
  { form: "encrypted (age)", bytes: "-----BEGIN AGE ENCRYPTED FILE-----" },
  { form: "encrypted (OpenPGP)", bytes: "-----BEGIN PGP MESSAGE-----" },
  { form: "encrypted (OpenSSL)", bytes: "Salted__" },
];

/** In which form a file hides its texts, by its first bytes; undefined where they can be read as they are. Pure. */
export function packedForm(head: Uint8Array): string | undefined {
  const text = Buffer.from(head).toString("latin1");
  return signatures.find(({ bytes }) => text.startsWith(bytes))?.form;
}
