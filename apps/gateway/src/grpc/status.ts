import { status } from "@grpc/grpc-js";

/** gRPC status of the errors that are HTTP statuses elsewhere; the code of the catalogue travels in the metadata. */
export function grpcStatusOf(httpStatus: number, code: string): status {
  // Clients try again what is unavailable, and a halt lasts until somebody ends it.
  if (code === "serving.not_served") return status.FAILED_PRECONDITION;
  switch (httpStatus) {
    case 400:
      return status.INVALID_ARGUMENT;
    case 401:
      return status.UNAUTHENTICATED;
    case 403:
      return status.PERMISSION_DENIED;
    case 404:
      return status.NOT_FOUND;
    case 413:
    case 429:
      return status.RESOURCE_EXHAUSTED;
    case 424:
      return status.FAILED_PRECONDITION;
    case 499:
      return status.CANCELLED;
    case 503:
      return status.UNAVAILABLE;
    case 504:
      return status.DEADLINE_EXCEEDED;
    default:
      return status.INTERNAL;
  }
}
