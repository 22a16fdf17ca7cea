// The proof of concept's way, minimal: hold the client's response, invoke the function, and pipe the
// callback's body into the response.
//
// It does no more: no routes, no deadlines, no secret in the callback's URL, no request body. It does
// not notice that a client has left, and a callback that breaks off leaves its response open.
// Back-pressure is that of pipe(): a slow client pauses the callback.
//
// node poc.mjs PORT LAMBDA_URL PACKAGES; credentials and region come from the environment.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [port, endpoint, packages] = process.argv.slice(2);
const { LambdaClient, InvokeCommand } = createRequire(`${packages}/`)("@aws-sdk/client-lambda");

const CALLBACK = "/callback/";
const lambda = new LambdaClient({ endpoint });
const held = new Map(); // by the callback's path: the response that waits for it

async function hold(request, response) {
  const path = CALLBACK + randomUUID();
  held.set(path, response);
  const { method, url, headers } = request;
  const event = { method, url, headers, origin: `http://127.0.0.1:${port}${path}` };
  try {
    await lambda.send(
      new InvokeCommand({
        FunctionName: "bench",
        InvocationType: "Event",
        Payload: JSON.stringify(event),
      }),
    );
  } catch (error) {
    console.error(error);
    held.delete(path);
    response.writeHead(502).end();
  }
}

function relay(callback, answer) {
  const response = held.get(callback.url);
  if (response === undefined) {
    answer.writeHead(404).end();
    return;
  }
  held.delete(callback.url);
  response.writeHead(Number(callback.headers["x-status-code"]), {
    "content-type": callback.headers["content-type"],
  });
  callback.pipe(response);
  callback.on("end", () => answer.end());
}

const server = createServer((request, response) =>
  request.url.startsWith(CALLBACK) ? relay(request, response) : hold(request, response),
);
server.requestTimeout = 0; // a callback may last
server.keepAliveTimeout = 600_000;
server.listen(Number(port), "127.0.0.1", 4096);
