"""An app that streams, at a CloudFront address: `cdk deploy` in this folder makes all of it."""

import aws_cdk as cdk

from tailrace.deploy import StreamingFunction, StreamingSite

app = cdk.App()
stack = cdk.Stack(app, "Lines")
lines = StreamingFunction(stack, "Lines", path="lines", app="main:app", timeout_s=300)
site = StreamingSite(stack, "Site", routes=[{"path": "/*", "function": lines, "concurrency": 100}])
cdk.CfnOutput(stack, "Url", value=site.url)
app.synth()
