import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { messages } from "@portolan/serving/policy";
import { BareBatcher } from "./bare-batcher.ts";

/**
 * The same limit over gRPC: @grpc/grpc-js, protobufjs and ONNX Runtime with batch-while-busy, raw contents in and out, and nothing else.
 *
 * Usage: node bench/gateway/bare-grpc-server.ts <model.onnx> <input name> <columns>; prints its port.
 */
const [file = "", input = "x", columnsText = "30"] = process.argv.slice(2);
const batcher = await BareBatcher.open(file, input, Number(columnsText));
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const server = new Server();
server.addService(
  {
    ModelInfer: {
      path: "/inference.GRPCInferenceService/ModelInfer",
      requestStream: false,
      responseStream: false,
      requestSerialize: asBuffer,
      requestDeserialize: (bytes: Buffer): Uint8Array => bytes,
      responseSerialize: asBuffer,
      responseDeserialize: (bytes: Buffer): Uint8Array => bytes,
    },
  },
  {
    ModelInfer(call: ServerUnaryCall<Uint8Array, Uint8Array>, callback: sendUnaryData<Uint8Array>) {
      const [raw = new Uint8Array()] = messages.inferRequest.decode(call.request).raw_input_contents;
      // Copied: the bytes of a message start anywhere.
      batcher.push(new Float32Array(new Uint8Array(raw).buffer), (outputs) =>
        callback(
          null,
          messages.inferResponse.encode({
            model_name: "m",
            model_version: "1",
            id: "",
            parameters: {},
            outputs: outputs.map(({ name, shape }) => ({ name, datatype: "FP32", shape })),
            raw_output_contents: outputs.map(
              ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
            ),
          }),
        ),
      );
    },
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
