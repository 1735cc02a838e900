import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { fault } from "./answers.ts";

/** What the protocol's clients send; `deflate` is the zlib format, as in HTTP. */
const decoders = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;

/**
 * The whole body, uncompressed.
 * @param maxBytes bound of what is sent and of what it unpacks to
 * @throws PortolanError `serving.body_too_large` (as soon as it is known), `serving.unsupported_media`, or
 * `serving.bad_request` when the sender hung up or the compressed bytes are damaged
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const encoding = (request.headers["content-encoding"] ?? "identity").toLowerCase();
  if (encoding === "identity") return readBytes(request, maxBytes);
  if (encoding === "gzip" || encoding === "deflate") return readPacked(request, encoding, maxBytes);
  request.resume();
  throw fault(
    "serving.unsupported_media",
    `The body is encoded as ${encoding.slice(0, 40)}.`,
    "Send it uncompressed, or as gzip or deflate.",
  );
}

async function readPacked(
  request: IncomingMessage,
  encoding: "gzip" | "deflate",
  maxBytes: number,
): Promise<Uint8Array> {
  const packed = await readBytes(request, maxBytes);
  try {
    return await decoders[encoding](packed, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(maxBytes);
    throw fault(
      "serving.bad_request",
      `The body is not ${encoding} data.`,
      "Compress the whole body, and nothing else.",
    );
  }
}

function readBytes(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBytes) {
        chunks.length = 0;
        request.off("data", take).pause();
        reject(tooLarge(maxBytes));
        return;
      }
      chunks.push(chunk);
    };
    request.on("data", take);
    request.on("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on("error", () => reject(gone()));
    request.on("aborted", () => reject(gone()));
  });
}

function tooLarge(maxBytes: number): Error {
  return fault("serving.body_too_large", `The body exceeds ${maxBytes} bytes.`, "Send fewer rows at a time.");
}

function gone(): Error {
  return fault("serving.bad_request", "The request's body ended too early.", "Send the whole body.");
}
