// A handler in CommonJS, written with lambda-stream.
"use strict";
const { streamifyResponse } = require("lambda-stream");

exports.handler = streamifyResponse(async (event, responseStream, context) => {
  const { Gate } = await import("./gate.mjs");
  const gate = new Gate(event);
  responseStream.setContentType("text/plain; charset=utf-8");
  for (const text of ["one,", "two,", "three"]) {
    await gate.wait();
    responseStream.write(text);
  }
  await gate.wait();
  gate.close();
  responseStream.end();
});
