import type { IncomingMessage } from "node:http";
import { fault } from "./answers.ts";

/**
 * The whole body, as sent.
 * @throws PortolanError `serving.body_too_large` (as soon as it is known), `serving.unsupported_media`, or
 * `serving.bad_request` when the sender hung up
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    request.resume();
    throw fault(
      "serving.unsupported_media",
      `The body is encoded as ${encoding.slice(0, 40)}.`,
      "Send it uncompressed.",
    );
  }
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.pause();
        reject(tooLarge(maxBytes));
        return;
      }
      chunks.push(chunk);
    });
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
