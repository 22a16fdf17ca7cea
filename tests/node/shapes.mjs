// What streaming handlers do, each by its name: ?shape=NAME, with a gate where it says so.
import { pipeline } from "node:stream/promises";
import { Gate, query } from "./gate.mjs";

const METADATA = {
  statusCode: 201,
  headers: { "Content-Type": "text/plain; charset=utf-8", "X-Shape": "yes" },
  cookies: ["a=1; Path=/", "b=2; HttpOnly"],
};

const from = (stream) => awslambda.HttpResponseStream.from(stream, METADATA);

const shapes = {
  // With status, headers and cookies: ?count= chunks of ?size= bytes, one for each opening.
  async chunks(stream, asked, gate) {
    const response = from(stream);
    for (let number = 0; number < Number(asked.get("count")); number++) {
      await gate?.wait();
      response.write(Buffer.alloc(Number(asked.get("size")), 65 + number));
    }
    await gate?.wait();
    response.end();
  },

  async typed(stream, asked, gate) {
    stream.setContentType("text/event-stream");
    stream.write("data: 1\n\n");
    await gate?.wait();
    stream.end("data: 2\n\n");
  },

  // JSON lines without a prelude, one for each opening.
  async lines(stream, asked, gate) {
    stream.setContentType("application/x-ndjson");
    for (let number = 0; number < 4; number++) {
      await gate?.wait();
      stream.write(JSON.stringify({ i: number }) + "\n");
    }
    await gate?.wait();
    stream.end();
  },

  async untyped(stream) {
    stream.write("bytes");
    stream.end();
  },

  // An object is written as JSON, and a value that is returned is nobody's.
  async object(stream) {
    stream.write({ n: 1 });
    stream.end();
    return { statusCode: 418 };
  },

  async throws_first() {
    throw new TypeError("a secret reason");
  },

  async throws_after_from(stream) {
    from(stream);
    throw new TypeError("a secret reason");
  },

  async throws_after_write(stream, asked, gate) {
    from(stream).write("one,");
    await gate?.wait();
    throw new TypeError("a secret reason");
  },

  async types_too_late(stream, asked, gate) {
    stream.write("one,");
    await gate?.wait();
    stream.setContentType("text/html");
  },

  // Neither has a prelude: the official client makes it at the first write.
  async from_end(stream) {
    from(stream).end();
  },

  async from_end_with_text(stream) {
    from(stream).end("no prelude");
  },

  async from_write_nothing_end(stream) {
    const response = from(stream);
    response.write("");
    response.end();
  },

  async never_ends(stream) {
    from(stream).write("one,");
  },

  async never_writes() {},

  // 64 MiB, in blocks of which each says its number before it may be written.
  async blocks(stream, asked, gate) {
    async function* blocks() {
      for (let number = 0; number < 1024; number++) {
        gate.tell(number);
        yield Buffer.alloc(65536, number % 251);
      }
    }
    await pipeline(blocks(), from(stream));
  },

  async destroys(stream, asked, gate) {
    from(stream).write("one,");
    await gate?.wait();
    stream.destroy(new Error("a secret reason"));
  },
};

export const stream = awslambda.streamifyResponse(async (event, stream, context) => {
  const asked = query(event);
  const gate = asked.has("gate") ? new Gate(event) : null;
  try {
    return await shapes[asked.get("shape")](stream, asked, gate);
  } finally {
    gate?.close();
  }
});

// Without streamifyResponse: the envelope that a buffered function returns.
export const buffered = async (event) => {
  if (query(event).get("shape") === "throws_first") throw new TypeError("a secret reason");
  return { ...METADATA, body: "one,two" };
};

export const with_callback = (event, context, callback) => callback(null, { called: "back" });

// What the handler is told besides its event.
export const told = async (event, context) => ({
  event,
  client: context.clientContext,
  arn: context.invokedFunctionArn,
  tenant: context.tenantId,
  version: context.functionVersion,
  memory: context.memoryLimitInMB,
  remaining_ms: context.getRemainingTimeInMillis(),
  id: context.awsRequestId,
  trace: process.env._X_AMZN_TRACE_ID,
});
