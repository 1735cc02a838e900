/** Bounds of what is read and accepted. Beyond them a file is refused with the figure that it broke. */
export const onnxLimits = {
  /** Protobuf itself ends at 2 GiB. */
  fileBytes: 2 ** 31 - 1,
  /** One tensor, declared or stored. */
  tensorBytes: 2 ** 31 - 1,
  /** The fixed part of one input or output: the memory that a single row costs. */
  valueBytes: 256 * 2 ** 20,
  dimensions: 16,
  nodes: 500_000,
  initializers: 100_000,
  /** Inputs and outputs together. */
  values: 4096,
  metadata: 1024,
  subgraphDepth: 8,
} as const;
