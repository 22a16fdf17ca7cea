// An application of Express, streaming by @h4ad/serverless-adapter.
import { ServerlessAdapter } from "@h4ad/serverless-adapter";
import { ApiGatewayV2Adapter } from "@h4ad/serverless-adapter/adapters/aws";
import { ExpressFramework } from "@h4ad/serverless-adapter/frameworks/express";
import { AwsStreamHandler } from "@h4ad/serverless-adapter/handlers/aws";
import { DummyResolver } from "@h4ad/serverless-adapter/resolvers/dummy";
import express from "express";
import { Gate } from "./gate.mjs";

const app = express();
app.disable("x-powered-by");

app.get("/{*splat}", async (request, response) => {
  const gate = new Gate({ url: request.originalUrl });
  response.status(201).type("text/plain; charset=utf-8");
  response.cookie("a", "1").cookie("b", "2");
  for (const text of ["one,", "two,", "three"]) {
    await gate.wait();
    response.write(text);
  }
  await gate.wait();
  gate.close();
  response.end();
});

app.post("/{*splat}", express.json(), (request, response) => {
  response.json({ echo: request.body, ua: request.get("user-agent") });
});

export const handler = ServerlessAdapter.new(app)
  .setHandler(new AwsStreamHandler())
  .setFramework(new ExpressFramework())
  .setResolver(new DummyResolver())
  .addAdapter(new ApiGatewayV2Adapter())
  .build();
