import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import {
  type ErrorLocation,
  messageOf,
  PortolanError,
  requirePrivateTransport,
  type Violation,
} from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import type { TokenSource } from "./token-source.ts";

export interface ApiCredentials {
  readonly url: string;
  /** A token, or where the one of each request comes from. */
  readonly token: string | TokenSource;
}

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  /** Raw bytes instead of a JSON body. */
  readonly bytes?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

interface ProblemBody {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly mend?: string;
  readonly at?: ErrorLocation;
  readonly violations?: readonly Violation[];
  /** Of a refusal in the shape of the OpenFeature Remote Evaluation Protocol. */
  readonly errorDetails?: string;
}

/** The CLI's one way to the system: the same REST API that everybody else uses. */
export class ApiClient {
  readonly #credentials: ApiCredentials;

  /** @throws PortolanError `kernel.plain_http_refused`: requests carry tokens, and some bodies secrets */
  constructor(credentials: ApiCredentials) {
    requirePrivateTransport(credentials.url, "the server's address");
    this.#credentials = credentials;
  }

  get url(): string {
    return this.#credentials.url;
  }

  /** The credential of a request that begins now; empty without one. */
  async token(): Promise<string> {
    const { token } = this.#credentials;
    return typeof token === "string" ? token : token();
  }

  /** The answer's JSON. @throws PortolanError with the server's own code, detail and mend. */
  async json<T>(request: ApiRequest): Promise<T> {
    return (await this.answer<T>(request)).value;
  }

  /** The answer's JSON with its headers. @throws PortolanError as `json` does */
  async answer<T>(request: ApiRequest): Promise<{ readonly value: T; readonly headers: Headers }> {
    const response = await this.#send(request);
    return { value: (await response.json()) as T, headers: response.headers };
  }

  async bytes(request: ApiRequest): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#send(request)).arrayBuffer());
  }

  /** The answer's bytes into a file, which is there whole or not at all; resolves to how many there were. */
  async download(request: ApiRequest, file: string): Promise<number> {
    const part = `${file}.part`;
    const handle = await openPart(part);
    try {
      const { body } = await this.#send(request);
      await pipeline(body ?? [], handle.createWriteStream());
      const { size } = await stat(part);
      await rename(part, file);
      return size;
    } catch (error) {
      await handle.close();
      await rm(part, { force: true });
      throw error;
    }
  }

  async text(request: ApiRequest): Promise<string> {
    return (await this.#send(request)).text();
  }

  async #send(request: ApiRequest): Promise<Response> {
    const response = await this.#fetch(request);
    if (response.ok) return response;
    throw await problemOf(response, request);
  }

  async #fetch(request: ApiRequest): Promise<Response> {
    const headers: Record<string, string> = { ...request.headers };
    const token = await this.token();
    if (token !== "") headers["authorization"] = `Bearer ${token}`;
    const body = request.bytes ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
    if (request.bytes) headers["content-type"] ??= "application/octet-stream";
    else if (body !== undefined) headers["content-type"] ??= "application/json";
    try {
      return await fetch(new URL(request.path, this.#credentials.url), {
        method: request.method ?? (body === undefined ? "GET" : "POST"),
        headers,
        redirect: "error",
        signal: AbortSignal.timeout(request.timeoutMs ?? 60_000),
        ...(body === undefined ? {} : { body }),
      });
    } catch (cause) {
      throw new PortolanError<CliErrorCode>("cli.server_unreachable", {
        detail: `${this.#credentials.url} does not answer (${messageOf(cause)})`,
        mend: "Start it with: portolan up",
        cause,
      });
    }
  }
}

/** A file of this download alone: what another one writes, or left, is not touched. */
async function openPart(part: string): Promise<FileHandle> {
  try {
    return await open(part, "wx");
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${part} cannot be written (${messageOf(cause)})`,
      mend: "Name another file with --out; remove the part where no other download writes it.",
      cause,
    });
  }
}

async function problemOf(response: Response, request: ApiRequest): Promise<PortolanError> {
  const text = await response.text();
  const problem = parseProblem(text);
  return new PortolanError(problem?.code ?? "cli.unexpected_answer", {
    detail:
      problem?.detail ??
      problem?.title ??
      problem?.errorDetails ??
      `${request.method ?? "GET"} ${request.path}: ${response.status} ${text.slice(0, 200)}`,
    ...mendOf(problem, response.status),
    ...(problem?.at === undefined ? {} : { at: problem.at }),
    ...(problem?.violations === undefined ? {} : { violations: problem.violations }),
  });
}

/** What an answer without a mend of its own leaves to do. */
function mendOf(problem: ProblemBody | undefined, status: number): { readonly mend?: string } {
  if (problem?.mend !== undefined) return { mend: problem.mend };
  if (status === 404)
    return { mend: "It does not exist, or you may not see it. See who you are with: portolan whoami" };
  if (status === 401)
    return { mend: "Give a valid credential: --as <name> here, portolan login or PORTOLAN_TOKEN elsewhere." };
  if (status === 403)
    return { mend: "See your roles with: portolan whoami; act as somebody else with --as." };
  return {};
}

function parseProblem(text: string): ProblemBody | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
