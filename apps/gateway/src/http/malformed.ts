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
};

const bad: Malformed = {
  status: "400 Bad Request",
  error: "This is not an HTTP request.",
  mend: "Send HTTP/1.1 as RFC 9112 has it.",
};

/**
 * The whole answer, status line included, to bytes that Node could not make a request of. It names no caller and no model, and
 * leaves no record: nobody asked for a prediction.
 *
 * @param code of the error that the parser raised
 */
export function malformedAnswer(code: string | undefined): string {
  const { status, error, mend } = known[code ?? ""] ?? bad;
  const title = status.slice(4);
  const body = JSON.stringify({ error: `${error} ${mend}`, title, status: Number(status.slice(0, 3)), mend });
  return (
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n` +
    `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}
