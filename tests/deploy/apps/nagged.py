"""Sites whose templates cdk-nag checks: an internal load balancer, and a public one."""

from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from tailrace.deploy import StreamingFunction, StreamingSite

LINES = Path(__file__).parents[3] / "examples" / "deploy" / "lines"

app = cdk.App()
for name, is_public in (("Internal", False), ("Public", True)):
    stack = cdk.Stack(app, name)
    lines = StreamingFunction(stack, "Lines", path=LINES, app="main:app", timeout_s=300)
    StreamingSite(stack, "Site", routes=[{"path": "/*", "function": lines}], is_public=is_public)
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
app.synth()
