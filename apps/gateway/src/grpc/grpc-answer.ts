import { status } from "@grpc/grpc-js";
import { type Answer, errorAnswer } from "../http/answers.ts";
import { grpcStatusOf } from "./status.ts";

/** How one unary call ends. `headers` travel as trailing metadata. */
export interface GrpcAnswer {
  readonly status: status;
  readonly details: string;
  readonly message: Uint8Array;
  readonly headers: Answer["headers"];
}

export function ok(message: Uint8Array, headers: Answer["headers"] = {}): GrpcAnswer {
  return { status: status.OK, details: "", message, headers };
}

/** The gateway's answer to an inference in gRPC's terms. */
export function ofAnswer(answer: Answer): GrpcAnswer {
  if (answer.status === 200 && typeof answer.body !== "string") return ok(answer.body, answer.headers);
  return {
    status: grpcStatusOf(answer.status, answer.code),
    details: detailsOf(answer),
    message: new Uint8Array(),
    headers: { ...answer.headers, "x-portolan-error-code": answer.code },
  };
}

export function detailsOf(answer: Answer): string {
  return answer.detail ?? "The call failed.";
}

export function asAnswer(error: unknown): GrpcAnswer {
  return ofAnswer(errorAnswer(error, ""));
}
