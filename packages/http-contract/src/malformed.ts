import { problemContentType } from "./problem.ts";

/** A request of HTTP/1.1 without a Host header: RFC 9112, section 3.2. */
export const hostMissing = "HOST_MISSING";
/** An Expect header other than `100-continue`: RFC 9110, section 10.1.1. */
export const expectationUnknown = "EXPECTATION_UNKNOWN";

interface Malformed {
  readonly status: string;
  readonly error: string;
  readonly mend: string;
}

/** What Node's parser says of bytes that are no request; everything else is a bad request without more to say. */
const known: Readonly<Record<string, Malformed>> = {
  HPE_HEADER_OVERFLOW: {
    status: "431 Request Header Fields Too Large",
    error: "The request line and headers exceed 16 KiB.",
    mend: "Send fewer and shorter headers.",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: "408 Request Timeout",
    error: "The request did not arrive in time.",
    mend: "Send headers within 10 s and the whole request within 30 s.",
  },
  // Ours: Node's own answers to these two have no body.
  [hostMissing]: {
    status: "400 Bad Request",
    error: "The request has no Host header, which HTTP/1.1 demands.",
    mend: "Send the name that the request is for, such as Host: localhost.",
  },
  [expectationUnknown]: {
    status: "417 Expectation Failed",
    error: "The request expects what no server here does.",
    mend: "Send Expect: 100-continue, or no Expect header.",
  },
};

const bad: Malformed = {
  status: "400 Bad Request",
  error: "This is not an HTTP request.",
  mend: "Send HTTP/1.1 as RFC 9112 has it.",
};

/** Status and body of a problem; `code` is that of the error that the parser raised. */
export function malformed(code: string | undefined): { readonly status: number; readonly body: Buffer } {
  const { status, error, mend } = known[code ?? ""] ?? bad;
  const number = Number(status.slice(0, 3));
  const problem = { error: `${error} ${mend}`, title: status.slice(4), status: number, mend };
  return { status: number, body: Buffer.from(JSON.stringify(problem)) };
}

/**
 * The whole HTTP/1.1 answer, status line included, to bytes that Node could not make a request of. It names no caller and no
 * model, and leaves no record: nobody asked for a prediction.
 */
export function malformedAnswer(code: string | undefined): string {
  const { status } = known[code ?? ""] ?? bad;
  const { body } = malformed(code);
  return (
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: ${problemContentType}\r\n` +
    `content-length: ${body.length}\r\n\r\n${body.toString()}`
  );
}
