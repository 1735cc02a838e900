import { createServer } from "node:http";

/**
 * The least that an answer over HTTP costs here: reads each request's body, looks at nothing, and answers as many bytes as its path says. Its port is its first
 * line; it ends with its input.
 */
const server = createServer((request, response) => {
  const bytes = Number(request.url?.slice(1));
  request.resume();
  request.on("end", () => {
    response.writeHead(200, { "content-type": "application/json", "content-length": bytes });
    response.end("x".repeat(bytes), "latin1");
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" ? address?.port : address);
});
process.stdin.on("end", () => process.exit(0)).resume();
