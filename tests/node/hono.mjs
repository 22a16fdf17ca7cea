// An application of Hono, with its streaming handle for Lambda.
import { Hono } from "hono";
import { streamHandle } from "hono/aws-lambda";
import { setCookie } from "hono/cookie";
import { stream } from "hono/streaming";
import { Gate } from "./gate.mjs";

const app = new Hono();

app.get("/*", (c) => {
  const gate = new Gate(c.env.event);
  c.status(201);
  c.header("content-type", "text/plain; charset=utf-8");
  setCookie(c, "a", "1");
  setCookie(c, "b", "2");
  return stream(c, async (stream) => {
    for (const text of ["one,", "two,", "three"]) {
      await gate.wait();
      await stream.write(text);
    }
    await gate.wait();
    gate.close();
  });
});

app.delete("/*", (c) => c.body(null, 204));

app.post("/*", async (c) => c.json({ echo: await c.req.json(), ua: c.req.header("user-agent") }));

export const handler = streamHandle(app);
